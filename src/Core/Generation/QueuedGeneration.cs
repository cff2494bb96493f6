namespace MLNet.Gpt;

/// <summary>One sequence that waits for a place in a running batch, or has one.</summary>
internal sealed class QueuedGeneration(GenerationStep step, GenerationRow row, CancellationToken cancellationToken)
{
    private readonly TaskCompletionSource<GeneratedSequence> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public GenerationStep Step { get; } = step;

    public GenerationRow Row { get; } = row;

    /// <summary>The sequence, when it has ended.</summary>
    public Task<GeneratedSequence> Done => _done.Task;

    /// <summary>By which its caller gives up.</summary>
    public CancellationToken CancellationToken => cancellationToken;

    /// <summary>Whether its caller has given up.</summary>
    public bool IsCancelled => cancellationToken.IsCancellationRequested;

    public void Finish() => _done.TrySetResult(Row.ToSequence());

    public void Cancel() => _done.TrySetCanceled(cancellationToken.IsCancellationRequested ? cancellationToken : new CancellationToken(canceled: true));

    public void Fail(Exception exception) => _done.TrySetException(exception);
}
