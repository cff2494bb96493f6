using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Turns a text column into a column of vectors: C numbers of Single, C being the model's <see cref="GptConfig.EmbeddingSize"/>.</summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/>. An empty text gets the vector of <see cref="GptModel.BeginTokenId"/>.</remarks>
public sealed class EmbedTextTransformer : GptTextTransformer
{
    internal const string Kind = "EmbedText";

    private readonly Settings _settings;

    internal EmbedTextTransformer(string outputColumnName, string? inputColumnName, GptModel model, EmbedTextOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(inputColumnName, outputColumnName), options), model, owned: null)
    {
    }

    private EmbedTextTransformer(Settings settings, GptModel model, IDisposable? owned)
        : base(new EmbedOperation(settings, model), owned)
    {
        _settings = settings;
        Model = model;
    }

    /// <summary>The model.</summary>
    public GptModel Model { get; }

    /// <summary>The options.</summary>
    public EmbedTextOptions Options => _settings.Options;

    internal static EmbedTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenModel((model, owned) => new EmbedTextTransformer(settings, model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave);

    private sealed record Settings(string OutputColumnName, string InputColumnName, EmbedTextOptions Options);

    private sealed class EmbedOperation(Settings settings, GptModel model)
        : TextOperation(settings.InputColumnName, Window(settings.Options?.BatchSize ?? 0), Columns(settings, model.Config))
    {
        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows)
        {
            EmbedTextOptions options = settings.Options;
            var texts = new int[rows.Count][];
            for (int i = 0; i < texts.Length; i++)
            {
                options.CancellationToken.ThrowIfCancellationRequested();
                texts[i] = model.Tokenizer.Encode(rows[i].Text, options.SpecialTokens);
                if (options.Truncation is null && texts[i].Length > model.Config.ContextLength)
                {
                    throw new PromptTooLongException(texts[i].Length, model.Config.ContextLength,
                        $"It stands in column '{InputColumnName}', row {rows[i].Position}. Cut the text, or set {nameof(EmbeddingOptions.Truncation)} to the part that stays.");
                }
            }

            return model.EmbedTokens(texts, options, options.CancellationToken);
        }

        private static List<TextOutput> Columns(Settings settings, GptConfig config)
        {
            EmbedTextOptions options = settings.Options;
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            SpecialTokensOption.Validate(options.SpecialTokens);
            CheckNames([(settings.OutputColumnName, "outputColumnName"), (options.TokenCountColumnName, nameof(options.TokenCountColumnName)), (options.DroppedTokenCountColumnName, nameof(options.DroppedTokenCountColumnName))]);
            List<TextOutput> columns = [TextOutput.Create<SequenceEmbedding, VBuffer<float>>(
                settings.OutputColumnName,
                new VectorDataViewType(NumberDataViewType.Single, config.EmbeddingSize),
                static (SequenceEmbedding embedding, ref VBuffer<float> value) =>
                {
                    VBufferEditor<float> editor = VBufferEditor.Create(ref value, embedding.Vector.Length);
                    embedding.Vector.CopyTo(editor.Values);
                    value = editor.Commit();
                })];
            if (options.TokenCountColumnName is { } count)
                columns.Add(TextOutput.Create<SequenceEmbedding, int>(count, NumberDataViewType.Int32, static (SequenceEmbedding embedding, ref int value) => value = embedding.TokenCount));
            if (options.DroppedTokenCountColumnName is { } dropped)
                columns.Add(TextOutput.Create<SequenceEmbedding, int>(dropped, NumberDataViewType.Int32, static (SequenceEmbedding embedding, ref int value) => value = embedding.DroppedTokenCount));
            return columns;
        }
    }
}
