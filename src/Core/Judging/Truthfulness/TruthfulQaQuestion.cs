using System.Text;

namespace MLNet.Gpt;

/// <summary>A question of TruthfulQA (Lin et al. 2022) with its answers.</summary>
/// <param name="Category">What it is about.</param>
/// <param name="Question">The question.</param>
/// <param name="BestAnswer">The best of the true answers.</param>
/// <param name="CorrectAnswers">The true answers, the best among them; one or more.</param>
/// <param name="IncorrectAnswers">The false answers; one or more.</param>
public sealed record TruthfulQaQuestion(string Category, string Question, string BestAnswer, IReadOnlyList<string> CorrectAnswers, IReadOnlyList<string> IncorrectAnswers)
{
    private static readonly string[] s_fields = ["Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers"];

    /// <summary>Reads TruthfulQA.csv, or any file with the fields Category, Question, Best Answer, Correct Answers and Incorrect Answers; lists are divided by semicolons.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="EvaluationFileException">A field is missing or empty, or the file is no such file; it names record and field.</exception>
    /// <exception cref="IOException">The file can't be read.</exception>
    public static IReadOnlyList<TruthfulQaQuestion> Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var reader = new StreamReader(path, Encoding.UTF8);
        return Read(reader, path);
    }

    /// <summary>Reads the same from elsewhere.</summary>
    /// <param name="reader">The text.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="EvaluationFileException">A field is missing or empty.</exception>
    public static IReadOnlyList<TruthfulQaQuestion> Read(TextReader reader, string name)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentException.ThrowIfNullOrEmpty(name);
        var questions = new List<TruthfulQaQuestion>();
        int[]? places = null;
        foreach (string[] record in CsvRecords.Read(reader, name))
        {
            if (places is null)
            {
                places = [.. s_fields.Select(field => Array.FindIndex(record, one => one.Trim().TrimStart('\uFEFF') == field) is >= 0 and int place ? place
                    : throw new EvaluationFileException(name, 0, field, "is missing.", $"TruthfulQA.csv has the fields {string.Join(", ", s_fields)}; found {string.Join(", ", record)}."))];
                continue;
            }

            long row = questions.Count + 1;
            string[] values = [.. places.Select((place, i) => place < record.Length && record[place].Trim() is { Length: > 0 } value ? value
                : throw new EvaluationFileException(name, row, s_fields[i], place < record.Length ? "is empty." : $"is missing: the record has {record.Length} fields.", "Complete the record, or remove it."))];
            questions.Add(new(values[0], values[1], Ended(values[2]), Answers(values[3], row, 3), Answers(values[4], row, 4)));
        }

        if (places is null) throw new EvaluationFileException(name, 0, s_fields[0], "is missing: the file is empty.", "Give TruthfulQA.csv with its header.");
        return questions;

        IReadOnlyList<string> Answers(string list, long row, int field)
        {
            string[] answers = [.. list.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Ended)];
            return answers.Length > 0 ? answers : throw new EvaluationFileException(name, row, s_fields[field], "has no answer between its semicolons.", "Complete the record, or remove it.");
        }

        // As the authors' own script scores them: with a full stop.
        static string Ended(string answer) => answer.EndsWith('.') ? answer : answer + ".";
    }
}
