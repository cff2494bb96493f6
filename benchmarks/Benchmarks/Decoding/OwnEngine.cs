using System.Diagnostics;

namespace MLNet.Gpt.Benchmarks;

/// <summary>This library on ONNX Runtime.</summary>
internal sealed class OwnEngine(string folder, GptDevice? device = null) : IDecodingEngine
{
    private readonly OnnxCausalModel _model = OnnxCausalModel.Load(folder, device ?? GptDevice.Cpu);

    public double Decode(int rows, int depth, int steps)
    {
        int vocabulary = _model.Config.VocabularySize;
        float[] logits = new float[rows * vocabulary];
        int[] next = new int[rows];
        using ICausalDecoder decoder = _model.BeginDecoding(1, depth + steps + 2);
        decoder.Append(IDecodingEngine.Prompt(depth), default, LogitsScope.LastPosition, logits.AsSpan(0, vocabulary));
        next.AsSpan().Fill(IDecodingEngine.Best(logits.AsSpan(0, vocabulary)));
        if (rows > 1) decoder.SelectRows(new int[rows]);
        var clock = new StepClock(steps);
        for (int step = 0; step < steps + 2; step++)
        {
            clock.Begin();
            decoder.Append(next, default, LogitsScope.LastPosition, logits);
            for (int row = 0; row < rows; row++) next[row] = IDecodingEngine.Best(logits.AsSpan(row * vocabulary, vocabulary));
            clock.End();
        }

        return clock.Seconds;
    }

    public double Prefill(int length)
    {
        float[] logits = new float[_model.Config.VocabularySize];
        int[] prompt = IDecodingEngine.Prompt(length);
        var clock = Stopwatch.StartNew();
        using ICausalDecoder decoder = _model.BeginDecoding(1, length);
        decoder.Append(prompt, default, LogitsScope.LastPosition, logits);
        return clock.Elapsed.TotalSeconds;
    }

    public int[] Greedy(int[] prompt, int count)
    {
        float[] logits = new float[_model.Config.VocabularySize];
        using ICausalDecoder decoder = _model.BeginDecoding(1, prompt.Length + count);
        decoder.Append(prompt, default, LogitsScope.LastPosition, logits);
        var tokens = new int[count];
        for (int i = 0; i < count; i++)
        {
            tokens[i] = IDecodingEngine.Best(logits);
            decoder.Append([tokens[i]], default, LogitsScope.LastPosition, logits);
        }

        return tokens;
    }

    public void Dispose() => _model.Dispose();
}
