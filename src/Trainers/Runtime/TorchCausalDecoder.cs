using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Decodes a batch over a <see cref="GptNetwork"/> with a preallocated key/value cache.</summary>
internal sealed class TorchCausalDecoder : ISavableDecoder
{
    private readonly GptNetwork _network;
    private readonly KeyValueCache _cache;
    private readonly NativeLifetime _lifetime;
    private readonly TorchCausalModel _model;
    private readonly int _positionsAtOnce;
    private int[] _realLengths;    // per row: tokens so far, padding not counted
    private Tensor? _paddingMask;  // (B, Capacity), additive: -∞ at padded places; null while no row is padded

    /// <param name="model">The model.</param>
    /// <param name="lease">A use of the network; the decoder's from now on, unless this throws.</param>
    /// <param name="rowCount">B.</param>
    /// <param name="capacity">The most positions.</param>
    /// <param name="positionsAtOnce">The most positions that are computed in one piece, between two looks at whether the call has been cancelled.</param>
    public TorchCausalDecoder(TorchCausalModel model, NativeLease lease, int rowCount, int capacity, int positionsAtOnce)
    {
        GptNetwork network = model.Network;
        _model = model;
        _network = network;
        _positionsAtOnce = positionsAtOnce;
        Capacity = capacity;
        _realLengths = new int[rowCount];
        _cache = new KeyValueCache(network.Config, rowCount, capacity, network.TorchDevice, network.WorkingType);
        _lifetime = new NativeLifetime(this, () =>
        {
            _cache.Dispose();
            _paddingMask?.Dispose();
            lease.Dispose();
        });
    }

    public int RowCount => _realLengths.Length;

    public int Length { get; private set; }

    public int Capacity { get; }

    public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default)
    {
        using NativeLease use = _lifetime.Acquire();
        int b = RowCount, n = CausalDecoderChecks.Validate(this, _network.Config, tokenIds, mask, scope, logits);
        var ids = new long[b * n];
        var positions = new long[b * n];
        var lengths = (int[])_realLengths.Clone();
        for (int row = 0; row < b; row++)
        {
            for (int i = 0; i < n; i++)
            {
                int at = (row * n) + i;
                bool real = mask.IsEmpty || mask[at] != 0;
                ids[at] = tokenIds[at];
                positions[at] = real ? lengths[row]++ : 0;
            }

            if (lengths[row] > _network.Config.ContextLength)
                throw new PromptTooLongException(lengths[row], _network.Config.ContextLength, "Shorten the prompt, ask for fewer new tokens, or use a model with a longer context.");
        }

        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        NotePadding(mask, b, n);
        Tensor allIds = tensor(ids, device: _network.TorchDevice).view(b, n), allPositions = tensor(positions, device: _network.TorchDevice).view(b, n);
        int before = Length;
        try
        {
            for (int start = 0; start < n; start += _positionsAtOnce)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var piece = NewDisposeScope();
                int m = Math.Min(_positionsAtOnce, n - start);
                Tensor hidden = _network.HiddenWithCache(allIds.narrow(1, start, m), allPositions.narrow(1, start, m).reshape(-1), _cache, MaskFor(m)).view(b, m, -1); // (B, m, C)
                if (scope == LogitsScope.AllPositions) CopyLogits(hidden, start, n, logits);
                else if (start + m == n) _network.Logits(hidden.select(1, m - 1)).CopyFloatsTo(logits);   // (B, V)
                _cache.Advance(m);
                Length += m;
            }
        }
        catch
        {
            _cache.Advance(before - Length);
            Length = before;
            _paddingMask?.narrow(1, before, n).zero_();
            throw;
        }

        _realLengths = lengths;
    }

    public void SelectRows(ReadOnlySpan<int> rows)
    {
        using NativeLease use = _lifetime.Acquire();
        CausalDecoderChecks.ValidateRows(rows, RowCount);
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        var lengths = new int[rows.Length];
        var indices = new long[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            lengths[i] = _realLengths[rows[i]];
            indices[i] = rows[i];
        }

        _cache.SelectRows(rows);
        if (_paddingMask is not null)
        {
            Tensor kept = _paddingMask.index_select(0, tensor(indices, device: _network.TorchDevice)).DetachFromDisposeScope();
            _paddingMask.Dispose();
            _paddingMask = kept;
        }

        _realLengths = lengths;
    }

    public IForkableDecoder Fork(int capacity)
    {
        using NativeLease use = _lifetime.Acquire();
        CausalDecoderChecks.ValidateFork(this, capacity);
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        var copy = (TorchCausalDecoder)_model.BeginDecoding(RowCount, capacity);
        copy._cache.CopyFrom(_cache);
        copy._realLengths = (int[])_realLengths.Clone();
        copy.Length = Length;
        if (_paddingMask is not null)
        {
            copy._paddingMask = zeros(RowCount, capacity, _network.WorkingType, _network.TorchDevice).DetachFromDisposeScope();
            copy._paddingMask.narrow(1, 0, Length).copy_(_paddingMask.narrow(1, 0, Length));
        }

        return copy;
    }

    public void Truncate(int length)
    {
        using NativeLease use = _lifetime.Acquire();
        CausalDecoderChecks.ValidateTruncate(this, length);
        int[] padding = PaddingOfRows();
        for (int row = 0; row < RowCount; row++) _realLengths[row] = Math.Max(0, length - padding[row]);
        _cache.Advance(length - Length);
        Length = length;
        NotePadding(padding);
    }

    public void Join(IForkableDecoder other)
    {
        using NativeLease use = _lifetime.Acquire();
        CausalDecoderChecks.ValidateJoin(this, other, other is TorchCausalDecoder torch && ReferenceEquals(torch._model, _model));
        var added = (TorchCausalDecoder)other;
        using (added)
        using (added._lifetime.Acquire())
        using (no_grad())
        using (NewDisposeScope())
        {
            int length = Math.Max(Length, added.Length);
            int[] padding = [.. PaddingOfRows().Select(places => places + length - Length), .. added.PaddingOfRows().Select(places => places + length - added.Length)];
            _cache.Join(added._cache);
            _realLengths = [.. _realLengths, .. added._realLengths];
            Length = length;
            NotePadding(padding);
        }
    }

    public void Compact()
    {
        using NativeLease use = _lifetime.Acquire();
        int[] padding = PaddingOfRows();
        int common = padding.Min();
        if (common == 0) return;
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        _cache.DropFirst(common);
        Length -= common;
        NotePadding([.. padding.Select(places => places - common)]);
    }

    public void Save(Stream target)
    {
        using NativeLease use = _lifetime.Acquire();
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        (int Number, Tensor? Values) held = (-1, null);
        DecoderStateFile.Write(target, _model.StateForm(), Length, [.. PaddingOfRows().Select(static padding => new DecoderStateRow(padding, DecoderStateRow.NoAdapter))], (tensor, row, block) =>
        {
            if (held.Number != tensor)
            {
                held.Values?.Dispose();
                held = (tensor, _cache.Held(tensor));
            }

            held.Values!.bytes.Slice(row * block.Length, block.Length).CopyTo(block);
        });
    }

    public void Dispose() => _lifetime.Dispose();

    /// <summary>Takes a saved state, whose stream stands before the keys and values.</summary>
    /// <exception cref="CorruptFileException">The file has been shortened meanwhile.</exception>
    internal void Take(DecoderStateFile state)
    {
        using var noGradient = no_grad();
        GptConfig config = _network.Config;
        for (int tensor = 0; tensor < 2 * config.LayerCount && state.Length > 0; tensor++)
        {
            using var disposal = NewDisposeScope();
            Tensor held = empty(RowCount, config.HeadCount, state.Length, config.HeadSize, _network.WorkingType);   // (B, H, P, D)
            Span<byte> bytes = held.bytes;
            for (int at = 0; at < bytes.Length; at += state.BlockBytes) state.ReadBlock(bytes[at..]);
            _cache.Take(tensor, held);
        }

        _cache.Advance(state.Length);
        Length = state.Length;
        _realLengths = [.. state.Rows.Select(row => Length - row.Padding)];
        NotePadding([.. state.Rows.Select(static row => row.Padding)]);
    }

    /// <summary>Each row's places on the left that are no tokens.</summary>
    private int[] PaddingOfRows() => [.. _realLengths.Select(real => Length - real)];

    /// <summary>Writes the mask anew: a row's first places are padding, and nothing else is.</summary>
    private void NotePadding(int[] padding)
    {
        using var noGradient = no_grad();
        using var disposal = NewDisposeScope();
        _paddingMask?.Dispose();
        _paddingMask = null;
        if (padding.All(static places => places == 0)) return;
        var added = new float[padding.Length * Capacity];
        for (int row = 0; row < padding.Length; row++) added.AsSpan(row * Capacity, padding[row]).Fill(float.NegativeInfinity);
        _paddingMask = tensor(added, device: _network.TorchDevice).view(padding.Length, Capacity).to(_network.WorkingType).DetachFromDisposeScope();
    }

    /// <summary>Puts the logits of m of the n new positions, (B, m, V), to their places.</summary>
    private void CopyLogits(Tensor hidden, int start, int n, Span<float> logits)
    {
        int b = RowCount, m = (int)hidden.size(1), v = _network.Config.VocabularySize;
        Tensor computed = _network.Logits(hidden.view(b * m, -1)).view(b, m, v);
        if (m == n)
        {
            computed.CopyFloatsTo(logits);
            return;
        }

        for (int row = 0; row < b; row++) computed.select(0, row).CopyFloatsTo(logits.Slice(((row * n) + start) * v, m * v));
    }

    private void NotePadding(ReadOnlySpan<byte> mask, int b, int n)
    {
        if (mask.IndexOf((byte)0) < 0) return;
        _paddingMask ??= zeros(b, Capacity, _network.WorkingType, _network.TorchDevice).DetachFromDisposeScope();
        var added = new float[b * n];
        for (int i = 0; i < added.Length; i++) added[i] = mask[i] == 0 ? float.NegativeInfinity : 0;
        _paddingMask.narrow(1, Length, n).copy_(tensor(added).view(b, n));
    }

    /// <summary>
    /// (B, 1, n, Length + n): what padding hides. A padded query would see nothing at all, which softmax turns into NaN, so it sees
    /// itself; nobody reads its result.
    /// </summary>
    private Tensor? MaskFor(int n)
    {
        if (_paddingMask is null) return null;
        int keys = Length + n;
        Tensor hidden = _paddingMask.narrow(1, 0, keys).view(RowCount, 1, 1, keys).expand(RowCount, 1, n, keys).clone();
        hidden.narrow(3, Length, n).diagonal(0, 2, 3).zero_();
        return hidden;
    }
}
