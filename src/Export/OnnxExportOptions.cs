namespace MLNet.Gpt;

/// <summary>How a model is written as an ONNX package.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>The most bytes of weights that <see cref="ExternalDataThresholdBytes"/> allows in one file: protocol buffers end at 2 GiB.</summary>
    public const long LargestEmbeddedBytes = 2_000_000_000;

    /// <summary>
    /// Weights of more bytes than this go to <c>model.onnx.data</c> beside the graph; 0 puts them there always. Range 0 to
    /// <see cref="LargestEmbeddedBytes"/>. Default 1.5 GB: one file is easier to handle, and a model near 2 GiB could no longer be edited.
    /// </summary>
    public long ExternalDataThresholdBytes { get; init; } = 1_500_000_000;

    /// <summary>
    /// The hash of the tokenizer that the model was trained with, written to the model's metadata; null (the default) leaves it out, or takes
    /// that of the checkpoint's tokenizer.
    /// </summary>
    public string? TokenizerHash { get; init; }

    /// <summary>
    /// The tokenizer's end-of-text token, written to <c>config.json</c>; null (the default) leaves it out, or takes that of the checkpoint's
    /// tokenizer.
    /// </summary>
    public int? EndOfTextId { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Validate()
    {
        if (ExternalDataThresholdBytes is < 0 or > LargestEmbeddedBytes)
        {
            throw new ArgumentOutOfRangeException(nameof(ExternalDataThresholdBytes), ExternalDataThresholdBytes,
                $"{nameof(ExternalDataThresholdBytes)} is {ExternalDataThresholdBytes}; it must be 0 (weights always beside the graph) to {LargestEmbeddedBytes} (protocol buffers end at 2 GiB).");
        }
    }
}
