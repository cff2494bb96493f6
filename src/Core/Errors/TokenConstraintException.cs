using System.Globalization;

namespace MLNet.Gpt;

/// <summary>A constraint, or an option that forbids tokens, left none that could come next.</summary>
public sealed class TokenConstraintException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="promptIndex">The prompt, from 0.</param>
    /// <param name="sampleIndex">The sample of that prompt, from 0.</param>
    /// <param name="newTokenIds">The tokens generated so far.</param>
    /// <param name="options">The options.</param>
    /// <param name="isConstrained">Whether there is a constraint.</param>
    public TokenConstraintException(int promptIndex, int sampleIndex, IReadOnlyList<int> newTokenIds, GenerationOptions options, bool isConstrained)
        : base(Describe(promptIndex, sampleIndex, newTokenIds, options, isConstrained))
    {
        PromptIndex = promptIndex;
        SampleIndex = sampleIndex;
        NewTokenIds = newTokenIds;
    }

    /// <summary>The prompt, from 0.</summary>
    public int PromptIndex { get; }

    /// <summary>The sample of that prompt, from 0.</summary>
    public int SampleIndex { get; }

    /// <summary>The tokens generated so far.</summary>
    public IReadOnlyList<int> NewTokenIds { get; }

    private static string Describe(int promptIndex, int sampleIndex, IReadOnlyList<int> newTokenIds, GenerationOptions options, bool isConstrained)
    {
        ArgumentNullException.ThrowIfNull(newTokenIds);
        ArgumentNullException.ThrowIfNull(options);
        bool forbidsRepetition = options.NoRepeatNgramSize > 0, mayNotEnd = newTokenIds.Count < options.MinNewTokens, cannotEnd = !options.StopAtEndOfText && options.StopTokenIds.Count == 0;
        List<string> forbidding = isConstrained ? ["the constraint"] : [], remedies = [];
        if (forbidsRepetition) Add($"{nameof(GenerationOptions.NoRepeatNgramSize)} ({options.NoRepeatNgramSize})", isConstrained ? "set it to 0, because what a constraint asks for repeats its runs of tokens" : "raise it, or set it to 0");
        if (mayNotEnd) Add($"{nameof(GenerationOptions.MinNewTokens)} ({options.MinNewTokens})", "lower it, because the sequence may not end yet, or let the constraint allow more than the end");
        if (cannotEnd) Add($"{nameof(GenerationOptions.StopAtEndOfText)} (false)", "set it to true, because nothing may end the sequence");
        string remedy = remedies.Count == 0 ? "Let the constraint allow the end-of-text token where nothing else may come." : $"{string.Join("; ", remedies)}.";
        return string.Create(CultureInfo.InvariantCulture, $"After {newTokenIds.Count} new tokens of prompt {promptIndex}, sample {sampleIndex}, {string.Join(" and ", forbidding)} {(forbidding.Count == 1 ? "allows" : "together allow")} no token. {remedy}");

        void Add(FormattableString option, string how)
        {
            string text = FormattableString.Invariant(option);
            forbidding.Add(text);
            remedies.Add($"{text}: {how}");
        }
    }
}
