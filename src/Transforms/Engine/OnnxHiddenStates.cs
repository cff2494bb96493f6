using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>One pass of a package's graph over whole rows, for its hidden states: an empty cache goes in, and nothing else is fetched.</summary>
internal static class OnnxHiddenStates
{
    /// <summary>Computes (B, T, C) hidden states.</summary>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed.</exception>
    public static unsafe void Compute(OnnxCausalModel model, ReadOnlySpan<int> tokenIds, int rows, int t, Span<float> hidden, CancellationToken cancellationToken)
    {
        GptConfig config = model.Config;
        var ids = new long[tokenIds.Length];
        var positions = new long[tokenIds.Length];
        var mask = new long[tokenIds.Length];
        for (int i = 0; i < ids.Length; i++) (ids[i], positions[i], mask[i]) = (tokenIds[i], i % t, 1);

        var inputs = new OrtValue?[model.InputNames.Length];
        int own = inputs.Length - (2 * config.LayerCount);
        using var runOptions = new RunOptions();
        fixed (float* address = hidden)
        {
            try
            {
                long[] shape = [rows, t];
                inputs[0] = OrtValue.CreateTensorValueFromMemory(ids, shape);
                inputs[1] = OrtValue.CreateTensorValueFromMemory(mask, shape);
                inputs[2] = OrtValue.CreateTensorValueFromMemory(positions, shape);
                if (model.TakesLogitsToKeep) inputs[3] = model.KeepLastLogits; // the graph computes logits too, but no more than it must
                for (int i = own; i < inputs.Length; i++)
                    inputs[i] = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, model.Cache.Type, [rows, model.Cache.Heads, 0, model.Cache.HeadSize]);
                using OrtValue output = OrtValue.CreateTensorValueWithData(
                    OrtMemoryInfo.DefaultInstance, TensorElementType.Float, [rows, t, config.EmbeddingSize], (IntPtr)address, (long)hidden.Length * sizeof(float));
                using OrtInterrupt interrupt = OrtInterrupt.Watch(runOptions, cancellationToken);
                model.Session.Run(runOptions, model.InputNames, inputs!, [OnnxPackageLayout.LastHiddenState], [output]);
            }
            catch (OnnxRuntimeException exception)
            {
                if (cancellationToken.IsCancellationRequested) throw new OperationCanceledException(exception.Message, exception, cancellationToken);
                throw new InferenceFailedException(model.Device, $"the hidden states of {rows} rows of {t} tokens", exception);
            }
            finally
            {
                for (int i = 0; i < inputs.Length; i++)
                {
                    if (!ReferenceEquals(inputs[i], model.KeepLastLogits)) inputs[i]?.Dispose();
                }
            }
        }
    }
}
