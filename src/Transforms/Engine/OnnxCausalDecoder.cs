using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>
/// Decodes a batch with ONNX Runtime. B: rows; n: appended positions; P: positions before; V: vocabulary. The inputs lie in pinned arrays and
/// the logits go straight to the caller's memory.
/// </summary>
internal sealed class OnnxCausalDecoder : ISavableDecoder, IAdaptedDecoder
{
    private readonly OnnxCausalModel model;
    private readonly RunOptions runOptions = OrtRuntime.CallOptions(givesMemoryBack: false);
    private RunOptions? largeCall; // of calls that give their memory back
    private readonly OnnxKeyValueCache cache;
    private readonly OrtValue[] plainInputs, adaptedInputs, outputs;   // the second with room for the adapters' behind the others
    private readonly AdapterInputs adapters;
    private readonly long[] shape2 = new long[2], shape3 = new long[3];
    private readonly int firstPast;
    private int[] realLengths;             // per row: tokens so far, padding not counted
    private int[] newLengths;              // the same after the call under way
    private byte[]? visible;               // (B, Capacity): 0 at padded places; null while no row is padded
    private long[] inputIds = [], attentionMask = [], positionIds = [];   // pinned
    private float[] allLogits = [];        // (B, n, V), where the graph can't leave out the others' logits
    private readonly NativeLifetime lifetime;

    /// <param name="model">The model.</param>
    /// <param name="lease">A use of the model; the decoder's from now on, unless this throws.</param>
    /// <param name="rows">Each row's adapter, B of them; null for none.</param>
    /// <param name="capacity">The most positions.</param>
    public OnnxCausalDecoder(OnnxCausalModel model, NativeLease lease, OnnxAdapter?[] rows, int capacity)
    {
        this.model = model;
        Capacity = capacity;
        int rowCount = rows.Length;
        realLengths = new int[rowCount];
        newLengths = new int[rowCount];
        plainInputs = new OrtValue[model.InputNames.Length];
        adaptedInputs = new OrtValue[model.AdaptedInputNames.Length];
        outputs = new OrtValue[model.OutputNames.Length];
        firstPast = model.InputNames.Length - (2 * model.Config.LayerCount);
        try
        {
            cache = OnnxKeyValueCache.Create(model, runOptions, rowCount, capacity);
            adapters = new AdapterInputs(model.AdapterTable);
            adapters.Set(rows);
        }
        catch
        {
            cache?.Dispose();
            adapters?.Dispose();
            runOptions.Dispose();
            throw;
        }

        lifetime = new NativeLifetime(this, () =>
        {
            cache.Dispose();
            adapters.Dispose();
            runOptions.Dispose();
            largeCall?.Dispose();
            lease.Dispose();
        });
    }

    public int RowCount => realLengths.Length;

    public int Length { get; private set; }

    public int Capacity { get; }

    public IReadOnlyList<IModelAdapter?> Adapters => adapters.Rows;

    public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default)
    {
        using NativeLease use = lifetime.Acquire();

        // 1. Check everything, and find each token's position.
        int n = CausalDecoderChecks.Validate(this, model.Config, tokenIds, mask, scope, logits);
        PrepareTokens(tokenIds, mask, n);
        PrepareMask(mask, n);

        // 2. Compute. A call that fails leaves the decoder as it was.
        bool lastOnly = scope == LogitsScope.LastPosition;
        bool leaveOut = lastOnly && n > 1 && !model.TakesLogitsToKeep;
        Span<float> computed = leaveOut ? AllLogits(n) : logits;
        int perRow = lastOnly && !leaveOut ? 1 : n;
        OrtValue keep = lastOnly ? model.KeepLastLogits : model.KeepAllLogits;
        int atOnce = !cache.CanShowRows ? RowCount : n > 1 && Length > 0 ? 1 : Math.Max(1, OrtRuntime.LargestCall / n);
        if (atOnce < RowCount) RunRowsInTurn(atOnce, n, perRow, keep, computed, cancellationToken);
        else Run(firstRow: 0, RowCount, n, perRow, keep, computed, cancellationToken);
        if (leaveOut) TakeLast(computed, n, logits);

        // 3. Keep it.
        cache.Advance(n);
        Length += n;
        (realLengths, newLengths) = (newLengths, realLengths);
    }

    public void SelectRows(ReadOnlySpan<int> rows)
    {
        using NativeLease use = lifetime.Acquire();
        CausalDecoderChecks.ValidateRows(rows, RowCount);
        cache.SelectRows(rows, RowCount);
        int[] lengths = new int[rows.Length];
        byte[]? chosen = visible is null ? null : new byte[rows.Length * Capacity];
        for (int i = 0; i < rows.Length; i++)
        {
            lengths[i] = realLengths[rows[i]];
            if (chosen is not null) visible.AsSpan(rows[i] * Capacity, Capacity).CopyTo(chosen.AsSpan(i * Capacity));
        }

        (realLengths, newLengths, visible) = (lengths, new int[rows.Length], chosen);
        OnnxAdapter?[] kept = new OnnxAdapter?[rows.Length];
        for (int i = 0; i < rows.Length; i++) kept[i] = adapters.Rows[rows[i]];
        adapters.Set(kept);
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">There is too little memory for the keys and values, or ONNX Runtime failed to copy them.</exception>
    public IForkableDecoder Fork(int capacity)
    {
        using NativeLease use = lifetime.Acquire();
        CausalDecoderChecks.ValidateFork(this, capacity);
        OnnxCausalDecoder copy = model.Begin([.. adapters.Rows], capacity);
        try
        {
            copy.cache.CopyFrom(cache, RowCount);
            copy.Place(PaddingOfRows(), Length);
            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">There is too little memory for the keys and values, or ONNX Runtime failed to copy them.</exception>
    public void Truncate(int length)
    {
        using NativeLease use = lifetime.Acquire();
        CausalDecoderChecks.ValidateTruncate(this, length);
        if (length == Length) return;
        int[] padding = PaddingOfRows();
        cache.Keep(0, length, RowCount);
        Place([.. padding.Select(places => Math.Min(places, length))], length);
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">There is too little memory for the keys and values, or ONNX Runtime failed to copy them.</exception>
    public void Join(IForkableDecoder other)
    {
        using NativeLease use = lifetime.Acquire();
        CausalDecoderChecks.ValidateJoin(this, other, other is OnnxCausalDecoder onnx && ReferenceEquals(onnx.model, model));
        var added = (OnnxCausalDecoder)other;
        using (added)
        using (added.lifetime.Acquire())
        {
            int length = Math.Max(Length, added.Length);
            int[] padding = [.. PaddingOfRows().Select(places => places + length - Length), .. added.PaddingOfRows().Select(places => places + length - added.Length)];
            cache.Join(added.cache, RowCount, added.RowCount);
            Place(padding, length);
            adapters.Set([.. adapters.Rows, .. added.adapters.Rows]);
        }
    }

    public void Compact()
    {
        using NativeLease use = lifetime.Acquire();
        int[] padding = PaddingOfRows();
        int common = padding.Min();
        if (common == 0) return;
        cache.Keep(common, Length - common, RowCount);
        Place([.. padding.Select(places => places - common)], Length - common);
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">There is too little memory for the keys and values, or ONNX Runtime failed to copy them.</exception>
    public void Save(Stream target)
    {
        using NativeLease use = lifetime.Acquire();
        DecoderStateFile.Write(target, model.StateForm, Length, [.. PaddingOfRows().Select((padding, row) => new DecoderStateRow(padding, adapters.Rows[row]?.Fingerprint ?? DecoderStateRow.NoAdapter))],
            cache.Read);
    }

    public void Dispose() => lifetime.Dispose();

    /// <summary>Takes a saved state, whose stream stands before the keys and values.</summary>
    /// <exception cref="CorruptFileException">The file has been shortened meanwhile.</exception>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed to copy the keys and values.</exception>
    internal void Take(DecoderStateFile state)
    {
        cache.Fill(RowCount, state.Length);
        byte[] block = new byte[state.BlockBytes];
        for (int tensor = 0; tensor < 2 * model.Config.LayerCount && block.Length > 0; tensor++)
        {
            for (int row = 0; row < RowCount; row++)
            {
                state.ReadBlock(block);
                cache.Write(tensor, row, block);
            }
        }

        Place([.. state.Rows.Select(static row => row.Padding)], state.Length);
    }

    /// <summary>Each row's places on the left that are no tokens.</summary>
    private int[] PaddingOfRows() => [.. realLengths.Select(real => Length - real)];

    /// <summary>Notes where the rows' tokens lie after the cache has changed: behind the padding, up to the length.</summary>
    private void Place(int[] padding, int length)
    {
        Length = length;
        realLengths = [.. padding.Select(places => length - places)];
        newLengths = new int[padding.Length];
        visible = null;
        if (padding.All(static places => places == 0)) return;
        visible = new byte[padding.Length * Capacity];
        visible.AsSpan().Fill(1);
        for (int row = 0; row < padding.Length; row++) visible.AsSpan(row * Capacity, padding[row]).Clear();
    }

    private void PrepareTokens(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, int n)
    {
        Reserve(ref inputIds, tokenIds.Length);
        Reserve(ref positionIds, tokenIds.Length);
        for (int row = 0; row < RowCount; row++)
        {
            int position = realLengths[row];
            for (int i = 0; i < n; i++)
            {
                int at = (row * n) + i;
                inputIds[at] = tokenIds[at];
                positionIds[at] = mask.IsEmpty || mask[at] != 0 ? position++ : 0;
            }

            if (position > model.Config.ContextLength)
                throw new PromptTooLongException(position, model.Config.ContextLength, "Shorten the prompt, ask for fewer new tokens, or use a model with a longer context.");
            newLengths[row] = position;
        }
    }

    private void PrepareMask(ReadOnlySpan<byte> newMask, int n)
    {
        int rows = RowCount, total = Length + n;
        Reserve(ref attentionMask, rows * total);
        if (newMask.IndexOf((byte)0) >= 0 && visible is null)
        {
            visible = new byte[rows * Capacity];
            visible.AsSpan().Fill(1);
        }

        if (visible is null)
        {
            attentionMask.AsSpan(0, rows * total).Fill(1);
            return;
        }

        for (int row = 0; row < rows; row++)
        {
            Span<byte> seen = visible.AsSpan(row * Capacity, total);
            if (newMask.IsEmpty) seen[Length..].Fill(1);
            else newMask.Slice(row * n, n).CopyTo(seen[Length..]);
            Span<long> wide = attentionMask.AsSpan(row * total, total);
            for (int i = 0; i < total; i++) wide[i] = seen[i] == 0 ? 0 : 1;
        }
    }

    /// <summary>Appends to some rows after the other. A failure leaves all of them as they were: what has been written lies behind their past.</summary>
    private void RunRowsInTurn(int atOnce, int n, int logitsPerRow, OrtValue keep, Span<float> logits, CancellationToken cancellationToken)
    {
        int perRow = logitsPerRow * model.Config.VocabularySize;
        try
        {
            for (int row = 0; row < RowCount; row += atOnce)
            {
                int rows = Math.Min(atOnce, RowCount - row);
                cache.ShowRows(row, rows);
                Run(row, rows, n, logitsPerRow, keep, logits.Slice(row * perRow, rows * perRow), cancellationToken);
            }
        }
        finally
        {
            cache.ShowAll();
        }
    }

    private unsafe void Run(int firstRow, int rows, int n, int logitsPerRow, OrtValue keep, Span<float> logits, CancellationToken cancellationToken)
    {
        OrtValue[] inputs = adapters.IsNeeded ? adaptedInputs : plainInputs;
        RunOptions call = model.GivesMemoryBack((long)rows * n) ? largeCall ??= OrtRuntime.CallOptions(givesMemoryBack: true) : runOptions;
        OrtValue? scales = null;
        fixed (float* address = logits)
        {
            try
            {
                inputs[0] = Matrix(inputIds, firstRow, rows, n);
                inputs[1] = Matrix(attentionMask, firstRow, rows, Length + n);
                inputs[2] = Matrix(positionIds, firstRow, rows, n);
                if (model.TakesLogitsToKeep) inputs[3] = keep;
                cache.PlacePast(inputs.AsSpan(firstPast));
                if (adapters.IsNeeded) scales = adapters.Place(inputs.AsSpan(model.InputNames.Length), firstRow, rows);
                (shape3[0], shape3[1], shape3[2]) = (rows, logitsPerRow, model.Config.VocabularySize);
                outputs[0] = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TensorElementType.Float, shape3, (IntPtr)address, (long)logits.Length * sizeof(float));
                cache.PlacePresent(rows, n, outputs.AsSpan(1));
                using OrtInterrupt interrupt = OrtInterrupt.Watch(call, cancellationToken);
                model.Session.Run(call, adapters.IsNeeded ? model.AdaptedInputNames : model.InputNames, inputs, model.OutputNames, outputs);
            }
            catch (Exception exception)
            {
                cache.Abandon();
                if (exception is OnnxRuntimeException && cancellationToken.IsCancellationRequested) throw new OperationCanceledException(exception.Message, exception, cancellationToken);
                if (exception is OnnxRuntimeException) throw new InferenceFailedException(model.Device, $"{n} positions of {rows} rows after {Length}", exception);
                throw;
            }
            finally
            {
                for (int i = 0; i < 3; i++) inputs[i]?.Dispose();
                outputs[0]?.Dispose();
                scales?.Dispose();
                Array.Clear(inputs);
                Array.Clear(outputs);
            }
        }
    }

    /// <summary>(rows, columns), over a pinned array.</summary>
    private unsafe OrtValue Matrix(long[] numbers, int firstRow, int rows, int columns)
    {
        (shape2[0], shape2[1]) = (rows, columns);
        fixed (long* address = numbers)
            return OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TensorElementType.Int64, shape2, (IntPtr)(address + ((long)firstRow * columns)), (long)rows * columns * sizeof(long));
    }

    private Span<float> AllLogits(int n)
    {
        long needed = (long)RowCount * n * model.Config.VocabularySize;
        if (needed > Array.MaxLength)
        {
            throw new InferenceFailedException(model.Device, $"the logits of {n} positions of {RowCount} rows",
                new OutOfMemoryException($"They are {needed} numbers, more than an array holds, and this model's graph has no '{OnnxPackageLayout.LogitsToKeep}' to leave them out"));
        }

        if (allLogits.Length < needed) allLogits = GC.AllocateUninitializedArray<float>((int)needed);
        return allLogits.AsSpan(0, (int)needed);
    }

    private void TakeLast(ReadOnlySpan<float> all, int n, Span<float> last)
    {
        int vocabulary = model.Config.VocabularySize;
        for (int row = 0; row < RowCount; row++)
            all.Slice((((row + 1) * n) - 1) * vocabulary, vocabulary).CopyTo(last[(row * vocabulary)..]);
    }

    private static void Reserve(ref long[] numbers, int count)
    {
        if (numbers.Length < count) numbers = GC.AllocateUninitializedArray<long>(Math.Max(count, 2 * numbers.Length), pinned: true);
    }
}
