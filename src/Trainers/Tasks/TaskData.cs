using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>A labelled set in memory, tokenized.</summary>
/// <param name="Examples">The examples that have a label, in the order of the rows.</param>
/// <param name="Report">What was found.</param>
internal sealed record TaskData(IReadOnlyList<TaskExample> Examples, SupervisedDataReport Report)
{
    /// <summary>Reads a view.</summary>
    /// <param name="view">The rows.</param>
    /// <param name="columns">Their columns.</param>
    /// <param name="head">The task and how texts are cut.</param>
    /// <param name="config">The network's shape.</param>
    /// <param name="tokenizer">Encodes the texts.</param>
    /// <param name="trained">What the training set's keys stand for and how many there are, where another set is read; null for the training set itself.</param>
    /// <param name="cancellation">Ends the reading with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    public static TaskData Read(IDataView view, TaskColumns columns, ClassifierHead head, GptConfig config, GptTokenizer tokenizer, (int Classes, LabelValues? Values)? trained, CancellationToken cancellation)
    {
        (DataViewSchema.Column label, int classes, LabelValues? values) = columns.Find(view.Schema);
        int[]? meaning = trained is { } known ? ToTrainedKeys(classes, values, known.Classes, known.Values) : null;
        DataViewSchema.Column[] texts = [.. columns.Texts.Select(name => view.Schema[name])];
        using DataViewRowCursor cursor = view.GetRowCursor([label, .. texts]);
        ValueGetter<ReadOnlyMemory<char>>[] getters = [.. texts.Select(column => cursor.GetGetter<ReadOnlyMemory<char>>(column))];
        Func<TaskLabel?> labelOf = columns.Objective.Getter(cursor, label);
        var examples = new List<TaskExample>();
        int rows = 0, missing = 0, unseen = 0, empty = 0, truncated = 0;
        long dropped = 0;
        while (cursor.MoveNext())
        {
            cancellation.ThrowIfCancellationRequested();
            rows++;
            if (labelOf() is not { } found)
            {
                missing++;
                continue;
            }

            int index = meaning is null ? found.Class : meaning[found.Class];
            if (index < 0) unseen++;
            var tokens = new int[getters.Length][];
            bool anyEmpty = false;
            for (int i = 0; i < tokens.Length; i++)
            {
                ReadOnlyMemory<char> text = default;
                getters[i](ref text);
                anyEmpty |= text.IsEmpty;
                tokens[i] = tokenizer.Encode(text.ToString(), head.SpecialTokens);
            }

            int[][] sequences = TaskSequences.Build(head, config, tokens, out int cut);
            if (anyEmpty) empty++;
            if (cut > 0) truncated++;
            dropped += cut;
            examples.Add(new(sequences, index, found.Target) { Row = rows - 1 });
        }

        return new(examples, new(rows, missing, unseen, empty, truncated, dropped));
    }

    /// <summary>Holds out a share of each class, chosen by the seed alone: the same examples in every process, on every machine, and in every version of .NET.</summary>
    /// <param name="fraction">The share, 0 to 1 (exclusive); of a class of n examples <c>round(n * fraction)</c> are held out, halves to the even number. 0 holds out nothing.</param>
    /// <param name="seed">Any number.</param>
    /// <returns>Both parts, each in the order of the rows; <c>Validation</c> is null where no class is large enough to give an example away.</returns>
    public (TaskData Training, TaskData? Validation) Split(double fraction, long seed)
    {
        if (fraction == 0) return (this, null);
        ulong key = RandomBits.Mix(unchecked((ulong)seed) ^ 0x73706C6974000000); // "split": other draws of the same seed have other keys
        bool[] held = new bool[Examples.Count];
        foreach (IGrouping<int, int> members in Enumerable.Range(0, held.Length).GroupBy(i => Examples[i].Label))
        {
            int count = (int)Math.Round(members.Count() * fraction);
            foreach (int i in members.OrderBy(i => RandomBits.Mix(key ^ RandomBits.Mix((ulong)i))).Take(count)) held[i] = true;
        }

        return (this with { Examples = [.. Examples.Where((_, i) => !held[i])] },
            held.AsSpan().Contains(true) ? this with { Examples = [.. Examples.Where((_, i) => held[i])] } : null);
    }

    /// <summary>For each key of another set, less 1, the class in training: by what the keys stand for where both sets tell it, else by the key itself; -1 where training does not know it.</summary>
    private static int[] ToTrainedKeys(int classes, LabelValues? values, int trainedClasses, LabelValues? trained)
    {
        if (values is null || trained is null) return [.. Enumerable.Range(0, classes).Select(i => i < trainedClasses ? i : -1)];
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < trained.Values.Count; i++) places.TryAdd(trained.Values[i], i);
        return [.. values.Values.Select(value => values.ItemType == trained.ItemType && places.TryGetValue(value, out int place) ? place : -1)];
    }
}
