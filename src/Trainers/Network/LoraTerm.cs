using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>LoRA's term of one projection: s·Dropout(x)·Aᵀ·Bᵀ (Hu et al. 2021, equation 3), in float32 whatever the base computes in.</summary>
/// <param name="a">A, (r, in) float32.</param>
/// <param name="b">B, (out, r) float32.</param>
/// <param name="options">Scale and dropout.</param>
internal sealed class LoraTerm(Tensor a, Tensor b, LoraOptions options) : IProjectionAdapter
{
    private readonly float _scale = (float)options.Scale;

    /// <inheritdoc/>
    public Tensor Of(Tensor x, bool training)
    {
        Tensor input = x.to(ScalarType.Float32);                                                          // (N, in)
        if (training && options.Dropout > 0) input = Dropped(input);
        Tensor narrow = nn.functional.linear(input, a).Times(_scale);                                     // (N, r)
        return nn.functional.linear(narrow, b).to(x.dtype);                                               // (N, out)
    }

    /// <summary>(in, out) float32: what merging adds to the projection's weight, s·(B·A)ᵀ.</summary>
    public Tensor ToWeight()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return b.mm(a).TimesInPlace(_scale).t().contiguous().MoveToOuterDisposeScope();
    }

    private Tensor Dropped(Tensor input) => DropoutDraws.Draw(input.device, () => nn.functional.dropout(input, options.Dropout, training: true));
}
