using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019, algorithm 2) with gradient clipping, over the flat buffers of a network. Weight decay
/// applies to the range of the tensors of two or more dimensions.
/// </summary>
/// <remarks>
/// On a CPU the update walks the buffers in blocks that stay in the cache over its dozen operations; on a GPU each operation takes
/// the whole buffer. The results do not depend on the blocks.
/// </remarks>
internal sealed partial class AdamW : IDisposable
{
    /// <summary>Elements of a block: five float32 streams of it fill 2.5 MB.</summary>
    private const long CpuBlock = 1 << 17;

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
        Tensor? clip = _options.GradientClipNorm > 0
            ? gradientNorm.add(1e-6f).reciprocal().mul_(_options.GradientClipNorm).clamp_max_(1)   // stays on the device
            : null;
        double correction1 = 1 - Math.Pow(_options.Beta1, StepCount);
        double correction2 = 1 - Math.Pow(_options.Beta2, StepCount);
        long total = _parameters.Master.size(0);
        long block = _parameters.Master.is_cuda ? total : CpuBlock;
        Update(0, _parameters.DecayCount, 1 - (learningRate * _options.WeightDecay));
        Update(_parameters.DecayCount, total, 1);
        _parameters.RefreshWorkingCopy();

        void Update(long begin, long end, double keep)
        {
            for (long start = begin; start < end; start += block)
            {
                using var blockScope = NewDisposeScope();
                long count = Math.Min(block, end - start);
                Tensor p = _parameters.Master.narrow(0, start, count), g = _parameters.GradientSum.narrow(0, start, count);
                Tensor m = FirstMoment.narrow(0, start, count), v = SecondMoment.narrow(0, start, count);
                if (clip is not null) g.mul_(clip);
                if (keep != 1) p.mul_(keep);
                m.mul_(_options.Beta1).add_(g, 1 - _options.Beta1);
                v.mul_(_options.Beta2).addcmul_(g, g, 1 - _options.Beta2);
                Tensor denominator = v.sqrt().mul_(1 / Math.Sqrt(correction2)).add_(_options.Epsilon);
                p.addcdiv_(m, denominator, -learningRate / correction1);
            }
        }
    }

    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        _deviceStepCount?.Dispose();
    }
}
