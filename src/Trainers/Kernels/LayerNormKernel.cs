using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Layer normalisation (Ba et al. 2016, equation 4) of rows, on a CPU: float32 in, the working type out, in one pass over memory each way.</summary>
internal static class LayerNormKernel
{
    private const long BlockElements = 1 << 15;

    /// <summary>(x - mean) / √(variance + ε)·gain + bias.</summary>
    /// <param name="x">(N, C) float32, contiguous.</param>
    /// <param name="gain">(C) float32.</param>
    /// <param name="bias">(C) float32.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="type">The type of the result.</param>
    /// <param name="moments">(N, 2) float32, contiguous, receives each row's mean and 1 / √(variance + ε).</param>
    /// <returns>(N, C).</returns>
    public static Tensor Forward(Tensor x, Tensor gain, Tensor bias, double epsilon, ScalarType type, Tensor moments)
    {
        Tensor y = empty_like(x, type);
        if (type == ScalarType.BFloat16) Forward<BFloat16Element>(x, gain, bias, epsilon, y, moments);
        else Forward<Float32Element>(x, gain, bias, epsilon, y, moments);
        return y;
    }

    /// <summary>The gradient with respect to x; adds the parameters' to theirs.</summary>
    /// <param name="x">(N, C), as in the forward pass.</param>
    /// <param name="gain">(C) float32.</param>
    /// <param name="moments">(N, 2): what the forward pass left.</param>
    /// <param name="gradient">(N, C), contiguous: the gradient of the result, of its type.</param>
    /// <param name="gainGradient">(C) float32; null where the parameters are frozen.</param>
    /// <param name="biasGradient">(C) float32; null where the parameters are frozen.</param>
    /// <returns>(N, C) float32.</returns>
    public static Tensor Backward(Tensor x, Tensor gain, Tensor moments, Tensor gradient, Tensor? gainGradient, Tensor? biasGradient)
    {
        Tensor result = empty_like(x);
        if (gradient.dtype == ScalarType.BFloat16) Backward<BFloat16Element>(x, gain, moments, gradient, gainGradient, biasGradient, result);
        else Backward<Float32Element>(x, gain, moments, gradient, gainGradient, biasGradient, result);
        return result;
    }

    private static unsafe void Forward<T>(Tensor input, Tensor gain, Tensor bias, double epsilon, Tensor output, Tensor moments)
        where T : struct, IElement
    {
        long rows = input.size(0), columns = input.size(1), perBlock = Math.Max(1, BlockElements / columns);
        float* source = (float*)CpuMemory.AddressOf(input, columns), g = (float*)CpuMemory.AddressOf(gain, columns), b = (float*)CpuMemory.AddressOf(bias, columns);
        float* statistics = (float*)CpuMemory.AddressOf(moments, 2);
        byte* target = (byte*)CpuMemory.AddressOf(output, columns);
        CpuParallel.For((int)((rows + perBlock - 1) / perBlock), block =>
        {
            long end = Math.Min(rows, (block + 1) * perBlock);
            for (long row = block * perBlock; row < end; row++)
                ForwardRow<T>(source + (row * columns), g, b, target + (row * columns * T.Size), statistics + (2 * row), (nint)columns, epsilon);
        });
        GC.KeepAlive(input);
        GC.KeepAlive(gain);
        GC.KeepAlive(bias);
        GC.KeepAlive(output);
        GC.KeepAlive(moments);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void ForwardRow<T>(float* x, float* g, float* b, void* y, float* statistics, nint columns, double epsilon)
        where T : struct, IElement
    {
        nint whole = columns / 16 * 16, i = 0;
        Vector512<float> sums = Vector512<float>.Zero;
        for (; i < whole; i += 16) sums += Vector512.Load(x + i);
        float sum = Vector512.Sum(sums);
        for (; i < columns; i++) sum += x[i];
        float mean = sum / columns;

        Vector512<float> means = Vector512.Create(mean), squares = Vector512<float>.Zero;
        for (i = 0; i < whole; i += 16)
        {
            Vector512<float> d = Vector512.Load(x + i) - means;
            squares = Vector512.FusedMultiplyAdd(d, d, squares);
        }

        float square = Vector512.Sum(squares);
        for (; i < columns; i++) square += (x[i] - mean) * (x[i] - mean);
        float inverse = (float)(1 / Math.Sqrt((square / columns) + epsilon));
        statistics[0] = mean;
        statistics[1] = inverse;

        Vector512<float> inverses = Vector512.Create(inverse);
        for (i = 0; i < whole; i += 16)
            T.Store(y, i, Vector512.FusedMultiplyAdd((Vector512.Load(x + i) - means) * inverses, Vector512.Load(g + i), Vector512.Load(b + i)));
        for (; i < columns; i++) T.StoreOne(y, i, ((x[i] - mean) * inverse * g[i]) + b[i]);
    }

    private static unsafe void Backward<T>(Tensor input, Tensor gain, Tensor moments, Tensor gradient, Tensor? gainGradient, Tensor? biasGradient, Tensor result)
        where T : struct, IElement
    {
        long rows = input.size(0), columns = input.size(1), perBlock = PartialSums.RowsOfBlock(rows, columns, BlockElements);
        int blocks = (int)((rows + perBlock - 1) / perBlock);
        float* source = (float*)CpuMemory.AddressOf(input, columns), g = (float*)CpuMemory.AddressOf(gain, columns), target = (float*)CpuMemory.AddressOf(result, columns);
        float* statistics = (float*)CpuMemory.AddressOf(moments, 2);
        byte* incoming = (byte*)CpuMemory.AddressOf(gradient, columns);
        using PartialSums gainShares = new(blocks, (int)columns), biasShares = new(blocks, (int)columns);
        float* gains = gainShares.Address, biases = biasShares.Address;
        CpuParallel.For(blocks, block =>
        {
            long end = Math.Min(rows, (block + 1) * perBlock);
            for (long row = block * perBlock; row < end; row++)
            {
                BackwardRow<T>(source + (row * columns), g, statistics + (2 * row), incoming + (row * columns * T.Size), target + (row * columns),
                    gains + (block * columns), biases + (block * columns), (nint)columns);
            }
        });
        if (gainGradient is not null) gainShares.AddTo(gainGradient);
        if (biasGradient is not null) biasShares.AddTo(biasGradient);
        GC.KeepAlive(input);
        GC.KeepAlive(gain);
        GC.KeepAlive(moments);
        GC.KeepAlive(gradient);
        GC.KeepAlive(result);
    }

    /// <summary>dx = (g·dy - mean(g·dy) - x̂·mean(g·dy·x̂)) / √(variance + ε), x̂ the normalised row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void BackwardRow<T>(float* x, float* g, float* statistics, void* dy, float* dx, float* gainSum, float* biasSum, nint columns)
        where T : struct, IElement
    {
        nint whole = columns / 16 * 16, i = 0;
        float mean = statistics[0], inverse = statistics[1];
        Vector512<float> means = Vector512.Create(mean), inverses = Vector512.Create(inverse);
        Vector512<float> firsts = Vector512<float>.Zero, seconds = Vector512<float>.Zero;
        for (; i < whole; i += 16)
        {
            Vector512<float> normal = (Vector512.Load(x + i) - means) * inverses, d = T.Load(dy, i), scaled = d * Vector512.Load(g + i);
            firsts += scaled;
            seconds = Vector512.FusedMultiplyAdd(scaled, normal, seconds);
            Vector512.FusedMultiplyAdd(d, normal, Vector512.Load(gainSum + i)).Store(gainSum + i);
            (Vector512.Load(biasSum + i) + d).Store(biasSum + i);
        }

        float first = Vector512.Sum(firsts), second = Vector512.Sum(seconds);
        for (; i < columns; i++)
        {
            float normal = (x[i] - mean) * inverse, d = T.LoadOne(dy, i);
            first += d * g[i];
            second += d * g[i] * normal;
            gainSum[i] += d * normal;
            biasSum[i] += d;
        }

        Vector512<float> shift = Vector512.Create(first / columns), slope = Vector512.Create(second / columns);
        for (i = 0; i < whole; i += 16)
        {
            Vector512<float> normal = (Vector512.Load(x + i) - means) * inverses;
            (((T.Load(dy, i) * Vector512.Load(g + i)) - shift - (normal * slope)) * inverses).Store(dx + i);
        }

        for (; i < columns; i++) dx[i] = ((T.LoadOne(dy, i) * g[i]) - (first / columns) - ((x[i] - mean) * inverse * (second / columns))) * inverse;
    }
}
