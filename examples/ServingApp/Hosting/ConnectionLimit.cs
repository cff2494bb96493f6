using Microsoft.AspNetCore.Connections;

namespace ServingApp.Hosting;

/// <summary>
/// Keeps the number of connections within <see cref="ServingOptions.MaxConnections"/>. One too many closes the one that has been idle longest: that is without a request, or with one that has not come whole yet. Who opens connections
/// and sends nothing, or a byte now and then, takes places from his own kind, and a client that asks is served.
/// </summary>
internal sealed class ConnectionLimit(ServingOptions options, ServingMetrics metrics)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Connection> _idle = new(); // the longest first
    private int _open;

    /// <summary>The connections that are open, without those that have been told to close.</summary>
    public int Open
    {
        get
        {
            lock (_gate) return _open;
        }
    }

    /// <summary>A connection from its beginning to its end.</summary>
    public async Task HoldAsync(ConnectionContext context, ConnectionDelegate next)
    {
        var connection = new Connection(context);
        context.Features.Set(connection);
        Connection? closed = null;
        lock (_gate)
        {
            _open++;
            connection.Idle = _idle.AddLast(connection);
            if (_open > options.MaxConnections) Close(closed = _idle.First!.Value); // where all others are at work, the new one
        }

        if (closed is not null)
        {
            metrics.ConnectionClosed();
            closed.Context.Abort(new ConnectionAbortedException("It was idle, and its place is needed."));
        }

        try
        {
            await next(context);
        }
        finally
        {
            lock (_gate)
            {
                if (!connection.IsClosed) Close(connection);
            }
        }
    }

    /// <summary>A request's head has come: its connection has not been idle.</summary>
    public void Touch(HttpContext context)
    {
        if (Of(context) is not { } connection) return;
        lock (_gate)
        {
            if (connection.Idle is not { } place) return;
            _idle.Remove(place);
            _idle.AddLast(place);
        }
    }

    /// <summary>A request has come whole: its connection stays until what this returns is disposed.</summary>
    public IDisposable? Work(HttpContext context)
    {
        if (Of(context) is not { } connection) return null; // within the process
        lock (_gate)
        {
            if (connection.Requests++ == 0 && connection.Idle is { } place)
            {
                _idle.Remove(place);
                connection.Idle = null;
            }
        }

        return new AtWork(this, connection);
    }

    // It is dying, or dead.
    private void Close(Connection connection)
    {
        connection.IsClosed = true;
        _open--;
        if (connection.Idle is not { } place) return;
        _idle.Remove(place);
        connection.Idle = null;
    }

    private static Connection? Of(HttpContext context) => context.Features.Get<Connection>();

    private sealed class Connection(ConnectionContext context)
    {
        public ConnectionContext Context => context;

        /// <summary>Its place among those that are idle; null while it is none of them.</summary>
        public LinkedListNode<Connection>? Idle { get; set; }

        /// <summary>The requests under way; with HTTP/2 several.</summary>
        public int Requests { get; set; }

        public bool IsClosed { get; set; }
    }

    private sealed class AtWork(ConnectionLimit limit, Connection connection) : IDisposable
    {
        public void Dispose()
        {
            lock (limit._gate)
            {
                if (--connection.Requests == 0 && !connection.IsClosed) connection.Idle = limit._idle.AddLast(connection);
            }
        }
    }
}
