namespace MLNet.Gpt;

/// <summary>The memory of the device is too small for the training that was asked for.</summary>
/// <remarks>The weights of the run are those of the last checkpoint; resume it from there with a smaller micro-batch only in a new folder, because the losses of a resumed run would not be the same.</remarks>
public sealed class TrainingOutOfMemoryException : GptException
{
    internal TrainingOutOfMemoryException(GptDevice device, int microBatchSize, int sequenceLength, MemoryEstimate estimate, long? requestedBytes, long? availableBytes, string? lastCheckpoint, Exception? innerException)
        : base($"The memory of {device} is too small for a micro-batch of {microBatchSize} rows of {sequenceLength} tokens"
            + (requestedBytes is { } requested ? $": {ByteSize.Text(requested)} more could not be had" : "")
            + (availableBytes is { } available ? $": {ByteSize.Text(available)} are available" : "")
            + $". Weights, gradients and optimizer state need about {ByteSize.Text(estimate.ParameterBytes)}, the activations of the micro-batch about {ByteSize.Text(estimate.ActivationBytes)}. "
            + (microBatchSize > 1 ? "Lower MicroBatchSize (the batch stays the same), or let MicroBatchSize.Auto find one that fits; else lower" : "Lower")
            + " the context length or the size of the model."
            + (lastCheckpoint is null ? "" : $" The last good checkpoint is '{lastCheckpoint}'."), innerException)
    {
        (MicroBatchSize, SequenceLength, ParameterBytes, ActivationBytes, RequestedBytes, AvailableBytes, LastCheckpoint) =
            (microBatchSize, sequenceLength, estimate.ParameterBytes, estimate.ActivationBytes, requestedBytes, availableBytes, lastCheckpoint);
    }

    /// <summary>The rows that were computed at once.</summary>
    public int MicroBatchSize { get; }

    /// <summary>The tokens of each.</summary>
    public int SequenceLength { get; }

    /// <summary>An estimate of what weights, gradients and optimizer state take.</summary>
    public long ParameterBytes { get; }

    /// <summary>An estimate of what one micro-batch takes besides.</summary>
    public long ActivationBytes { get; }

    /// <summary>What could not be had, where libtorch says it.</summary>
    public long? RequestedBytes { get; }

    /// <summary>What was available before anything was tried; null where the memory ran out in a run.</summary>
    public long? AvailableBytes { get; }

    /// <summary>The folder of the last good checkpoint, or null.</summary>
    public string? LastCheckpoint { get; }
}
