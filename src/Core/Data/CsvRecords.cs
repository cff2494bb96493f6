using System.Text;

namespace MLNet.Gpt;

/// <summary>Comma-separated values as RFC 4180 has them: a field in quotes may hold commas, line ends and doubled quotes.</summary>
internal static class CsvRecords
{
    /// <summary>Reads record by record, the header among them. Empty lines are passed over.</summary>
    /// <param name="reader">The text.</param>
    /// <param name="path">The file's name, for messages.</param>
    /// <exception cref="EvaluationFileException">A quote is not closed, or something follows one that is.</exception>
    public static IEnumerable<string[]> Read(TextReader reader, string path)
    {
        for (long row = 0; ;)
        {
            var fields = new List<string>();
            bool any = ReadRecord(reader, path, row, fields);
            if (!any) yield break;
            if (fields is [""]) continue;
            row++;
            yield return [.. fields];
        }
    }

    private static bool ReadRecord(TextReader reader, string path, long row, List<string> fields)
    {
        if (reader.Peek() < 0) return false;
        var field = new StringBuilder();
        while (true)
        {
            bool quoted = reader.Peek() == '"';
            if (quoted) ReadQuoted(reader, path, row, field);
            int next = reader.Read();
            while (next is not (',' or '\r' or '\n' or < 0))
            {
                if (quoted) throw new EvaluationFileException(path, row, "", $"has '{(char)next}' behind a closing quote.", "Double the quotes inside of a quoted field.");
                field.Append((char)next);
                next = reader.Read();
            }

            fields.Add(field.ToString());
            field.Clear();
            if (next == ',') continue;
            if (next == '\r' && reader.Peek() == '\n') reader.Read();
            return true;
        }
    }

    private static void ReadQuoted(TextReader reader, string path, long row, StringBuilder field)
    {
        reader.Read();
        while (true)
        {
            int next = reader.Read();
            if (next < 0) throw new EvaluationFileException(path, row, "", "ends inside of quotes.", "The file is cut short, or a quote is not closed: copy it again.");
            if (next == '"')
            {
                if (reader.Peek() != '"') return;
                reader.Read();
            }

            field.Append((char)next);
        }
    }
}
