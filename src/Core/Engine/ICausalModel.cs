namespace MLNet.Gpt;

/// <summary>
/// A causal language model, whichever engine computes it: token ids in, next-token logits out, with a
/// key/value cache. TorchSharp (MLNet.Gpt.Trainers) and ONNX Runtime (MLNet.Gpt.Transforms) implement it
/// and give the same answers.
/// </summary>
/// <remarks>
/// A model may be used from several threads at once; each thread takes a decoder of its own. Disposing the model while another thread uses it
/// is safe: its memory stays until the calls under way have ended and the decoders have been disposed, and later calls throw
/// <see cref="ObjectDisposedException"/>. An engine that can write its model as a package implements <see cref="IOnnxExportable"/> too.
/// </remarks>
public interface ICausalModel : IDisposable
{
    /// <summary>The model's shape.</summary>
    GptConfig Config { get; }

    /// <summary>Where the model computes.</summary>
    GptDevice Device { get; }

    /// <summary>Begins a batch of sequences with an empty key/value cache.</summary>
    /// <param name="rowCount">B: the sequences in the batch, 1 or more.</param>
    /// <param name="capacity">The most positions each row will hold, padding included: 1 or more. The cache is allocated for this many.</param>
    /// <returns>A decoder that the caller disposes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    ICausalDecoder BeginDecoding(int rowCount, int capacity);
}
