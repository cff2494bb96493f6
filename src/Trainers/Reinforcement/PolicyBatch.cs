using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Responses behind their prompts, side by side and padded on the right, where nothing that is read sees the padding. B: responses; W: positions of the longest; T: tokens of the longest response; N: tokens of all of them.
/// </summary>
internal sealed class PolicyBatch
{
    private readonly IReadOnlyList<RolloutRow> _rows;
    private readonly Device _device;
    private readonly long[] _ids, _sources, _places, _targets;

    /// <summary>Lays out responses.</summary>
    /// <param name="rows">One or more.</param>
    /// <param name="device">Where the tensors go.</param>
    public PolicyBatch(IReadOnlyList<RolloutRow> rows, Device device)
    {
        (_rows, _device) = (rows, device);
        Width = rows.Max(static row => row.Width);
        ResponseWidth = rows.Max(static row => row.Response.Length);
        _ids = new long[rows.Count * Width];
        List<long> sources = [], places = [], targets = [];
        for (int b = 0; b < rows.Count; b++)
        {
            (int[] prompt, int[] response) = (rows[b].PromptTokens, rows[b].Response);
            for (int i = 0; i < rows[b].Width; i++) _ids[(b * Width) + i] = i < prompt.Length ? prompt[i] : response[i - prompt.Length];
            for (int t = 0; t < response.Length; t++)
            {
                sources.Add((b * Width) + prompt.Length - 1 + t);     // the position that predicts token t
                places.Add((b * ResponseWidth) + t);
                targets.Add(response[t]);
            }
        }

        (_sources, _places, _targets) = ([.. sources], [.. places], [.. targets]);
    }

    /// <summary>B.</summary>
    public int RowCount => _rows.Count;

    /// <summary>W.</summary>
    public int Width { get; }

    /// <summary>T.</summary>
    public int ResponseWidth { get; }

    /// <summary>N.</summary>
    public int TokenCount => _targets.Length;

    /// <summary>(B, T) float32: 1 where a response has a token that the policy learns from.</summary>
    public Tensor Counting => Of(static row => [row.Counts ? 1 : 0]);

    /// <summary>(B, T) float32: 1 where a response has a token.</summary>
    public Tensor Mask => Of(static _ => [1]);

    /// <summary>(N, C) float32: the last hidden states before each response token.</summary>
    public Tensor States(GptNetwork network)
    {
        using var scope = NewDisposeScope();
        return network.Hidden(HostCopy.To(_device, _ids).view(RowCount, Width)).index_select(0, HostCopy.To(_device, _sources)).MoveToOuterDisposeScope();
    }

    /// <summary>log π of each response token.</summary>
    /// <param name="network">Gives the head.</param>
    /// <param name="states">What <see cref="States"/> gave.</param>
    /// <param name="temperature">What the logits are divided by.</param>
    /// <returns>(B, T) float32, 0 behind a response; differentiable.</returns>
    public Tensor LogProbabilities(GptNetwork network, Tensor states, double temperature)
    {
        using var scope = NewDisposeScope();
        Tensor scaled = temperature == 1 ? states : states.Over(temperature);                              // the head is linear
        return Spread(TokenLogProbabilities.Of(scaled, network.TokenEmbedding, HostCopy.To(_device, _targets))).MoveToOuterDisposeScope();
    }

    /// <summary>V before each response token.</summary>
    /// <returns>(B, T) float32, 0 behind a response; differentiable.</returns>
    public Tensor Values(RewardNetwork value)
    {
        using var scope = NewDisposeScope();
        return Spread(value.Rewards(States(value.Network))).MoveToOuterDisposeScope();
    }

    /// <summary>The entropy of what follows before each response token.</summary>
    /// <param name="network">Gives the head.</param>
    /// <param name="states">What <see cref="States"/> gave.</param>
    /// <param name="temperature">What the logits are divided by.</param>
    /// <param name="differentiable">Whether it has gradients; the logits, of which never all are there at once, are then computed again in the backward pass.</param>
    /// <returns>(B, T) float32, nats, 0 behind a response.</returns>
    public Tensor Entropy(GptNetwork network, Tensor states, double temperature, bool differentiable)
    {
        using var scope = NewDisposeScope();
        var parts = new List<Tensor>();
        foreach ((long start, long count) in HeadChunks.Of(TokenCount, network.Config.VocabularySize))
        {
            Tensor some = states.narrow(0, start, count);                                                  // (n, C)
            parts.Add(differentiable ? CheckpointFunction.Of(some, states, Part) : Measured(some));
        }

        return Spread(cat(parts, 0)).MoveToOuterDisposeScope();

        Tensor Measured(Tensor some)
        {
            using var noGradient = no_grad();   // else all logits stay for a backward pass that nobody makes
            return Part(some);
        }

        Tensor Part(Tensor some)
        {
            using var part = NewDisposeScope();
            return TokenEntropy.Of(network.Logits(some.Over(temperature)).to(ScalarType.Float32)).MoveToOuterDisposeScope(); // (n)
        }
    }

    /// <summary>Numbers of the responses' tokens.</summary>
    /// <param name="numbers">A number for each token of a response, or one for all of them.</param>
    /// <returns>(B, T) float32, 0 behind a response.</returns>
    public Tensor Of(Func<RolloutRow, float[]> numbers)
    {
        var all = new float[RowCount * ResponseWidth];
        for (int b = 0; b < RowCount; b++)
        {
            float[] own = numbers(_rows[b]);
            for (int t = 0; t < _rows[b].Response.Length; t++) all[(b * ResponseWidth) + t] = own.Length == 1 ? own[0] : own[t];
        }

        return HostCopy.To(_device, all).view(RowCount, ResponseWidth);
    }

    /// <summary>Takes numbers of (B, T) apart: one array for each response.</summary>
    public float[][] Split(Tensor numbers)
    {
        var all = new float[RowCount * ResponseWidth];
        numbers.CopyFloatsTo(all);                                                                         // sync: reads the numbers
        return [.. _rows.Select((row, b) => all.AsSpan(b * ResponseWidth, row.Response.Length).ToArray())];
    }

    /// <summary>(N) → (B, T).</summary>
    private Tensor Spread(Tensor numbers) => zeros(RowCount * ResponseWidth, ScalarType.Float32, _device).index_copy(0, HostCopy.To(_device, _places), numbers).view(RowCount, ResponseWidth);
}
