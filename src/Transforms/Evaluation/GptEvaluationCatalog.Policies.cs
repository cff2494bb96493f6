using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

// Policies against each other.
public sealed partial class GptEvaluationCatalog
{
    /// <summary>Compares two policies by two score columns over the same prompts: how often the one has the higher score.</summary>
    /// <param name="data">A row for each prompt, with both policies' scores by the same judge: a reward model's (<c>ScoreResponse</c>), or any scorer's.</param>
    /// <param name="scoreColumnName">The Single column of one policy's scores.</param>
    /// <param name="otherScoreColumnName">The Single column of the other's.</param>
    /// <param name="tolerance">Scores that differ by no more are a tie, 0 or more.</param>
    /// <param name="level">The probability of the interval, in (0, 1).</param>
    /// <exception cref="ColumnMismatchException">A column is missing, or is not Single.</exception>
    /// <exception cref="ArgumentException">There is no row, a score is not finite, or a number is outside its range.</exception>
    public WinRate WinRate(IDataView data, string scoreColumnName, string otherScoreColumnName, float tolerance = 0, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(data);
        DataViewSchema.Column first = FindSingle(scoreColumnName, data.Schema), second = FindSingle(otherScoreColumnName, data.Schema);
        using DataViewRowCursor cursor = data.GetRowCursor(first.Index == second.Index ? [first] : [first, second]);
        ValueGetter<float> getFirst = cursor.GetGetter<float>(first), getSecond = cursor.GetGetter<float>(second);
        List<float> scores = [], others = [];
        float value = 0;
        while (cursor.MoveNext())
        {
            getFirst(ref value);
            scores.Add(value);
            getSecond(ref value);
            others.Add(value);
        }

        return MLNet.Gpt.WinRate.Of(scores, others, tolerance, level);
    }

    /// <summary>Compares policies on held-out prompts by a reward model: reward, length, entropy, divergence from a reference, win rates and ratings.</summary>
    /// <param name="data">The prompts. One that comes several times counts once: a policy would answer it alike each time, and the intervals would take that for more than was seen.</param>
    /// <param name="promptColumnName">Their text column: texts, or conversations in JSON, as the judge reads them.</param>
    /// <param name="policies">The policies by name; one or more.</param>
    /// <param name="judge">The reward model, best one that no policy was trained towards.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ColumnMismatchException">The column is missing, or is not text.</exception>
    /// <exception cref="ArgumentException">An option is out of range, two policies share a name, there is no prompt, or the judge does not read such prompts.</exception>
    /// <exception cref="NonFiniteRewardException">A reward is not a number.</exception>
    public PolicyComparison Policies(
        IDataView data, string promptColumnName, IReadOnlyList<(string Name, GptModel Policy)> policies, GptRewardModel judge, PolicyComparisonOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(judge);
        options ??= new();
        options.Validate();
        if (judge.Head.Conversations != (options.Generation.PromptForm == PromptForm.Conversation))
            throw new ArgumentException($"The judge reads {(judge.Head.Conversations ? "conversations" : "texts")} and {nameof(GenerateTextOptions.PromptForm)} is {options.Generation.PromptForm}; set it to what the judge reads.", nameof(judge));
        return Policies(data, promptColumnName, policies, responses => [.. judge.Score(responses, options: null, cancellationToken).Select(static reward => reward.Reward)], options, cancellationToken);
    }

    /// <summary>Compares policies on held-out prompts by any judge.</summary>
    /// <param name="data">The prompts. One that comes several times counts once: a policy would answer it alike each time, and the intervals would take that for more than was seen.</param>
    /// <param name="promptColumnName">Their text column.</param>
    /// <param name="policies">The policies by name; one or more.</param>
    /// <param name="judge">Gives each prompt with its response a finite number, the higher the better among the responses to one prompt, in order.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ColumnMismatchException">The column is missing, or is not text.</exception>
    /// <exception cref="ArgumentException">An option is out of range, two policies share a name, there is no prompt, or the judge gives too few numbers.</exception>
    /// <exception cref="NonFiniteRewardException">The judge gives what is no number.</exception>
    public PolicyComparison Policies(
        IDataView data,
        string promptColumnName,
        IReadOnlyList<(string Name, GptModel Policy)> policies,
        Func<IReadOnlyList<(string Prompt, string Response)>, IReadOnlyList<float>> judge,
        PolicyComparisonOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentNullException.ThrowIfNull(judge);
        options ??= new();
        options.Validate();
        if (policies.Count == 0) throw new ArgumentException("There is no policy; give one or more.", nameof(policies));
        foreach ((string name, GptModel policy) in policies)
        {
            ArgumentException.ThrowIfNullOrEmpty(name, nameof(policies));
            ArgumentNullException.ThrowIfNull(policy, nameof(policies));
            policy.CheckStops(options.Generation);
            if (policies.Count(other => other.Name == name) > 1) throw new ArgumentException($"Two policies are called '{name}'; give each a name of its own.", nameof(policies));
            if (options.Reference is { } other && other.Tokenizer.Hash != policy.Tokenizer.Hash)
                throw new ArgumentException($"The policy '{name}' has another tokenizer than the reference, so that their likelihoods are of different tokens; leave {nameof(options.Reference)} null.", nameof(options));
        }

        string[] prompts = [.. ReadText(data, TextColumnMapper.FindText(promptColumnName, data.Schema)).Distinct(StringComparer.Ordinal)];
        if (prompts.Length == 0) throw new ArgumentException("There is no prompt to compare policies on; give one or more.", nameof(data));
        Answers[] answers = [.. policies.Select(one => Answer(one.Name, one.Policy, prompts, judge, options, cancellationToken))];
        PolicyWinRate[] rates = [.. from i in Enumerable.Range(0, answers.Length) from j in Enumerable.Range(i + 1, answers.Length - i - 1)
            select new PolicyWinRate(policies[i].Name, policies[j].Name, MLNet.Gpt.WinRate.Of(answers[i].Rewards, answers[j].Rewards, options.TieTolerance, options.Level))];
        return new(prompts.Length, [.. answers.Select(static one => one.Policy)], rates, Rate(policies, answers, options),
            [.. from row in Enumerable.Range(0, Math.Min(options.SampleRows, prompts.Length)) from i in Enumerable.Range(0, answers.Length) select new JudgedResponse(policies[i].Name, prompts[row], answers[i].Texts[row], answers[i].Rewards[row])]);
    }

    private static Answers Answer(
        string name, GptModel policy, string[] prompts, Func<IReadOnlyList<(string Prompt, string Response)>, IReadOnlyList<float>> judge, PolicyComparisonOptions options, CancellationToken cancellationToken)
    {
        // 1. The responses, and the judge's numbers.
        GenerateTextOptions generation = options.Generation;
        bool conversations = generation.PromptForm == PromptForm.Conversation;
        int[][] tokens = [.. prompts.Select(prompt => conversations ? [.. policy.RenderPrompt(ConversationJson.Parse(prompt), generation, cancellationToken).TokenIds] : policy.Tokenizer.Encode(prompt, generation.SpecialTokens))];
        IReadOnlyList<GeneratedSequence> sequences = policy.GenerateTokens(tokens, conversations ? policy.ChatOptions(generation) : generation, onToken: null, cancellationToken);
        string[] texts = [.. sequences.Select(sequence => policy.ToText(sequence, generation).Text)];
        float[] rewards = [.. judge([.. prompts.Zip(texts)])];
        if (rewards.Length != prompts.Length) throw new ArgumentException($"The judge gave {rewards.Length} numbers for {prompts.Length} responses; it must give one for each.", nameof(judge));
        int bad = Array.FindIndex(rewards, static reward => !float.IsFinite(reward));
        if (bad >= 0) throw new NonFiniteRewardException(rewards[bad], texts[bad]);

        // 2. What the policy and the reference say of the tokens that the policy drew, the one that ended a response among them.
        int[][] drawn = [.. sequences.Select(static sequence => (int[])[.. sequence.TokenIds, .. sequence.StopTokenId is { } stop ? (int[])[stop] : []])];
        double? entropy = null, kl = null, error = null;
        if (options.DrawsFromPolicy)
        {
            double[] own = LogLikelihoods(policy, generation.Adapter);
            entropy = -own.Sum() / drawn.Sum(static one => (long)one.Length);
            if (options.Reference is { } reference)
            {
                double[] ratios = [.. own.Zip(LogLikelihoods(reference, adapter: null), static (mine, other) => mine - other)];
                (kl, error) = (ratios.Average(), SampleStatistics.StandardError(ratios));
            }
        }

        double[] values = [.. rewards.Select(static reward => (double)reward)];
        return new(texts, rewards, new(name, values.Average(), SampleStatistics.StandardError(values), drawn.Average(static one => one.Length),
            sequences.Average(static sequence => sequence.FinishReason is FinishReason.StopToken or FinishReason.StopString ? 1.0 : 0), entropy, kl, error));

        double[] LogLikelihoods(GptModel model, string? adapter) =>
            [.. model.ScoreContinuations([.. sequences.Select((sequence, i) => new ContinuationRequest([.. sequence.PromptTokenIds], [drawn[i]]))], new ScoringOptions { Overflow = PromptOverflow.KeepTail, Adapter = adapter }, cancellationToken).Select(static scores => scores[0].LogLikelihood)];
    }

    /// <summary>The ratings by all comparisons; null where they are not determined. Those of a prompt share responses, which their intervals heed.</summary>
    private static IReadOnlyList<PlayerRating>? Rate(IReadOnlyList<(string Name, GptModel Policy)> policies, Answers[] answers, PolicyComparisonOptions options)
    {
        if (answers.Length < 2) return null;
        Comparison[][] groups = [.. Enumerable.Range(0, answers[0].Rewards.Length).Select(row => (Comparison[])[.. from i in Enumerable.Range(0, answers.Length) from j in Enumerable.Range(i + 1, answers.Length - i - 1)
            let one = MLNet.Gpt.WinRate.Of([answers[i].Rewards[row]], [answers[j].Rewards[row]], options.TieTolerance) select new Comparison(policies[i].Name, policies[j].Name, one.Rate)])];
        try
        {
            return BradleyTerryRatings.FitGroups(groups, options.Level).Players;
        }
        catch (RatingsUndeterminedException)
        {
            return null;   // the result says so: a policy that never lost has no finite rating
        }
    }

    private static DataViewSchema.Column FindSingle(string name, DataViewSchema schema)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return SchemaColumn.Find(schema, name, "Single", static type => type == NumberDataViewType.Single);
    }

    /// <param name="Texts">The responses.</param>
    /// <param name="Rewards">The judge's numbers.</param>
    /// <param name="Policy">What they come to.</param>
    private sealed record Answers(string[] Texts, float[] Rewards, JudgedPolicy Policy);
}
