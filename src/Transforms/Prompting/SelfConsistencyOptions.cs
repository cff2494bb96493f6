using System.Text.RegularExpressions;

namespace MLNet.Gpt;

/// <summary>How several answers become one (Wang et al. 2023, "Self-consistency improves chain of thought reasoning in language models").</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed partial record SelfConsistencyOptions
{
    /// <summary>How many answers are drawn, 1 or more. Default 5; the paper's gains level off at about 40.</summary>
    public int Samples { get; init; } = 5;

    /// <summary>The temperature of calls whose options say none, above 0. Default 0.7, the paper's for its largest models.</summary>
    public float Temperature { get; init; } = 0.7f;

    /// <summary>How many calls run at once, 1 or more. Default 4.</summary>
    public int MaxConcurrency { get; init; } = 4;

    /// <summary>
    /// What is counted of an answer; null leaves the answer out of the vote. Default: what follows the last "answer is" or "answer:", up to the end of the line, without a final full stop; of an answer
    /// without either, its last line.
    /// </summary>
    public Func<string, string?> Extract { get; init; } = FinalAnswer;

    /// <summary>When two extracted answers are the same. Default: where they differ in nothing but letter case.</summary>
    public IEqualityComparer<string> Comparer { get; init; } = StringComparer.OrdinalIgnoreCase;

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Samples, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxConcurrency, 1);
        if (!(Temperature > 0) || !float.IsFinite(Temperature)) throw new ArgumentOutOfRangeException(nameof(Temperature), Temperature, FormattableString.Invariant($"{nameof(Temperature)} is {Temperature}; it must be above 0, or all answers are one."));
        ArgumentNullException.ThrowIfNull(Extract);
        ArgumentNullException.ThrowIfNull(Comparer);
    }

    private static string? FinalAnswer(string text)
    {
        // The last one first; one with nothing behind it on its line tells of nothing.
        foreach (Match match in Final().Matches(text))
        {
            if (Answer(text[(match.Index + match.Length)..].Split('\n')[0]) is { } said) return said;
        }

        return Answer(text.Trim().Split('\n')[^1]);

        static string? Answer(string line) => line.Trim().TrimEnd('.') is { Length: > 0 } answer ? answer : null;
    }

    [GeneratedRegex("answer(?: is|:)[: ]*", RegexOptions.IgnoreCase | RegexOptions.RightToLeft | RegexOptions.CultureInvariant)]
    private static partial Regex Final();
}
