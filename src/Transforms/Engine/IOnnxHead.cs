namespace MLNet.Gpt;

/// <summary>A head of an open package: token sequences in, the head's outputs out. The callers check arguments.</summary>
internal interface IOnnxHead : IDisposable
{
    /// <summary>The package.</summary>
    OnnxPackage Package { get; }

    /// <summary>Where the model computes.</summary>
    GptDevice Device { get; }

    /// <summary>The hash of the tokenizer that the model was trained with; null where the package does not tell.</summary>
    string? TokenizerHash { get; }

    /// <summary>Computes.</summary>
    /// <param name="tokenIds">(R, T), row-major, padded on the right.</param>
    /// <param name="lengths">(R): each row's tokens.</param>
    /// <param name="outputRows">R / S.</param>
    /// <param name="outputs">(R / S, K).</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> while it computes.</param>
    /// <exception cref="InferenceFailedException">ONNX Runtime gave up.</exception>
    void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, int outputRows, Span<float> outputs, CancellationToken cancellationToken);
}
