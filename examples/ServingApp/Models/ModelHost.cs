using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.OpenAi;

namespace ServingApp.Models;

/// <summary>Opens the models while the program already answers, and keeps them until the program ends.</summary>
internal sealed class ModelHost(ServingOptions options, IHostApplicationLifetime lifetime, ILogger<ModelHost> log, Func<ServingOptions, IReadOnlyList<ServedModel>> open) : IHostedService, IDisposable
{
    private volatile IReadOnlyList<ServedModel> _models = [];
    private Task _opening = Task.CompletedTask;

    /// <summary>Whether requests can be computed.</summary>
    public bool IsReady => _models.Count > 0 && !lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>The model, and behind it the model with each adapter; empty until they are open.</summary>
    public IReadOnlyList<ServedModel> All => _models;

    /// <summary>The queues of those that write: one of the model and its adapters, and one of each package with an adapter merged.</summary>
    public IEnumerable<GptGenerationQueue> Queues => _models.Select(static model => model.Queue).OfType<GptGenerationQueue>().Distinct();

    /// <summary>The same as <see cref="All"/>.</summary>
    /// <exception cref="OpenAiException">They are not open yet.</exception>
    public IReadOnlyList<ServedModel> RequireAll() => _models is { Count: > 0 } models ? models : throw OpenAiException.Loading();

    /// <summary>The model that a request names; the one without an adapter where it names none.</summary>
    /// <exception cref="OpenAiException">There is none of that name, or they are not open yet.</exception>
    public ServedModel Require(string? name)
    {
        IReadOnlyList<ServedModel> models = RequireAll();
        return name is null ? models[0] : models.FirstOrDefault(model => model.Name == name) ?? throw NotFound(name, models);
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _opening = Task.Run(Open, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>Ends what is still generated: the web server has waited for it as long as it may.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // what can't be given up, such as a session that is being opened, ends with the process
        foreach (GptGenerationQueue queue in Queues) queue.Dispose();
    }

    public void Dispose()
    {
        foreach (ServedModel model in _models) model.Dispose();
    }

    private static OpenAiException NotFound(string name, IReadOnlyList<ServedModel> models)
    {
        string message = name.StartsWith(models[0].Name + "@", StringComparison.Ordinal)
            ? $"The model '{models[0].Name}' has no adapter '{name[(models[0].Name.Length + 1)..]}'; it has {(models.Count > 1 ? Names(models.Skip(1)) : "none")}, and answers to '{models[0].Name}' without one."
            : $"There is no model '{name}'; this server has {Names(models)}.";
        return new(404, "invalid_request_error", message, "model", "model_not_found");

        static string Names(IEnumerable<ServedModel> models) => string.Join(", ", models.Select(static model => $"'{model.Name}'"));
    }

    private void Open()
    {
        try
        {
            _models = open(options);
            log.LogInformation("Ready: {Models}.", string.Join(", ", _models.Select(static model => model.Name)));
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // The program was stopped before there was a model.
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
