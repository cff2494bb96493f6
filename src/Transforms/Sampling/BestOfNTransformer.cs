using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Writes several responses to each prompt of a column and keeps the one that a reward model finds best, with its reward (best-of-n; Stiennon et al. 2020, Nakano et al. 2021).</summary>
/// <remarks>
/// Thread-safe. Made by <see cref="GptTransformsCatalog"/>. A row's response depends on its prompt, the options and the seed, and not on the rows around it. Of equal rewards the response
/// that was drawn first is kept. <c>mlContext.Model.Save</c> writes both models.
/// </remarks>
public sealed class BestOfNTransformer : GptTextTransformer
{
    internal const string Kind = "BestOfN";

    private readonly Settings _settings;

    internal BestOfNTransformer(string outputColumnName, string promptColumnName, GptModel policy, GptRewardModel reward, BestOfNOptions options)
        : this(new Settings(outputColumnName, promptColumnName, options), policy, reward, owned: null)
    {
    }

    private BestOfNTransformer(Settings settings, GptModel policy, GptRewardModel reward, IDisposable? owned)
        : base(new BestOperation(settings, policy, reward), owned)
    {
        _settings = settings;
        Model = policy;
        RewardModel = reward;
    }

    /// <summary>The policy that writes.</summary>
    public GptModel Model { get; }

    /// <summary>The model that chooses.</summary>
    public GptRewardModel RewardModel { get; }

    /// <summary>The options.</summary>
    public BestOfNOptions Options => _settings.Options;

    internal static BestOfNTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenPolicyAndReward((policy, reward, owned) => new BestOfNTransformer(settings, policy, reward, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave) with { WriteSecondModel = RewardModel.WriteToSave };

    private sealed record Settings(string OutputColumnName, string PromptColumnName, BestOfNOptions Options);

    /// <param name="Kept">The response that is kept.</param>
    /// <param name="MeanReward">The mean reward of all.</param>
    private sealed record Best(SampledResponse Kept, float MeanReward);

    private sealed class BestOperation(Settings settings, GptModel policy, GptRewardModel reward)
        : TextOperation(settings.PromptColumnName, settings.Options?.Generation?.BatchSize ?? 0, Columns(settings))
    {
        private readonly ResponseSampler _sampler = new(policy, reward, settings.Options!.Samples, settings.Options.Generation, settings.Options.MaxBatchTokens);

        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows) => rows.Count == 1 ? [Alone(rows[0])] : Draw(rows);

        private IReadOnlyList<Best> Draw(IReadOnlyList<TextRow> rows) =>
            [.. _sampler.Draw([.. rows.Select(static row => row.Text)], settings.Options.Generation.CancellationToken).Select(static all => new Best(all.MaxBy(static one => one.Reward)!, all.Average(static one => one.Reward)))];

        private Best Alone(TextRow row)
        {
            try
            {
                return Draw([row])[0];
            }
            catch (Exception exception) when (exception is PromptTooLongException or ConversationException or NonFiniteRewardException)
            {
                throw new TextRowException(row.Position, [settings.PromptColumnName], exception);
            }
        }

        private static List<TextOutput> Columns(Settings settings)
        {
            BestOfNOptions options = settings.Options;
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            GenerateTextOptions generation = options.Generation;
            CheckNames([(settings.OutputColumnName, "outputColumnName"), (options.ScoreColumnName, nameof(options.ScoreColumnName)), (options.MeanScoreColumnName, nameof(options.MeanScoreColumnName)),
                (generation.FinishReasonColumnName, nameof(generation.FinishReasonColumnName)), (generation.TokenCountColumnName, nameof(generation.TokenCountColumnName)), (generation.LogProbabilitiesColumnName, nameof(generation.LogProbabilitiesColumnName))]);
            List<TextOutput> columns = [TextOutput.Create<Best, ReadOnlyMemory<char>>(settings.OutputColumnName, TextDataViewType.Instance, static (Best best, ref ReadOnlyMemory<char> value) => value = best.Kept.Text.AsMemory())];
            if (options.ScoreColumnName is { } score)
                columns.Add(TextOutput.Create<Best, float>(score, NumberDataViewType.Single, static (Best best, ref float value) => value = best.Kept.Reward));
            if (options.MeanScoreColumnName is { } mean)
                columns.Add(TextOutput.Create<Best, float>(mean, NumberDataViewType.Single, static (Best best, ref float value) => value = best.MeanReward));
            if (generation.FinishReasonColumnName is { } reason)
                columns.Add(TextOutput.Create<Best, ReadOnlyMemory<char>>(reason, TextDataViewType.Instance, static (Best best, ref ReadOnlyMemory<char> value) => value = best.Kept.FinishReason.ToString().AsMemory()));
            if (generation.TokenCountColumnName is { } count)
                columns.Add(TextOutput.Create<Best, int>(count, NumberDataViewType.Int32, static (Best best, ref int value) => value = best.Kept.TokenCount));
            if (generation.LogProbabilitiesColumnName is { } logProbabilities)
                columns.Add(GenerateTextTransformer.LogProbabilitiesColumn<Best>(logProbabilities, static best => best.Kept.LogProbabilities!));
            return columns;
        }
    }
}
