using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>One AdamW update of flat buffers (Loshchilov and Hutter 2019, algorithm 2) on a CPU, in one pass over memory.</summary>
internal static class AdamWKernel
{
    private const int BlockElements = 1 << 16;

    /// <summary>Updates p, m and v from g. All are (N) float32, contiguous, N a multiple of 16.</summary>
    public static unsafe void Step(Tensor parameters, Tensor gradient, Tensor firstMoment, Tensor secondMoment, AdamWStep step)
    {
        long total = parameters.numel();
        float* p = (float*)CpuMemory.AddressOf(parameters, 16), g = (float*)CpuMemory.AddressOf(gradient, 16);
        float* m = (float*)CpuMemory.AddressOf(firstMoment, 16), v = (float*)CpuMemory.AddressOf(secondMoment, 16);
        CpuParallel.For((int)((total + BlockElements - 1) / BlockElements), block =>
        {
            nint start = (nint)block * BlockElements, end = (nint)Math.Min(total, start + BlockElements), decayEnd = (nint)Math.Clamp(step.DecayCount, start, end);
            Update(p, g, m, v, start, decayEnd, step, step.Keep);
            Update(p, g, m, v, decayEnd, end, step, 1);
        });
        GC.KeepAlive(parameters);
        GC.KeepAlive(gradient);
        GC.KeepAlive(firstMoment);
        GC.KeepAlive(secondMoment);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Update(float* p, float* g, float* m, float* v, nint start, nint end, AdamWStep step, float keep)
    {
        Vector512<float> clip = Vector512.Create(step.Clip), beta1 = Vector512.Create(step.Beta1), beta2 = Vector512.Create(step.Beta2);
        Vector512<float> rest1 = Vector512.Create(1 - step.Beta1), rest2 = Vector512.Create(1 - step.Beta2), kept = Vector512.Create(keep);
        Vector512<float> root = Vector512.Create(step.SecondMomentScale), epsilon = Vector512.Create(step.Epsilon), rate = Vector512.Create(step.StepSize);
        for (nint i = start; i < end; i += 16)
        {
            Vector512<float> gradient = Vector512.Load(g + i) * clip;
            Vector512<float> first = (Vector512.Load(m + i) * beta1) + (gradient * rest1);
            Vector512<float> second = (Vector512.Load(v + i) * beta2) + (gradient * gradient * rest2);
            first.Store(m + i);
            second.Store(v + i);
            Vector512<float> denominator = (Vector512.Sqrt(second) * root) + epsilon;
            ((Vector512.Load(p + i) * kept) - (rate * first / denominator)).Store(p + i);
        }
    }
}
