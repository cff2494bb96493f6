using System.Globalization;

namespace MLNet.Gpt;

/// <summary>How tokens are chosen and when a sequence ends.</summary>
/// <remarks>
/// Immutable; may be shared between threads. The logits of a step go through these filters in this order, which is
/// Hugging Face's, after an <see cref="ITokenConstraint"/> where there is one: <see cref="LogitBias"/>, <see cref="FrequencyPenalty"/> and <see cref="PresencePenalty"/>,
/// <see cref="NoRepeatNgramSize"/>, <see cref="MinNewTokens"/>, <see cref="RepetitionPenalty"/>, <see cref="Temperature"/>, <see cref="TopK"/>, <see cref="TopP"/>, <see cref="MinP"/>,
/// <see cref="TypicalP"/>, then one token is drawn. Tokens of equal score are ordered by id, the lower first, in every filter. With <see cref="BeamCount"/> above 1 nothing is drawn.
/// </remarks>
public record GenerationOptions
{
    /// <summary>The most tokens to generate, 1 or more. Default 128.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>
    /// End-of-text and <see cref="StopTokenIds"/> can't be sampled before this many tokens; 0 (the default) switches it off. At most
    /// <see cref="MaxNewTokens"/>. A stop string, or a full context, ends a sequence earlier all the same.
    /// </summary>
    public int MinNewTokens { get; init; }

    /// <summary>
    /// Divides the logits: below 1 favours likely tokens, above 1 flattens the distribution. Default 1, the model's own
    /// distribution. <b>0 means greedy</b>: the most likely token is taken, <see cref="TopK"/>, <see cref="TopP"/> and <see cref="Seed"/> have no effect.
    /// </summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Only this many of the most likely tokens can be drawn (Fan et al. 2018); 0 (the default) switches it off. GPT-2's samples were drawn with 40.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Only the smallest set of most likely tokens whose probabilities sum to at least this can be drawn (nucleus sampling, Holtzman et al. 2020,
    /// equation 2). In (0, 1]; 1 (the default) switches it off. After <see cref="TopK"/> the probabilities are those among its tokens.
    /// </summary>
    public float TopP { get; init; } = 1f;

    /// <summary>
    /// Only tokens whose probability is at least this share of the most likely token's can be drawn (Nguyen et al. 2024, "Min-p sampling", section 3). In [0, 1); 0 (the default)
    /// switches it off, the paper uses 0.05 to 0.1. It comes after <see cref="TopP"/>.
    /// </summary>
    public float MinP { get; init; }

    /// <summary>
    /// Locally typical sampling (Meister et al. 2023, equation 10): the tokens whose information content -ln p is nearest to the distribution's entropy, as many as make up at least this
    /// share of the probability that the filters before have left. In (0, 1]; 1 (the default) switches it off, the paper uses 0.2 to 0.95.
    /// </summary>
    public float TypicalP { get; init; } = 1f;

    /// <summary>
    /// No run of this many tokens comes twice in prompt and output together (Paulus et al. 2018, section 2.5; Hugging Face's rule, but that tokens which end a sequence may always come). 0
    /// (the default) switches it off; 1 means that no token comes twice.
    /// </summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>Is subtracted from the logit of each token that the output already holds (OpenAI's presence_penalty, there -2 to 2). Finite; 0 (the default) switches it off, below 0 repetition is favoured.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Is subtracted from a token's logit as often as the output already holds it (OpenAI's frequency_penalty, there -2 to 2). Finite; 0 (the default) switches it off.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Is added to the logits of these tokens, by id (OpenAI's logit_bias, there -100 to 100). Finite numbers. Empty (the default) switches it off.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = System.Collections.Frozen.FrozenDictionary<int, float>.Empty;

    /// <summary>
    /// θ, above 0: the logit of every token that the prompt or the output already holds is divided by θ where it is positive and multiplied where
    /// it is negative (Keskar et al. 2019, equation 2, which divides in both cases and so favours what it means to discourage when a
    /// logit is negative; the sign rule is Hugging Face's). 1 (the default) switches it off; the paper uses 1.2.
    /// </summary>
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>
    /// Strings that end the output where they first appear in it; they are not part of the text. Found across token boundaries, in the new text only.
    /// Empty (the default) switches it off; no string may be empty.
    /// </summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Tokens that end the output; they are not part of it. Empty (the default) switches it off.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Whether the end-of-text token ends the output. Default true; with false it is a token like any other.</summary>
    public bool StopAtEndOfText { get; init; } = true;

    /// <summary>
    /// The seed of the random draws. Default 0. The draws for a sequence depend on this, on the prompt's tokens and on the sample's index, and on nothing else:
    /// not on the other prompts of a batch, the thread, or what was generated before.
    /// </summary>
    public int Seed { get; init; }

    /// <summary>How many continuations each prompt gets, 1 or more. Default 1. The prompt is computed once for all of them that share a batch.</summary>
    public int SamplesPerPrompt { get; init; } = 1;

    /// <summary>
    /// Beam search: how many beginnings are followed at once; the likeliest whole sequences come out (Graves 2012; with Hugging Face's rules: 2 candidates for each beam, a
    /// sequence's score is its log-probability over its length to the power of <see cref="LengthPenalty"/>, and the search ends when no beam can do better than what has ended). 1 (the default)
    /// switches it off. More need <see cref="Temperature"/> 0, and at most as many <see cref="SamplesPerPrompt"/>, which then are the best sequences in order. Probabilities are those that all
    /// filters but the random ones leave; a beginning that nothing may follow is dropped, and only where no other is left and none has ended it is a <see cref="TokenConstraintException"/>. The beams of one prompt are computed at once, whatever <see cref="BatchSize"/> says.
    /// </summary>
    public int BeamCount { get; init; } = 1;

    /// <summary>
    /// α: above 0 favours longer sequences in beam search, 0 compares log-probabilities as they are, below 0 favours shorter ones (Wu et al. 2016, section 7, in Hugging Face's form). Finite;
    /// default 1, the log-probability per token, end token included.
    /// </summary>
    public float LengthPenalty { get; init; } = 1f;

    /// <summary>
    /// How many of the likeliest tokens are told with each new token beside its own log-probability, 0 to 100; null (the default) tells nothing. They are the model's own: before the constraint,
    /// the penalties and the temperature. See <see cref="GeneratedSequence.LogProbabilities"/>.
    /// </summary>
    public int? TopLogProbabilities { get; init; }

    /// <summary>
    /// How many tokens are guessed at once from what prompt and output hold already (prompt lookup decoding, Saxena 2023) and then checked by the model in one pass, 1 or more; 0 (the default) switches it off, transformers' examples use 10. What comes is
    /// what would have come without, up to the last bits of the logits (in 8 and 4 bits up to <see cref="QuantizationOptions.AccuracyLevel"/>'s rounding); text that repeats its prompt, such as an edit or a summary, comes faster. Sequences are then computed one at a time, whatever <see cref="BatchSize"/> says. Not with beam search.
    /// </summary>
    public int PromptLookupTokens { get; init; }

    /// <summary>
    /// The LoRA adapter that the sequences are computed with, by the name that the model has loaded it under (<see cref="IAdaptableModel.LoadAdapter"/>). Null (the default): the base alone. A name that is not loaded is an
    /// <see cref="UnknownAdapterException"/>.
    /// </summary>
    public string? Adapter { get; init; }

    /// <summary>The most sequences that are computed at once, 1 or more. Default 8. More is faster and takes more memory for the key/value cache.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>
    /// What happens to a prompt that is longer than the context. Null (the default) leaves it to what generates: a chat client leaves out the oldest exchanges (<see cref="PromptOverflow.KeepTail"/>),
    /// all else makes it an error (<see cref="PromptOverflow.Error"/>).
    /// </summary>
    public PromptOverflow? PromptOverflow { get; init; }

    /// <summary>Whether the most likely token is always taken: <see cref="Temperature"/> is 0.</summary>
    public bool IsGreedy => Temperature == 0;

    /// <summary>Checks every value and how they fit together.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range; the message names it, its value and the range.</exception>
    /// <exception cref="ArgumentException">A stop string is null or empty, or a list is null.</exception>
    public void Validate()
    {
        Require(MaxNewTokens >= 1, MaxNewTokens, nameof(MaxNewTokens), "1 or more");
        Require(MinNewTokens >= 0 && MinNewTokens <= MaxNewTokens, MinNewTokens, nameof(MinNewTokens), $"at least 0 and at most MaxNewTokens, which is {MaxNewTokens}");
        Require(Temperature >= 0 && float.IsFinite(Temperature), Temperature, nameof(Temperature), "0 (greedy) or more, and finite");
        Require(TopK >= 0, TopK, nameof(TopK), "1 or more, or 0 to switch it off");
        Require(TopP > 0 && TopP <= 1, TopP, nameof(TopP), "above 0 and at most 1 (1 switches it off)");
        Require(MinP >= 0 && MinP < 1, MinP, nameof(MinP), "0 (off) or more, and below 1");
        Require(TypicalP > 0 && TypicalP <= 1, TypicalP, nameof(TypicalP), "above 0 and at most 1 (1 switches it off)");
        Require(NoRepeatNgramSize >= 0, NoRepeatNgramSize, nameof(NoRepeatNgramSize), "1 or more, or 0 to switch it off");
        Require(float.IsFinite(PresencePenalty), PresencePenalty, nameof(PresencePenalty), "finite (0 switches it off)");
        Require(float.IsFinite(FrequencyPenalty), FrequencyPenalty, nameof(FrequencyPenalty), "finite (0 switches it off)");
        ArgumentNullException.ThrowIfNull(LogitBias);
        foreach ((int id, float bias) in LogitBias)
            Require(id >= 0 && float.IsFinite(bias), bias, $"{nameof(LogitBias)}[{id}]", "finite, for a token of 0 or more");
        Require(BeamCount >= 1, BeamCount, nameof(BeamCount), "1 (off) or more");
        Require(BeamCount == 1 || IsGreedy, BeamCount, nameof(BeamCount), FormattableString.Invariant($"1 where Temperature is {Temperature}: beam search draws nothing; set Temperature to 0"));
        Require(BeamCount == 1 || SamplesPerPrompt <= BeamCount, SamplesPerPrompt, nameof(SamplesPerPrompt), $"at most BeamCount, which is {BeamCount}");
        Require(float.IsFinite(LengthPenalty), LengthPenalty, nameof(LengthPenalty), "finite");
        Require(TopLogProbabilities is null or (>= 0 and <= 100), TopLogProbabilities, nameof(TopLogProbabilities), "0 to 100, or null to switch it off");
        Require(RepetitionPenalty > 0 && float.IsFinite(RepetitionPenalty), RepetitionPenalty, nameof(RepetitionPenalty), "above 0 and finite (1 switches it off)");
        Require(SamplesPerPrompt >= 1, SamplesPerPrompt, nameof(SamplesPerPrompt), "1 or more");
        Require(PromptLookupTokens >= 0, PromptLookupTokens, nameof(PromptLookupTokens), "1 or more, or 0 to switch it off");
        Require(BeamCount == 1 || PromptLookupTokens == 0, PromptLookupTokens, nameof(PromptLookupTokens), $"0 where BeamCount is {BeamCount}: beams are checked each by itself");
        Require(BatchSize >= 1, BatchSize, nameof(BatchSize), "1 or more");
        Require(PromptOverflow is not { } overflow || Enum.IsDefined(overflow), PromptOverflow, nameof(PromptOverflow), "Error or KeepTail, or null for what the use has by default");
        ArgumentNullException.ThrowIfNull(StopStrings);
        ArgumentNullException.ThrowIfNull(StopTokenIds);
        for (int i = 0; i < StopStrings.Count; i++)
        {
            if (string.IsNullOrEmpty(StopStrings[i]))
                throw new ArgumentException($"Stop string {i} is {(StopStrings[i] is null ? "null" : "empty")}, which would end every output at once; remove it.", nameof(StopStrings));
        }

        for (int i = 0; i < StopTokenIds.Count; i++)
            Require(StopTokenIds[i] >= 0, StopTokenIds[i], $"{nameof(StopTokenIds)}[{i}]", "0 or more");
    }

    private static void Require<T>(bool holds, T value, string name, string range)
    {
        if (!holds) throw new ArgumentOutOfRangeException(name, value, string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be {range}."));
    }
}
