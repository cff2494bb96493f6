namespace MLNet.Gpt;

/// <summary>A model computed logits that are not numbers, or left no token that could be chosen.</summary>
public sealed class NonFiniteLogitsException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="maximum">The largest logit found: NaN where any is NaN.</param>
    public NonFiniteLogitsException(float maximum)
        : base(FormattableString.Invariant($"The largest logit is {maximum}, so no token can be chosen. The weights are damaged or training diverged: load an earlier checkpoint, or export the model again.")) => Maximum = maximum;

    /// <summary>The largest logit found: NaN where any is NaN.</summary>
    public float Maximum { get; }
}
