namespace MLNet.Gpt;

/// <summary>A model's engine can't write itself as an ONNX package, or not in the form that is asked for.</summary>
public sealed class OnnxExportUnavailableException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="engine">The engine's type.</param>
    public OnnxExportUnavailableException(Type engine)
        : base($"The model's engine, {engine?.Name ?? throw new ArgumentNullException(nameof(engine))}, does not implement {nameof(IOnnxExportable)}, so its model can't be written as an ONNX package. Implement it, or use an engine of this library.") => Engine = engine;

    /// <summary>Creates the exception for an engine that can't write what is asked for.</summary>
    /// <param name="engine">The engine's type.</param>
    /// <param name="message">What is asked for, why it can't be written, and what to do.</param>
    public OnnxExportUnavailableException(Type engine, string message)
        : base(message) => Engine = engine;

    /// <summary>The engine's type.</summary>
    public Type Engine { get; }
}
