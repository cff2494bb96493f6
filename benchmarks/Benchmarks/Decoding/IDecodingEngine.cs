using System.Numerics.Tensors;

namespace MLNet.Gpt.Benchmarks;

/// <summary>An engine with a model loaded, as the decode benchmark drives it.</summary>
internal interface IDecodingEngine : IDisposable
{
    /// <summary>Seconds that a number of greedy steps take, for a batch of rows of the given depth; the prompt and two steps before them are not counted.</summary>
    double Decode(int rows, int depth, int steps);

    /// <summary>Seconds from a prompt of one row to the logits of its last position.</summary>
    double Prefill(int length);

    /// <summary>The first greedy tokens after a prompt.</summary>
    int[] Greedy(int[] prompt, int count);

    /// <summary>The prompt of all engines.</summary>
    static int[] Prompt(int length) => [.. Enumerable.Range(0, length).Select(static i => ((i * 7_919) + 11) % 50_000)];

    /// <summary>The largest logit's token.</summary>
    static int Best(ReadOnlySpan<float> logits) => TensorPrimitives.IndexOfMax(logits);
}
