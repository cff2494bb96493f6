using System.Diagnostics;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace MLNet.Gpt.Benchmarks;

/// <summary>onnxruntime-genai on a package of this library, as it is.</summary>
internal sealed class GenAiEngine(string folder) : IDecodingEngine
{
    private readonly Model _model = new(folder);

    public double Decode(int rows, int depth, int steps)
    {
        using Generator generator = Begin(rows, depth + steps + 4);
        generator.AppendTokens([.. Enumerable.Repeat(IDecodingEngine.Prompt(depth), rows).SelectMany(static prompt => prompt)]);
        var clock = new StepClock(steps);
        for (int step = 0; step < steps + 2; step++)
        {
            clock.Begin();
            generator.GenerateNextToken();
            clock.End();
        }

        return clock.Seconds;
    }

    public double Prefill(int length)
    {
        int[] prompt = IDecodingEngine.Prompt(length);
        var clock = Stopwatch.StartNew();
        using Generator generator = Begin(1, length + 1);
        generator.AppendTokens(prompt);
        return clock.Elapsed.TotalSeconds;
    }

    public int[] Greedy(int[] prompt, int count)
    {
        using Generator generator = Begin(1, prompt.Length + count + 1);
        generator.AppendTokens(prompt);
        for (int i = 0; i < count; i++) generator.GenerateNextToken();
        return generator.GetSequence(0)[prompt.Length..].ToArray();
    }

    public void Dispose() => _model.Dispose();

    private Generator Begin(int rows, int length)
    {
        using var parameters = new GeneratorParams(_model);
        parameters.SetSearchOption("batch_size", rows);
        parameters.SetSearchOption("max_length", length);
        parameters.SetSearchOption("min_length", length);   // no end-of-text ends a row early
        parameters.SetSearchOption("do_sample", false);
        return new Generator(_model, parameters);
    }
}
