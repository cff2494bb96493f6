using System.Text;

namespace MLNet.Gpt;

/// <summary>How a question was answered, by each way of counting.</summary>
/// <param name="Plain">Whether the right answer is the likeliest.</param>
/// <param name="PerCharacter">The same per character.</param>
/// <param name="PerByte">The same per UTF-8 byte.</param>
/// <param name="MutualInformation">The same less what is likely anyway; null where that was not computed.</param>
/// <param name="Greedy">Whether greedy decoding would write the right answer.</param>
/// <param name="Brier">Σ (p - [right])² over the answers; NaN where no answer is the right one.</param>
internal readonly record struct MultipleChoiceOutcome(bool Plain, bool PerCharacter, bool PerByte, bool? MutualInformation, bool Greedy, double Brier)
{
    /// <summary>Judges an answer.</summary>
    /// <param name="scores">The answers' scores; what they are ranked by is read where <paramref name="mutualInformation"/>.</param>
    /// <param name="answer">The place of the right one; any other number where there is none.</param>
    /// <param name="mutualInformation">Whether the scores are less what is likely anyway.</param>
    public static MultipleChoiceOutcome Of(ChoiceScores scores, int answer, bool mutualInformation)
    {
        bool known = (uint)answer < (uint)scores.Choices.Count;
        return new(
            Best(scores, static _ => 1) == answer, Best(scores, static choice => choice.EnumerateRunes().Count()) == answer, Best(scores, Encoding.UTF8.GetByteCount) == answer,
            mutualInformation ? scores.BestIndex == answer : null, known && scores.IsGreedy[answer], known ? BrierOf(scores, answer) : double.NaN);
    }

    // Of equal ones the first, as numpy's argmax. An answer without characters has no likelihood per character: it is never the best.
    private static int Best(ChoiceScores scores, Func<string, int> lengthOf)
    {
        int best = 0;
        double[] values = [.. scores.LogLikelihoods.Select((likelihood, i) => lengthOf(scores.Choices[i]) is > 0 and var length ? likelihood / length : double.NegativeInfinity)];
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }

        return best;
    }

    private static double BrierOf(ChoiceScores scores, int answer)
    {
        double largest = scores.LogLikelihoods.Max(), total = scores.LogLikelihoods.Sum(likelihood => Math.Exp(likelihood - largest));
        return scores.LogLikelihoods.Select((likelihood, i) => Math.Pow((Math.Exp(likelihood - largest) / total) - (i == answer ? 1 : 0), 2)).Sum();
    }
}
