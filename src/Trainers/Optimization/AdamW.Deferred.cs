using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <content>The update of a device that is not waited for.</content>
internal sealed partial class AdamW
{
    private Tensor? _deviceStepCount;   // t as the device knows it, float64: it counts the updates that were made
    private int _confirmedStepCount;

    /// <summary>
    /// As <see cref="Step"/>, but it is the device that decides whether the update is made: where the loss or the gradient is not finite,
    /// weights, moments and t stay as they are. Nothing is read back; <see cref="Confirm"/> tells the count later.
    /// </summary>
    /// <param name="learningRate">The rate of this step.</param>
    /// <param name="gradientNorm">As for <see cref="Step"/>.</param>
    /// <param name="loss">The loss of the batch, a scalar tensor on the same device.</param>
    public void StepIfFinite(double learningRate, Tensor gradientNorm, Tensor loss)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Device device = _parameters.Master.device;
        if (_deviceStepCount is null || _confirmedStepCount != StepCount)
        {
            _deviceStepCount?.Dispose();
            _deviceStepCount = full([], (double)StepCount, ScalarType.Float64, device).DetachFromDisposeScope();
            _confirmedStepCount = StepCount;
        }

        // Scalars on the device: made is 1 or 0, and every factor is the one that changes nothing where it is 0.
        Tensor finite = gradientNorm.isfinite().logical_and(loss.isfinite());
        Tensor notFinite = finite.logical_not();
        Tensor made = finite.to(ScalarType.Float64);
        _deviceStepCount.add_(made);
        Tensor t = _deviceStepCount.clamp_min(1);
        Tensor correction1 = OneMinusPower(_options.Beta1, t), correction2 = OneMinusPower(_options.Beta2, t);
        Tensor decay1 = Factor(_options.Beta1), decay2 = Factor(_options.Beta2), keep = Factor(1 - (learningRate * _options.WeightDecay));
        Tensor scale2 = correction2.sqrt().reciprocal().to(ScalarType.Float32);
        Tensor stretch = correction1.mul(1 / learningRate).div(made).to(ScalarType.Float32);   // infinite where no update is made

        Tensor g = _parameters.GradientSum, m = FirstMoment, v = SecondMoment, p = _parameters.Master;
        g.masked_fill_(notFinite, 0);
        if (_options.GradientClipNorm > 0)
            g.mul_(gradientNorm.masked_fill(notFinite, 0).add(1e-6f).reciprocal().mul_(_options.GradientClipNorm).clamp_max_(1));
        if (_options.WeightDecay > 0) p.narrow(0, 0, _parameters.DecayCount).mul_(keep);
        m.mul_(decay1).add_(g, 1 - _options.Beta1);
        v.mul_(decay2).addcmul_(g, g, 1 - _options.Beta2);
        Tensor denominator = v.sqrt().mul_(scale2).add_(_options.Epsilon).mul_(stretch);
        p.addcdiv_(m, denominator, -1);
        _parameters.RefreshWorkingCopy();

        Tensor Factor(double whenMade) => made.mul(whenMade - 1).add_(1).to(ScalarType.Float32);

        static Tensor OneMinusPower(double beta, Tensor exponent) => exponent.mul(Math.Log(beta)).exp_().neg_().add_(1);
    }

    /// <summary>Tells how many of the last calls of <see cref="StepIfFinite"/> made their update, once that has been read.</summary>
    public void Confirm(int updatesMade)
    {
        StepCount += updatesMade;
        _confirmedStepCount = StepCount;
    }
}
