namespace ServingApp.Queueing;

/// <summary>A call of the model that is computed alone: vectors, scores or classes of the texts of one request.</summary>
internal abstract class CallWork(CancellationToken cancellationToken) : QueuedWork(cancellationToken)
{
    public abstract void Run(CancellationToken cancellationToken);
}

/// <inheritdoc/>
internal sealed class CallWork<T>(Func<CancellationToken, T> call, CancellationToken cancellationToken) : CallWork(cancellationToken)
{
    private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Result => _result.Task;

    public override void Run(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, CancellationToken);
        _result.TrySetResult(call(either.Token));
    }

    public override void Fail(Exception exception) => _result.TrySetException(exception);
}
