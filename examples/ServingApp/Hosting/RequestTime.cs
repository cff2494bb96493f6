namespace ServingApp.Hosting;

/// <summary>How long a request may take: until its client leaves, or its time is over.</summary>
internal sealed class RequestTime : IDisposable
{
    private readonly CancellationTokenSource _over;
    private readonly HttpContext _context;

    public RequestTime(HttpContext context, double seconds)
    {
        (_context, Seconds) = (context, seconds);
        _over = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        _over.CancelAfter(TimeSpan.FromSeconds(seconds));
        context.Items[typeof(RequestTime)] = this;
    }

    public double Seconds { get; }

    public CancellationToken Token => _over.Token;

    public bool ClientLeft => _context.RequestAborted.IsCancellationRequested;

    public static RequestTime? Of(HttpContext context) => context.Items[typeof(RequestTime)] as RequestTime;

    public void Dispose() => _over.Dispose();
}
