namespace ServingApp.Queueing;

/// <summary>A call of a model that waits to be computed for one request: vectors, scores or classes of its texts.</summary>
/// <param name="cancellationToken">The request's: its client has gone, or its time is over.</param>
internal abstract class CallWork(CancellationToken cancellationToken)
{
    public CancellationToken CancellationToken { get; } = cancellationToken;

    public abstract void Run(CancellationToken cancellationToken);

    /// <summary>Tells whoever waits that there will be no result. May be called more than once, and from any thread.</summary>
    public abstract void Fail(Exception exception);
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
