using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Decodes a batch over a <see cref="GptNetwork"/> with a preallocated key/value cache.</summary>
internal sealed class TorchCausalDecoder : ICausalDecoder
{
    private readonly GptNetwork network;
    private readonly KeyValueCache cache;
    private int[] realLengths;    // per row: tokens so far, padding not counted
    private Tensor? paddingMask;  // (B, Capacity), additive: -∞ at padded places; null while no row is padded

    public TorchCausalDecoder(GptNetwork network, int rowCount, int capacity)
    {
        this.network = network;
        Capacity = capacity;
        realLengths = new int[rowCount];
        cache = new KeyValueCache(network.Config, rowCount, capacity, network.TorchDevice, network.WorkingType);
    }

    public int RowCount => realLengths.Length;

    public int Length { get; private set; }

    public int Capacity { get; }

    public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits)
    {
        int b = RowCount, n = CausalDecoderChecks.Validate(this, network.Config, tokenIds, mask, scope, logits);
        var ids = new long[b * n];
        var positions = new long[b * n];
        var lengths = (int[])realLengths.Clone();
        for (int row = 0; row < b; row++)
        {
            for (int i = 0; i < n; i++)
            {
                int at = (row * n) + i;
                bool real = mask.IsEmpty || mask[at] != 0;
                ids[at] = tokenIds[at];
                positions[at] = real ? lengths[row]++ : 0;
            }

            if (lengths[row] > network.Config.ContextLength)
                throw new PromptTooLongException(lengths[row], network.Config.ContextLength, "Shorten the prompt, ask for fewer new tokens, or use a model with a longer context.");
        }

        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        NotePadding(mask, b, n);
        Tensor hidden = network.HiddenWithCache(tensor(ids, device: network.TorchDevice).view(b, n), tensor(positions, device: network.TorchDevice), cache, MaskFor(n));
        if (scope == LogitsScope.LastPosition) hidden = hidden.view(b, n, -1).select(1, n - 1);
        network.Logits(hidden).to(ScalarType.Float32).cpu().data<float>().CopyTo(logits);   // sync: reads the logits
        cache.Advance(n);
        Length += n;
        realLengths = lengths;
    }

    public void SelectRows(ReadOnlySpan<int> rows)
    {
        CausalDecoderChecks.ValidateRows(rows, RowCount);
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        var lengths = new int[rows.Length];
        var indices = new long[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            lengths[i] = realLengths[rows[i]];
            indices[i] = rows[i];
        }

        Tensor index = tensor(indices, device: network.TorchDevice);
        cache.SelectRows(index);
        if (paddingMask is not null)
        {
            Tensor kept = paddingMask.index_select(0, index).DetachFromDisposeScope();
            paddingMask.Dispose();
            paddingMask = kept;
        }

        realLengths = lengths;
    }

    public void Dispose()
    {
        cache.Dispose();
        paddingMask?.Dispose();
    }

    private void NotePadding(ReadOnlySpan<byte> mask, int b, int n)
    {
        if (mask.IndexOf((byte)0) < 0) return;
        paddingMask ??= zeros(b, Capacity, network.WorkingType, network.TorchDevice).DetachFromDisposeScope();
        var added = new float[b * n];
        for (int i = 0; i < added.Length; i++) added[i] = mask[i] == 0 ? float.NegativeInfinity : 0;
        paddingMask.narrow(1, Length, n).copy_(tensor(added).view(b, n));
    }

    /// <summary>
    /// (B, 1, n, Length + n): what padding hides. A padded query would see nothing at all, which softmax turns into NaN, so it sees
    /// itself; nobody reads its result.
    /// </summary>
    private Tensor? MaskFor(int n)
    {
        if (paddingMask is null) return null;
        int keys = Length + n;
        Tensor hidden = paddingMask.narrow(1, 0, keys).view(RowCount, 1, 1, keys).expand(RowCount, 1, n, keys).clone();
        hidden.narrow(3, Length, n).diagonal(0, 2, 3).zero_();
        return hidden;
    }
}
