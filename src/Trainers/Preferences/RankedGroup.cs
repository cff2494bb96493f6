namespace MLNet.Gpt;

/// <summary>A prompt's graded responses, as the sequences that a reward model reads.</summary>
/// <param name="Row">The data view's first row of the prompt, from 0.</param>
/// <param name="Responses">2 or more, not all of the same grade.</param>
internal sealed record RankedGroup(long Row, RankedResponse[] Responses)
{
    /// <summary>The longest sequence.</summary>
    public int Width { get; } = Responses.Max(static response => response.Sequence.Length);

    /// <summary>The responses' grades, the higher the better.</summary>
    public double[] Grades { get; } = [.. Responses.Select(static response => response.Grade)];
}

/// <summary>A response with its prompt.</summary>
/// <param name="Sequence">As <see cref="RewardSequences.Build"/> lays it out.</param>
/// <param name="ResponseLength">The response's own tokens, without the one that ends it.</param>
/// <param name="Grade">The higher the better.</param>
internal sealed record RankedResponse(int[] Sequence, int ResponseLength, double Grade);
