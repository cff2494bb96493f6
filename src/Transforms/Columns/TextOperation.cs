namespace MLNet.Gpt;

/// <summary>What a transformer does with text columns: the columns it makes, and how their values are computed for several rows at once.</summary>
/// <remarks>Immutable but for <see cref="Close"/>. <see cref="Run"/> may be called from several threads; what it gives for a row depends on that row's texts alone.</remarks>
internal abstract class TextOperation(IReadOnlyList<TextInput> inputs, int batchSize, IReadOnlyList<TextOutput> outputs)
{
    private volatile Type? _closed;

    protected TextOperation(string inputColumnName, int batchSize, IReadOnlyList<TextOutput> outputs)
        : this([new TextInput(inputColumnName)], batchSize, outputs)
    {
    }

    /// <summary>The columns that are read, the first of which is text.</summary>
    public IReadOnlyList<TextInput> Inputs { get; } = inputs;

    /// <summary>The first column that is read.</summary>
    public string InputColumnName => Inputs[0].Name;

    /// <summary>How many rows a cursor gathers.</summary>
    public int BatchSize { get; } = batchSize;

    public IReadOnlyList<TextOutput> Outputs { get; } = outputs;

    /// <summary>The rows to gather where texts of like length are computed together, so many at a time: enough of them that lengths differ little in a batch. One at a time means just that.</summary>
    public static int Window(int batchSize) => batchSize <= 1 ? batchSize : (int)Math.Min(batchSize * 16L, Math.Max(batchSize, 1_024));

    /// <summary>Divides gathered rows, by their places, into those that one run computes; a run comes when one of its rows is first asked for. All in one unless an operation says otherwise.</summary>
    public virtual IEnumerable<int[]> Divide(IReadOnlyList<TextRow> rows) => [[.. Enumerable.Range(0, rows.Count)]];

    /// <summary>Computes a result for each row.</summary>
    public abstract IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows);

    /// <summary>Computes the result for one row.</summary>
    /// <exception cref="TextRowException">The row's texts are at fault, and the cause does not name the row itself.</exception>
    public object RunAlone(TextRow row)
    {
        try
        {
            return Run([row])[0];
        }
        catch (Exception exception) when (exception is UnknownCharacterException or ArgumentException)
        {
            throw new TextRowException(row.Position, [.. Inputs.Select(static input => input.Name)], exception);
        }
    }

    /// <summary>Ends the operation: its transformer has been disposed, and views that it has made compute nothing more, whoever else uses the same model.</summary>
    /// <param name="transformer">The transformer's type.</param>
    public void Close(Type transformer) => _closed = transformer;

    /// <exception cref="ObjectDisposedException">The transformer has been disposed.</exception>
    public void ThrowIfClosed()
    {
        if (_closed is { } transformer) throw new ObjectDisposedException(transformer.Name);
    }

    /// <summary>Whether an exception of <see cref="Run"/> may have been one row's fault, or the number of rows', so that the rows are worth another try one by one.</summary>
    public static bool MayBeOneRows(Exception exception) => exception is GptException or ArgumentException;

    /// <summary>The column that is read: the given one, or, as in ML.NET, the output column where none is given.</summary>
    public static string InputOrOutput(string? inputColumnName, string outputColumnName)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        return string.IsNullOrEmpty(inputColumnName) ? outputColumnName : inputColumnName;
    }

    /// <summary>Refuses output columns that have no name or share one.</summary>
    public static void CheckNames(IEnumerable<(string? Name, string Option)> columns)
    {
        var seen = new Dictionary<string, string>();
        foreach ((string? name, string option) in columns)
        {
            if (name is null) continue;
            if (name.Length == 0) throw new ArgumentException($"{option} is empty; name the column, or set it to null to leave it out.", option);
            if (!seen.TryAdd(name, option)) throw new ArgumentException($"{seen[name]} and {option} are both '{name}'; give each column a name of its own.", option);
        }
    }
}
