using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019, algorithm 2) with gradient clipping, over the flat buffers of a network. Weight decay
/// applies to the range of the tensors of two or more dimensions.
/// </summary>
/// <remarks>
/// A dozen operations on whole buffers, whatever the device.
/// </remarks>
internal sealed partial class AdamW : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly AdamWOptions _options;

    public AdamW(FlatParameters parameters, AdamWOptions options)
    {
        _parameters = parameters;
        _options = options.Validate();
        using var noGradient = no_grad();
        FirstMoment = zeros_like(_parameters.Master).DetachFromDisposeScope();
        SecondMoment = zeros_like(_parameters.Master).DetachFromDisposeScope();
    }

    /// <summary>(N) float32: m, the running mean of the gradient.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>(N) float32: v, the running mean of the squared gradient.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>t: the updates made.</summary>
    public int StepCount { get; set; }

    /// <summary>Clips the summed gradient, updates the master weights, and refreshes the working copy.</summary>
    /// <param name="learningRate">The rate of this step.</param>
    /// <param name="gradientNorm">The Euclidean norm of <see cref="FlatParameters.GradientSum"/>, a scalar tensor on its device.</param>
    public void Step(double learningRate, Tensor gradientNorm)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        StepCount++;
        double correction1 = 1 - Math.Pow(_options.Beta1, StepCount), correction2 = 1 - Math.Pow(_options.Beta2, StepCount);
        double keep = 1 - (learningRate * _options.WeightDecay);
        Tensor p = _parameters.Master, g = _parameters.GradientSum, m = FirstMoment, v = SecondMoment;
        if (_options.GradientClipNorm > 0) g.mul_(gradientNorm.add(1e-6f).reciprocal().mul_(_options.GradientClipNorm).clamp_max_(1));   // stays on the device
        if (keep != 1) p.narrow(0, 0, _parameters.DecayCount).mul_(keep);
        m.mul_(_options.Beta1).add_(g, 1 - _options.Beta1);
        v.mul_(_options.Beta2).addcmul_(g, g, 1 - _options.Beta2);
        p.addcdiv_(m, v.sqrt().mul_(1 / Math.Sqrt(correction2)).add_(_options.Epsilon), -learningRate / correction1);

        _parameters.RefreshWorkingCopy();
    }

    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        _deviceStepCount?.Dispose();
    }
}
