using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Turns a text column into a column of token ids: a vector of Int32 of each text's own length, empty for an empty text.</summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/>.</remarks>
public sealed class TokenizeTextTransformer : GptTextTransformer
{
    internal const string Kind = "TokenizeText";

    private readonly Settings _settings;

    internal TokenizeTextTransformer(string outputColumnName, string? inputColumnName, GptTokenizer tokenizer, TokenizeTextOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(inputColumnName, outputColumnName), options), tokenizer)
    {
    }

    private TokenizeTextTransformer(Settings settings, GptTokenizer tokenizer)
        : base(new TokenizeOperation(settings, tokenizer), owned: null)
    {
        _settings = settings;
        Tokenizer = tokenizer;
    }

    /// <summary>The tokenizer.</summary>
    public GptTokenizer Tokenizer { get; }

    /// <summary>The options.</summary>
    public TokenizeTextOptions Options => _settings.Options;

    internal static TokenizeTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        using PrivateFolder folder = contents.TakeFolder(); // the tokenizer holds nothing of it
        return new TokenizeTextTransformer(settings, GptTokenizer.Load(folder.Path));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Tokenizer);

    private sealed record Settings(string OutputColumnName, string InputColumnName, TokenizeTextOptions Options);

    private sealed class TokenizeOperation(Settings settings, GptTokenizer tokenizer)
        : TextOperation(settings.InputColumnName, batchSize: 1, Columns(settings))
    {
        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows) =>
            [.. rows.Select(row => tokenizer.Encode(row.Text, settings.Options.SpecialTokens))];

        private static IReadOnlyList<TextOutput> Columns(Settings settings)
        {
            ArgumentNullException.ThrowIfNull(settings.Options);
            settings.Options.Validate();
            CheckNames([(settings.OutputColumnName, "outputColumnName")]);
            return [TextOutput.Create<int[], VBuffer<int>>(settings.OutputColumnName, new VectorDataViewType(NumberDataViewType.Int32), Write)];
        }

        private static void Write(int[] ids, ref VBuffer<int> value)
        {
            VBufferEditor<int> editor = VBufferEditor.Create(ref value, ids.Length);
            ids.CopyTo(editor.Values);
            value = editor.Commit();
        }
    }
}
