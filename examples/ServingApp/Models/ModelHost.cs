using ServingApp.Hosting;
using ServingApp.OpenAi;

namespace ServingApp.Models;

/// <summary>Opens the model while the program already answers, and keeps it until the program ends.</summary>
internal sealed class ModelHost(ServingOptions options, IHostApplicationLifetime lifetime, ILogger<ModelHost> log, Func<ServingOptions, ServedModel> open) : IHostedService, IDisposable
{
    private volatile ServedModel? _model;
    private Task _opening = Task.CompletedTask;

    /// <summary>Whether requests can be computed.</summary>
    public bool IsReady => _model is not null && !lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>The model.</summary>
    /// <exception cref="OpenAiException">It is not open yet.</exception>
    public ServedModel Require() => _model ?? throw OpenAiException.Loading();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _opening = Task.Run(Open, CancellationToken.None);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => _opening.WaitAsync(cancellationToken);

    public void Dispose() => _model?.Dispose();

    private void Open()
    {
        try
        {
            _model = open(options);
            log.LogInformation("The model '{Model}' is ready.", _model.Name);
        }
        catch (Exception exception)
        {
            // Without a model there is nothing to do: the program ends, and says why.
            log.LogCritical("The model can't be opened: {Reason}", exception.Message);
            Environment.ExitCode = 1;
            lifetime.StopApplication();
        }
    }
}
