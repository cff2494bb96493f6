using System.Text;

namespace MLNet.Gpt;

/// <summary>Whether a question was answered right, by each way of counting.</summary>
internal readonly record struct MultipleChoiceOutcome(bool Plain, bool PerCharacter, bool PerByte)
{
    public static MultipleChoiceOutcome Of(ChoiceScores scores, int answer) => new(
        Best(scores, static _ => 1) == answer, Best(scores, static choice => choice.EnumerateRunes().Count()) == answer, Best(scores, Encoding.UTF8.GetByteCount) == answer);

    // Of equal ones the first, as numpy's argmax.
    private static int Best(ChoiceScores scores, Func<string, int> lengthOf)
    {
        int best = 0;
        double[] values = [.. scores.LogLikelihoods.Select((likelihood, i) => likelihood / lengthOf(scores.Choices[i]))];
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }

        return best;
    }
}
