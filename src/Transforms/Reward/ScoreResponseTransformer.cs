using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>
/// Scores the responses of one column to the prompts of another with a reward model: adds a Single, the higher the better, with the annotations of ML.NET's own rankers, so
/// that <c>Ranking.Evaluate</c> reads it.
/// </summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/> and by the reward model's trainer.</remarks>
public sealed class ScoreResponseTransformer : GptTextTransformer
{
    internal const string Kind = "ScoreResponse";

    private readonly Settings _settings;

    internal ScoreResponseTransformer(string scoreColumnName, string promptColumnName, string responseColumnName, GptRewardModel model, ScoreResponseOptions options)
        : this(new Settings(scoreColumnName, promptColumnName, responseColumnName, options), model, owned: null)
    {
    }

    private ScoreResponseTransformer(Settings settings, GptRewardModel model, IDisposable? owned)
        : base(new ScoreOperation(settings, model), owned)
    {
        _settings = settings;
        Model = model;
    }

    /// <summary>The model.</summary>
    public GptRewardModel Model { get; }

    /// <summary>The options.</summary>
    public ScoreResponseOptions Options => _settings.Options;

    /// <summary>The columns that scoring adds, for an estimator that has no model yet.</summary>
    internal static IReadOnlyList<TextOutput> OutputsOf(string scoreColumnName, ScoreResponseOptions options) =>
        ScoreOperation.Columns(new Settings(scoreColumnName, "", "", options));

    internal static ScoreResponseTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenReward((model, owned) => new ScoreResponseTransformer(settings, model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave);

    private sealed record Settings(string ScoreColumnName, string PromptColumnName, string ResponseColumnName, ScoreResponseOptions Options);

    private sealed class ScoreOperation(Settings settings, GptRewardModel model)
        : TextOperation([new TextInput(settings.PromptColumnName), new TextInput(settings.ResponseColumnName)], settings.Options?.BatchSize ?? 0, Columns(settings))
    {
        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows) => rows.Count == 1 ? [Alone(rows[0])] : Score(rows);

        private IReadOnlyList<ResponseReward> Score(IReadOnlyList<TextRow> rows) =>
            model.Score([.. rows.Select(static row => (row.Columns[0][0], row.Columns[1][0]))], settings.Options, settings.Options.CancellationToken);

        private ResponseReward Alone(TextRow row)
        {
            try
            {
                return Score([row])[0];
            }
            catch (Exception exception) when (exception is PromptTooLongException or ConversationException)
            {
                throw new TextRowException(row.Position, [settings.PromptColumnName, settings.ResponseColumnName], exception);
            }
        }

        public static List<TextOutput> Columns(Settings settings)
        {
            ScoreResponseOptions options = settings.Options;
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            CheckNames([(settings.ScoreColumnName, "scoreColumnName"), (options.DroppedTokenCountColumnName, nameof(options.DroppedTokenCountColumnName))]);
            List<TextOutput> columns = [TextOutput.Create<ResponseReward, float>(settings.ScoreColumnName, NumberDataViewType.Single, static (ResponseReward reward, ref float value) => value = reward.Reward,
                static input => ScoreAnnotations.Build(input, ScoreAnnotations.Ranking, ScoreAnnotations.Score))];
            if (options.DroppedTokenCountColumnName is { } dropped)
                columns.Add(TextOutput.Create<ResponseReward, int>(dropped, NumberDataViewType.Int32, static (ResponseReward reward, ref int value) => value = reward.DroppedTokens));
            return columns;
        }
    }
}
