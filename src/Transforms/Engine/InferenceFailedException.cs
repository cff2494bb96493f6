namespace MLNet.Gpt;

/// <summary>ONNX Runtime gave up computing a model: it ran out of memory, or a kernel failed. The decoder is as it was before the call.</summary>
public sealed class InferenceFailedException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="device">Where the model computes.</param>
    /// <param name="work">What was computed, with its size.</param>
    /// <param name="innerException">ONNX Runtime's own exception.</param>
    public InferenceFailedException(GptDevice device, string work, Exception innerException)
        : base($"ONNX Runtime could not compute {work} on {device}: {OrtRuntime.Plain(innerException)}. Where memory is short, use smaller batches or shorter texts, or another device.", innerException) => Device = device;

    /// <summary>Where the model computes.</summary>
    public GptDevice Device { get; }
}
