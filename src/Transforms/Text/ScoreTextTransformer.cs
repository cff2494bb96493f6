using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>
/// Tells how likely a model finds each text of a column: the log-likelihood (Single, nats, the sum over the text's tokens), the perplexity (Single) and the number of
/// tokens (Int32).
/// </summary>
/// <remarks>
/// Thread-safe. Made by <see cref="GptTransformsCatalog"/>. A text's first token is conditioned on <see cref="GptModel.BeginTokenId"/>. An empty text has the log-likelihood 0 and, having no
/// token to be unsure of, the perplexity NaN, ML.NET's missing value.
/// </remarks>
public sealed class ScoreTextTransformer : GptTextTransformer
{
    internal const string Kind = "ScoreText";

    private readonly Settings _settings;

    internal ScoreTextTransformer(string outputColumnName, string? inputColumnName, GptModel model, ScoreTextOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(inputColumnName, outputColumnName), options), model, owned: null)
    {
    }

    private ScoreTextTransformer(Settings settings, GptModel model, IDisposable? owned)
        : base(new ScoreOperation(settings, model), owned)
    {
        _settings = settings;
        Model = model;
    }

    /// <summary>The model.</summary>
    public GptModel Model { get; }

    /// <summary>The options.</summary>
    public ScoreTextOptions Options => _settings.Options;

    /// <summary>The columns that scoring adds, for an estimator that has no model yet.</summary>
    internal static IReadOnlyList<TextOutput> OutputsOf(string outputColumnName, string inputColumnName, ScoreTextOptions options) =>
        ScoreOperation.Columns(new Settings(outputColumnName, inputColumnName, options));

    internal static ScoreTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenModel((model, owned) => new ScoreTextTransformer(settings, model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave);

    private sealed record Settings(string OutputColumnName, string InputColumnName, ScoreTextOptions Options);

    private sealed class ScoreOperation(Settings settings, GptModel model)
        : TextOperation(settings.InputColumnName, Window(settings.Options?.BatchSize ?? 0), Columns(settings))
    {
        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows)
        {
            ScoreTextOptions options = settings.Options;
            var texts = new int[rows.Count][];
            for (int i = 0; i < texts.Length; i++)
            {
                options.CancellationToken.ThrowIfCancellationRequested();
                texts[i] = model.Tokenizer.Encode(rows[i].Text, options.SpecialTokens);
                if (options.Overflow == PromptOverflow.Error && texts[i].Length > model.Config.ContextLength)
                {
                    throw new PromptTooLongException(texts[i].Length, model.Config.ContextLength,
                        $"It stands in column '{InputColumnName}', row {rows[i].Position}. Cut the text, or set {nameof(ScoringOptions.Overflow)} to {nameof(PromptOverflow.KeepTail)}.");
                }
            }

            return model.ScoreTokens(texts, options, options.CancellationToken);
        }

        public static List<TextOutput> Columns(Settings settings)
        {
            ScoreTextOptions options = settings.Options;
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            SpecialTokensOption.Validate(options.SpecialTokens);
            CheckNames([(settings.OutputColumnName, "outputColumnName"), (options.PerplexityColumnName, nameof(options.PerplexityColumnName)), (options.TokenCountColumnName, nameof(options.TokenCountColumnName))]);
            List<TextOutput> columns = [TextOutput.Create<SequenceScore, float>(
                settings.OutputColumnName, NumberDataViewType.Single, static (SequenceScore score, ref float value) => value = (float)score.LogLikelihood)];
            if (options.PerplexityColumnName is { } perplexity)
                columns.Add(TextOutput.Create<SequenceScore, float>(perplexity, NumberDataViewType.Single, static (SequenceScore score, ref float value) => value = (float)score.Perplexity));
            if (options.TokenCountColumnName is { } count)
                columns.Add(TextOutput.Create<SequenceScore, int>(count, NumberDataViewType.Int32, static (SequenceScore score, ref int value) => value = score.TokenCount));
            return columns;
        }
    }
}
