namespace MLNet.Gpt;

/// <summary>Which operators an exported graph is made of.</summary>
public enum GraphOperators
{
    /// <summary>
    /// ONNX's and ONNX Runtime's own (<c>com.microsoft</c>): fused, and with one buffer for past and present keys and values. The default, and what ONNX Runtime
    /// is fastest with.
    /// </summary>
    OnnxRuntime,

    /// <summary>ONNX's own basic operators of opset 20 alone, for other runtimes and tools. The cache grows by a copy at each call.</summary>
    Standard,
}
