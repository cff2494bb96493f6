using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Turns a text column into a column of its chunks: a vector of texts of each text's own length.</summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/>.</remarks>
public sealed class ChunkTextTransformer : GptTextTransformer
{
    internal const string Kind = "ChunkText";

    private readonly Settings _settings;

    internal ChunkTextTransformer(string outputColumnName, string? inputColumnName, GptTokenizer tokenizer, ChunkTextOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(inputColumnName, outputColumnName), options), tokenizer)
    {
    }

    private ChunkTextTransformer(Settings settings, GptTokenizer tokenizer)
        : base(new ChunkOperation(settings, tokenizer), owned: null)
    {
        _settings = settings;
        Tokenizer = tokenizer;
    }

    /// <summary>The tokenizer.</summary>
    public GptTokenizer Tokenizer { get; }

    /// <summary>The options.</summary>
    public ChunkTextOptions Options => _settings.Options;

    internal static ChunkTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        using PrivateFolder folder = contents.TakeFolder(); // the tokenizer holds nothing of it
        try
        {
            return new ChunkTextTransformer(settings, GptTokenizer.Load(folder.Path));
        }
        catch (ArgumentException exception)
        {
            throw ModelFileContents.Corrupt($"the settings of its transformer '{Kind}' are out of range: {exception.Message}", exception);
        }
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Tokenizer);

    private sealed record Settings(string OutputColumnName, string InputColumnName, ChunkTextOptions Options);

    private sealed class ChunkOperation(Settings settings, GptTokenizer tokenizer) : TextOperation(settings.InputColumnName, batchSize: 1, Columns(settings))
    {
        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows) => [.. rows.Select(row => TextChunker.Split(row.Text, tokenizer, settings.Options))];

        private static IReadOnlyList<TextOutput> Columns(Settings settings)
        {
            ArgumentNullException.ThrowIfNull(settings.Options);
            settings.Options.Validate();
            CheckNames([(settings.OutputColumnName, "outputColumnName")]);
            return [TextOutput.Create<IReadOnlyList<TextChunk>, VBuffer<ReadOnlyMemory<char>>>(settings.OutputColumnName, new VectorDataViewType(TextDataViewType.Instance), Write)];
        }

        private static void Write(IReadOnlyList<TextChunk> chunks, ref VBuffer<ReadOnlyMemory<char>> value)
        {
            VBufferEditor<ReadOnlyMemory<char>> editor = VBufferEditor.Create(ref value, chunks.Count);
            for (int i = 0; i < chunks.Count; i++) editor.Values[i] = chunks[i].Text.AsMemory();
            value = editor.Commit();
        }
    }
}
