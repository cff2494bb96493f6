using ServingApp.Models;
using ServingApp.OpenAi;
using ServingApp.Queueing;

namespace ServingApp.Hosting;

/// <summary>What every endpoint needs.</summary>
internal sealed class Serving(ServingOptions options, ModelHost models, CallQueue calls, ConnectionLimit connections, ServingMetrics metrics, ILogger<Serving> log)
{
    private volatile bool _closed;

    public ServingOptions Options => options;

    public ModelHost Models => models;

    public CallQueue Calls => calls;

    public ConnectionLimit Connections => connections;

    public ServingMetrics Metrics => metrics;

    public ILogger Log => log;

    /// <summary>Refuses what comes from now on; what is there is computed.</summary>
    public void Close() => _closed = true;

    /// <summary>Begins a request, unless the program is being stopped.</summary>
    /// <exception cref="OpenAiException">It is.</exception>
    public RequestTime Begin(HttpContext context)
    {
        if (_closed) throw OpenAiException.Stopping();
        return new RequestTime(context, options.RequestSeconds);
    }
}
