namespace MLNet.Gpt;

/// <summary>How to spend an amount of compute for the lowest loss.</summary>
/// <param name="Flops">C: the floating-point operations, 6·N·D.</param>
/// <param name="ParameterCount">N: the model's parameters.</param>
/// <param name="TokenCount">D: the tokens to train on.</param>
/// <param name="Loss">The loss that the law gives there, nats per token.</param>
public sealed record ComputeAllocation(double Flops, double ParameterCount, double TokenCount, double Loss)
{
    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant($"{ParameterCount:G4} parameters on {TokenCount:G4} tokens, {Flops:G4} operations: loss {Loss:F4}");
}
