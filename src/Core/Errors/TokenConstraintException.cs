using System.Globalization;

namespace MLNet.Gpt;

/// <summary>A constraint left no token that could come next.</summary>
public sealed class TokenConstraintException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="promptIndex">The prompt, from 0.</param>
    /// <param name="sampleIndex">The sample of that prompt, from 0.</param>
    /// <param name="newTokenIds">The tokens generated so far.</param>
    /// <param name="minNewTokens"><see cref="GenerationOptions.MinNewTokens"/>.</param>
    public TokenConstraintException(int promptIndex, int sampleIndex, IReadOnlyList<int> newTokenIds, int minNewTokens)
        : base(Describe(promptIndex, sampleIndex, newTokenIds, minNewTokens))
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

    private static string Describe(int promptIndex, int sampleIndex, IReadOnlyList<int> newTokenIds, int minNewTokens)
    {
        ArgumentNullException.ThrowIfNull(newTokenIds);
        string remedy = newTokenIds.Count < minNewTokens
            ? $"{nameof(GenerationOptions.MinNewTokens)} is {minNewTokens}, so that the sequence may not end yet; lower it, or let the constraint allow more than the end."
            : "Let the constraint allow the end-of-text token where nothing else may come.";
        return string.Create(CultureInfo.InvariantCulture, $"After {newTokenIds.Count} new tokens of prompt {promptIndex}, sample {sampleIndex}, the constraint allows no token. {remedy}");
    }
}
