using System.Diagnostics;
using LLama;
using LLama.Common;
using LLama.Native;

namespace MLNet.Gpt.Benchmarks;

/// <summary>llama.cpp through LLamaSharp, on a GGUF file of the same weights.</summary>
internal sealed class LlamaEngine : IDecodingEngine
{
    private readonly string _path;
    private readonly LLamaWeights _weights;
    private readonly Dictionary<(int Rows, int Depth), LLamaContext> _contexts = [];

    static LlamaEngine() => NativeLibraryConfig.All.WithLogCallback((_, _) => { });

    public LlamaEngine(string path)
    {
        _path = path;
        _weights = LLamaWeights.LoadFromFile(Parameters(1, 512));
    }

    public double Decode(int rows, int depth, int steps)
    {
        // The prompt is computed once for a context, and what is decoded is removed again.
        if (!_contexts.TryGetValue((rows, depth), out LLamaContext? context))
        {
            context = _weights.CreateContext(Parameters(rows, depth + 64));
            _contexts.Add((rows, depth), context);
            for (int row = 0; row < rows; row++) Append(context, IDecodingEngine.Prompt(depth), 0, row);
        }

        int[] next = [.. Enumerable.Range(0, rows).Select(static row => 1_000 + row)];
        var batch = new LLamaBatch();
        var clock = new StepClock(steps);
        for (int step = 0; step < steps + 2; step++)
        {
            clock.Begin();
            batch.Clear();
            for (int row = 0; row < rows; row++) batch.Add(next[row], depth + step, (LLamaSeqId)row, true);
            Require(context.Decode(batch));
            for (int row = 0; row < rows; row++) next[row] = IDecodingEngine.Best(context.NativeHandle.GetLogitsIth(row));
            clock.End();
        }

        double seconds = clock.Seconds;
        for (int row = 0; row < rows; row++) context.NativeHandle.MemorySequenceRemove((LLamaSeqId)row, depth, -1);
        return seconds;
    }

    public double Prefill(int length)
    {
        using LLamaContext context = _weights.CreateContext(Parameters(1, length));
        int[] prompt = IDecodingEngine.Prompt(length);
        var clock = Stopwatch.StartNew();
        Append(context, prompt, 0, 0);
        _ = context.NativeHandle.GetLogitsIth(length - 1);
        return clock.Elapsed.TotalSeconds;
    }

    public int[] Greedy(int[] prompt, int count)
    {
        using LLamaContext context = _weights.CreateContext(Parameters(1, prompt.Length + count));
        Append(context, prompt, 0, 0);
        int last = prompt.Length - 1;
        var tokens = new int[count];
        for (int i = 0; i < count; i++)
        {
            tokens[i] = IDecodingEngine.Best(context.NativeHandle.GetLogitsIth(last));
            Append(context, [tokens[i]], prompt.Length + i, 0);
            last = 0;
        }

        return tokens;
    }

    /// <summary>The log-probability of each token after the first, given those before it.</summary>
    public double[] Score(int[] tokens)
    {
        using LLamaContext context = _weights.CreateContext(Parameters(1, tokens.Length));
        var batch = new LLamaBatch();
        for (int i = 0; i < tokens.Length; i++) batch.Add(tokens[i], i, (LLamaSeqId)0, true);
        Require(context.Decode(batch));
        var scores = new double[tokens.Length - 1];
        for (int i = 0; i < scores.Length; i++)
        {
            ReadOnlySpan<float> logits = context.NativeHandle.GetLogitsIth(i);
            float largest = System.Numerics.Tensors.TensorPrimitives.Max(logits);
            double sum = 0;
            foreach (float logit in logits) sum += Math.Exp(logit - largest);
            scores[i] = logits[tokens[i + 1]] - largest - Math.Log(sum);
        }

        return scores;
    }

    public void Dispose()
    {
        foreach (LLamaContext context in _contexts.Values) context.Dispose();
        _weights.Dispose();
    }

    private static void Append(LLamaContext context, int[] tokens, int position, int row)
    {
        var batch = new LLamaBatch();
        for (int i = 0; i < tokens.Length; i++) batch.Add(tokens[i], position + i, (LLamaSeqId)row, i == tokens.Length - 1);
        Require(context.Decode(batch));
    }

    private static void Require(DecodeResult result)
    {
        if (result != DecodeResult.Ok) throw new InvalidOperationException($"llama.cpp could not decode: {result}.");
    }

    private ModelParams Parameters(int rows, int length) => new(_path)
    {
        ContextSize = (uint)(rows * length),
        SeqMax = (uint)rows,
        BatchSize = 512,
        UBatchSize = 512,
        Threads = Environment.ProcessorCount,
        BatchThreads = Environment.ProcessorCount,
        GpuLayerCount = 0,
    };
}
