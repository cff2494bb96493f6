using ServingApp.Models;
using ServingApp.OpenAi;
using ServingApp.Queueing;

namespace ServingApp.Hosting;

/// <summary>What every endpoint needs.</summary>
internal sealed class Serving(ServingOptions options, ModelHost models, WorkQueue queue, ServingMetrics metrics, IHostApplicationLifetime lifetime, ILogger<Serving> log)
{
    public ServingOptions Options => options;

    public ModelHost Models => models;

    public WorkQueue Queue => queue;

    public ServingMetrics Metrics => metrics;

    public ILogger Log => log;

    /// <summary>Begins a request, unless the program is being stopped.</summary>
    /// <exception cref="OpenAiException">It is.</exception>
    public RequestTime Begin(HttpContext context)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested) throw OpenAiException.Stopping();
        return new RequestTime(context, options.RequestSeconds);
    }
}
