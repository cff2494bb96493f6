using System.Diagnostics;

namespace ServingApp.Queueing;

/// <summary>Something that waits to be computed for one request.</summary>
/// <param name="cancellationToken">The request's: its client has gone, or its time is over.</param>
internal abstract class QueuedWork(CancellationToken cancellationToken)
{
    public CancellationToken CancellationToken { get; } = cancellationToken;

    /// <summary>When the request arrived, as <see cref="Stopwatch.GetTimestamp"/> counts.</summary>
    public long Arrival { get; } = Stopwatch.GetTimestamp();

    /// <summary>Tells whoever waits that there will be no result. May be called more than once, and from any thread.</summary>
    public abstract void Fail(Exception exception);
}
