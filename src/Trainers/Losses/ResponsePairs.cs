namespace MLNet.Gpt;

/// <summary>
/// All C(K, 2) pairs of each prompt's K graded responses, those of equal grade left out. A prompt's pairs weigh as much together as another's: they are strongly
/// correlated, and as examples of their own they make the model overfit (Ouyang et al. 2022, section 3.5).
/// </summary>
/// <param name="Preferred">(P): the place of each pair's better response in the batch.</param>
/// <param name="Other">(P): the place of its worse response.</param>
/// <param name="Weights">(P): 1 / (prompts of the update · untied pairs of the prompt); 1 in all over an update.</param>
/// <param name="GradeGaps">(P): the better response's grade less the worse one's, above 0.</param>
internal sealed record ResponsePairs(long[] Preferred, long[] Other, float[] Weights, float[] GradeGaps)
{
    /// <summary>P.</summary>
    public int Count => Preferred.Length;

    /// <summary>Makes the pairs.</summary>
    /// <param name="groups">The grades of each prompt's responses, finite, the higher the better; the responses lie one prompt after the other in the batch.</param>
    /// <param name="promptsOfUpdate">The prompts that share an update, these among them.</param>
    public static ResponsePairs Of(IReadOnlyList<IReadOnlyList<double>> groups, int promptsOfUpdate)
    {
        List<long> preferred = [], other = [];
        List<float> weights = [], gaps = [];
        int at = 0;
        foreach (IReadOnlyList<double> grades in groups)
        {
            int before = preferred.Count;
            for (int i = 0; i < grades.Count; i++)
            {
                for (int j = i + 1; j < grades.Count; j++)
                {
                    if (grades[i] == grades[j]) continue;
                    (int better, int worse) = grades[i] > grades[j] ? (i, j) : (j, i);
                    preferred.Add(at + better);
                    other.Add(at + worse);
                    gaps.Add((float)(grades[better] - grades[worse]));
                }
            }

            int pairs = preferred.Count - before;
            for (int pair = 0; pair < pairs; pair++) weights.Add((float)(1.0 / ((double)promptsOfUpdate * pairs)));
            at += grades.Count;
        }

        return new([.. preferred], [.. other], [.. weights], [.. gaps]);
    }
}
