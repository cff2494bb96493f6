using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>One pass of a package's graph over whole rows, for one of its outputs: an empty cache goes in, and nothing else is fetched.</summary>
internal static class OnnxRowPass
{
    /// <summary>Computes an output, of many rows in several calls.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenIds">(B, T), padded on the right.</param>
    /// <param name="lengths">(B): each row's tokens, 1 to T.</param>
    /// <param name="adapterOfRow">(B): each row's adapter, null for none; null where no row has one.</param>
    /// <param name="output">The output's name.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="numbers">Receives it, float32.</param>
    /// <param name="keep">How many positions' logits the graph computes besides, where it takes that.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed.</exception>
    public static void Compute(
        OnnxCausalModel model, ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, OnnxAdapter?[]? adapterOfRow, string output, long[] shape, Span<float> numbers, OrtValue keep, CancellationToken cancellationToken)
    {
        int rows = lengths.Length, t = tokenIds.Length / rows, perRow = numbers.Length / rows, most = Math.Max(1, OrtRuntime.LargestCall / t);
        for (int first = 0; first < rows; first += most)
        {
            int count = Math.Min(most, rows - first);
            ComputeAtOnce(model, tokenIds.Slice(first * t, count * t), lengths.Slice(first, count), adapterOfRow?[first..(first + count)], output,
                [count, .. shape.AsSpan(1)], numbers.Slice(first * perRow, count * perRow), keep, cancellationToken);
        }
    }

    private static unsafe void ComputeAtOnce(
        OnnxCausalModel model, ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, OnnxAdapter?[]? adapterOfRow, string output, long[] shape, Span<float> numbers, OrtValue keep, CancellationToken cancellationToken)
    {
        int rows = lengths.Length, t = tokenIds.Length / rows;
        var ids = new long[tokenIds.Length];
        var positions = new long[tokenIds.Length];
        var mask = new long[tokenIds.Length];
        for (int i = 0; i < ids.Length; i++) (ids[i], positions[i], mask[i]) = (tokenIds[i], i % t, i % t < lengths[i / t] ? 1 : 0);

        using var adapters = new AdapterInputs(model.AdapterTable);
        adapters.Set(adapterOfRow ?? []);
        string[] names = adapters.IsNeeded ? model.AdaptedInputNames : model.InputNames;
        var inputs = new OrtValue[names.Length];
        int plain = model.InputNames.Length, firstPast = plain - (2 * model.Config.LayerCount);
        OrtValue? scales = null;
        using RunOptions runOptions = OrtRuntime.CallOptions(model.GivesMemoryBack(tokenIds.Length));
        fixed (float* address = numbers)
        {
            try
            {
                long[] idsShape = [rows, t];
                inputs[0] = OrtValue.CreateTensorValueFromMemory(ids, idsShape);
                inputs[1] = OrtValue.CreateTensorValueFromMemory(mask, idsShape);
                inputs[2] = OrtValue.CreateTensorValueFromMemory(positions, idsShape);
                if (model.TakesLogitsToKeep) inputs[3] = keep;
                for (int i = firstPast; i < plain; i++)
                    inputs[i] = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, model.Cache.Type, [rows, model.Cache.Heads, 0, model.Cache.HeadSize]);
                if (adapters.IsNeeded) scales = adapters.Place(inputs.AsSpan(plain), firstRow: 0, rows);
                using OrtValue result = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TensorElementType.Float, shape, (IntPtr)address, (long)numbers.Length * sizeof(float));
                using OrtInterrupt interrupt = OrtInterrupt.Watch(runOptions, cancellationToken);
                model.Session.Run(runOptions, names, inputs, [output], [result]);
            }
            catch (OnnxRuntimeException exception)
            {
                if (cancellationToken.IsCancellationRequested) throw new OperationCanceledException(exception.Message, exception, cancellationToken);
                throw new InferenceFailedException(model.Device, $"'{output}' of {rows} rows of {t} tokens", exception);
            }
            finally
            {
                for (int i = 0; i < plain; i++)
                {
                    if (!ReferenceEquals(inputs[i], keep)) inputs[i]?.Dispose();
                }

                scales?.Dispose();
            }
        }
    }
}
