namespace MLNet.Gpt;

/// <summary>A chosen and a rejected response to a prompt.</summary>
/// <param name="Row">The data view's row, from 0.</param>
/// <param name="Prompt">The number of the prompt among the different ones, from 0: what belongs together where a part is held out.</param>
/// <param name="Chosen">The prompt and the chosen response.</param>
/// <param name="Rejected">The same prompt and the other response.</param>
internal sealed record PreferencePair(long Row, int Prompt, SupervisedExample Chosen, SupervisedExample Rejected)
{
    /// <summary>The reference's log-likelihoods; 0 until they are known.</summary>
    public PairLikelihoods Reference { get; init; }

    /// <summary>The places of the longer sequence.</summary>
    public int Length => Math.Max(Chosen.Length, Rejected.Length);

    /// <summary>The places of both sequences.</summary>
    public int Places => Chosen.Length + Rejected.Length;
}

/// <summary>The log-likelihoods of a pair's responses, in nats.</summary>
/// <param name="Chosen">log π(y⁺|x).</param>
/// <param name="Rejected">log π(y⁻|x).</param>
internal readonly record struct PairLikelihoods(double Chosen, double Rejected);
