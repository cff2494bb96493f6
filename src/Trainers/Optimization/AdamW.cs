using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019, algorithm 2) with gradient clipping, over the flat buffers of a network. Weight decay
/// applies to the range of the tensors of two or more dimensions.
/// </summary>
/// <remarks>
/// One pass over the buffers by libtorch's fused kernel, whatever the device.
/// </remarks>
internal sealed class AdamW : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly AdamWOptions _options;
    private readonly Tensor _updates;   // float32 scalar: t as the device knows it, which counts the updates that were made
    private int _confirmedStepCount;

    public AdamW(FlatParameters parameters, AdamWOptions options)
    {
        _parameters = parameters;
        _options = options.Validate();
        using var noGradient = no_grad();
        FirstMoment = zeros_like(_parameters.Master).DetachFromDisposeScope();
        SecondMoment = zeros_like(_parameters.Master).DetachFromDisposeScope();
        _updates = zeros([], ScalarType.Float32, _parameters.Master.device).DetachFromDisposeScope();
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
        _updates.Fill(StepCount);
        Update(learningRate, gradientNorm, skip: zeros([], ScalarType.Float32, _parameters.Master.device));
    }

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
        if (_confirmedStepCount != StepCount)
        {
            _updates.Fill(StepCount);
            _confirmedStepCount = StepCount;
        }

        Tensor made = gradientNorm.isfinite().logical_and(loss.isfinite()).to(ScalarType.Float32);
        _updates.PlusInPlace(made);
        Update(learningRate, gradientNorm, skip: ones_like(made).sub_(made));
    }

    /// <summary>Tells how many of the last calls of <see cref="StepIfFinite"/> made their update, once that has been read.</summary>
    public void Confirm(int updatesMade)
    {
        // Of a resumed run, whose count came from its checkpoint, the device knows nothing before the next update.
        bool isKnown = _confirmedStepCount == StepCount;
        StepCount += updatesMade;
        if (isKnown) _confirmedStepCount = StepCount;
    }

    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        _updates.Dispose();
    }

    /// <summary>The update of both ranges, the one that decays and the rest; <paramref name="skip"/> is 1 where none is to be made.</summary>
    private void Update(double learningRate, Tensor gradientNorm, Tensor skip)
    {
        Tensor scale = _options.GradientClipNorm > 0
            ? gradientNorm.Plus(1e-6f).TimesInPlace(1 / _options.GradientClipNorm).AtLeastInPlace(1)          // stays on the device
            : ones([], ScalarType.Float32, _parameters.Master.device);
        Range(0, _parameters.DecayCount, _options.WeightDecay);
        Range(_parameters.DecayCount, _parameters.Master.size(0) - _parameters.DecayCount, 0);
        _parameters.RefreshWorkingCopy();

        void Range(long start, long length, double decay) => FusedAdamW.Step(
            _parameters.Master.narrow(0, start, length), _parameters.GradientSum.narrow(0, start, length), FirstMoment.narrow(0, start, length), SecondMoment.narrow(0, start, length),
            _updates, learningRate, _options, decay, scale, skip);
    }
}
