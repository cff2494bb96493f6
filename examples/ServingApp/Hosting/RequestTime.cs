namespace ServingApp.Hosting;

/// <summary>
/// How long a request may take: until its client leaves, or its time is over. A client that has not taken its answer, or the error that says so, a while later is cut off: one that does not read would hold its answer in memory
/// for as long as it likes.
/// </summary>
internal sealed class RequestTime : IDisposable
{
    /// <summary>Between the end of the time and the end of the connection, in seconds.</summary>
    private const double LastSeconds = 5;

    private readonly CancellationTokenSource _over, _untaken = new();
    private readonly CancellationTokenRegistration _cutOff;
    private readonly HttpContext _context;

    public RequestTime(HttpContext context, double seconds)
    {
        (_context, Seconds) = (context, seconds);
        _over = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        _over.CancelAfter(TimeSpan.FromSeconds(seconds));
        _cutOff = _untaken.Token.UnsafeRegister(static context => ((HttpContext)context!).Abort(), context);
        _untaken.CancelAfter(TimeSpan.FromSeconds(seconds + LastSeconds));
        context.Items[typeof(RequestTime)] = this;
    }

    public double Seconds { get; }

    public CancellationToken Token => _over.Token;

    public bool ClientLeft => _context.RequestAborted.IsCancellationRequested;

    public static RequestTime? Of(HttpContext context) => context.Items[typeof(RequestTime)] as RequestTime;

    public void Dispose()
    {
        _cutOff.Dispose();
        _untaken.Dispose();
        _over.Dispose();
    }
}
