using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>How candidate answers are scored, and which columns tell about it.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ScoreChoicesOptions : ScoringOptions
{
    /// <summary>Creates the options. Prompts that are too long lose their beginning by default, as in lm-evaluation-harness.</summary>
    public ScoreChoicesOptions() => Overflow = PromptOverflow.KeepTail;

    /// <summary>
    /// The candidates, the same for every row: two or more, all different. Empty (the default) where <see cref="ChoicesColumnName"/> is set. With them the predicted label is a key
    /// whose values they are.
    /// </summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>
    /// A column of vectors of texts: each row's own candidates. Null (the default) where <see cref="Choices"/> is set. With it the predicted label is the best candidate's text.
    /// </summary>
    public string? ChoicesColumnName { get; init; }

    /// <summary>What stands between prompt and candidate. Default one space. It is scored with the candidate, and does not count as one of its bytes.</summary>
    public string Separator { get; init; } = " ";

    /// <summary>What candidates are ranked by. Default <see cref="ChoiceNormalization.None"/>.</summary>
    public ChoiceNormalization Normalization { get; init; } = ChoiceNormalization.None;

    /// <summary>The prompt that says nothing but that an answer comes, for <see cref="ChoiceNormalization.Unconditional"/>. Default "Answer:".</summary>
    public string AnswerContext { get; init; } = "Answer:";

    /// <summary>What a special token's text in a prompt or a candidate means. Default <see cref="SpecialTokenHandling.Recognize"/>.</summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.Recognize;

    /// <summary>The column of the scores: a vector of Single, the candidates' probabilities among each other (<see cref="ChoiceScores.Probabilities"/>). Default "Score".</summary>
    public string ScoreColumnName { get; init; } = "Score";

    /// <summary>The column of the log-likelihoods in nats, before normalisation: a vector of Single. Null (the default) leaves it out.</summary>
    public string? LogLikelihoodColumnName { get; init; }

    /// <summary>The Int32 column of the best candidate's place, from 0. Null (the default) leaves it out.</summary>
    public string? PredictedIndexColumnName { get; init; }

    /// <summary>Ends the scoring with an <see cref="OperationCanceledException"/>, which the cursor throws. Default none; not saved with the transformer.</summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Checks every value and how they fit together.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or there are no candidates, or two sources of them.</exception>
    public new void Validate()
    {
        ValidateScoring();
        ArgumentNullException.ThrowIfNull(Choices);
        if (Choices.Count > 0 == ChoicesColumnName is not null)
            throw new ArgumentException($"{nameof(Choices)} has {Choices.Count} candidates and {nameof(ChoicesColumnName)} is {(ChoicesColumnName is null ? "null" : $"'{ChoicesColumnName}'")}; set exactly one of the two.", nameof(Choices));
        if (Choices.Count == 1) throw new ArgumentException($"{nameof(Choices)} has one candidate, '{Choices[0]}'; give two or more.", nameof(Choices));
        CheckChoices(Choices, nameof(Choices));
    }

    /// <summary>Checks the values that do not say where candidates come from.</summary>
    internal void ValidateScoring()
    {
        base.Validate();
        SpecialTokensOption.Validate(SpecialTokens);
        ArgumentNullException.ThrowIfNull(Separator);
        ArgumentNullException.ThrowIfNull(AnswerContext);
        if (!Enum.IsDefined(Normalization))
            throw new ArgumentOutOfRangeException(nameof(Normalization), Normalization, $"{nameof(Normalization)} is {Normalization}; it must be one of {string.Join(", ", Enum.GetNames<ChoiceNormalization>())}.");
    }

    private static void CheckChoices(IReadOnlyList<string> choices, string where)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < choices.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(choices[i])) throw new ArgumentException($"Candidate {i} of {where} is {(choices[i] is null ? "null" : "blank")}; give it a text.", nameof(Choices));
            if (!seen.Add(choices[i])) throw new ArgumentException($"Candidate {i} of {where}, '{choices[i]}', is there twice; remove one.", nameof(Choices));
        }
    }
}
