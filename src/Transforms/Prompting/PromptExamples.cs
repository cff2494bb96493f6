using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>The examples of few-shot prompts, as texts.</summary>
internal static class PromptExamples
{
    /// <summary>Reads the examples that may be shown: all where they are drawn for each row, else those that are selected, in their order.</summary>
    /// <exception cref="ColumnMismatchException">A field's column is missing, or is not text.</exception>
    /// <exception cref="ArgumentException">There are too few examples.</exception>
    public static List<string> Read(IDataView? data, BuildPromptOptions options)
    {
        if (options.ExampleCount == 0) return [];
        ArgumentNullException.ThrowIfNull(data, "examples");
        PromptTemplate template = PromptTemplate.Parse(options.ExampleTemplate!);
        DataViewSchema.Column[] columns = [.. template.Fields.Select(field => TextColumnMapper.FindText(field, data.Schema))];
        var examples = new List<string>();
        using (DataViewRowCursor cursor = data.GetRowCursor(columns))
        {
            var reader = new TextColumnReader(cursor, columns);
            while ((options.Selection != ExampleSelection.First || examples.Count < options.ExampleCount) && cursor.MoveNext())
            {
                IReadOnlyList<string>[] values = reader.Read();
                examples.Add(template.Fill(field => values[Array.FindIndex(columns, column => column.Name == field)][0]));
            }
        }

        if (examples.Count < options.ExampleCount)
            throw new ArgumentException($"There are {examples.Count} examples, and a prompt is to show {options.ExampleCount}; give more, or set {nameof(options.ExampleCount)} to {examples.Count}.", nameof(data));
        return options.Selection == ExampleSelection.Random ? Draw(examples, options.ExampleCount, options.Seed, "") : examples;
    }

    /// <summary>Draws without repetition. The same seed and salt draw the same examples on every platform and version.</summary>
    public static List<string> Draw(IReadOnlyList<string> examples, int count, int seed, string salt)
    {
        // A partial Fisher-Yates shuffle with SplitMix64 numbers; the salt goes into the state by FNV-1a.
        ulong state = unchecked((ulong)seed * 0x9E3779B97F4A7C15);
        foreach (char c in salt) state = unchecked((state ^ c) * 0x100000001B3);
        int[] order = [.. Enumerable.Range(0, examples.Count)];
        var drawn = new List<string>(count);
        for (int i = 0; i < count; i++)
        {
            state = unchecked(state + 0x9E3779B97F4A7C15);
            ulong z = unchecked((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9);
            z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
            int j = i + (int)((UInt128)(z ^ (z >> 31)) * (ulong)(order.Length - i) >> 64);
            (order[i], order[j]) = (order[j], order[i]);
            drawn.Add(examples[order[i]]);
        }

        return drawn;
    }
}
