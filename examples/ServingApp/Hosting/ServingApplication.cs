using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using OpenTelemetry.Metrics;
using ServingApp.Models;
using ServingApp.OpenAi;
using ServingApp.Queueing;

namespace ServingApp.Hosting;

/// <summary>Puts the program together.</summary>
internal static class ServingApplication
{
    /// <summary>The program, ready to run.</summary>
    /// <exception cref="ArgumentException">An argument is wrong.</exception>
    /// <exception cref="InvalidOperationException">The configuration names a setting that does not exist, or a value of the wrong type.</exception>
    public static WebApplication Build(string[] args)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = CommandLine.OfTheHost(args) });
        CommandLine.AddTo(builder.Configuration, args);

        if (!builder.Configuration.GetSection("Logging:LogLevel").GetChildren().Any()) builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning); // not two lines a request

        // 1. What there is. The options are read when they are first needed: a test's configuration is there by then.
        builder.Services.AddSingleton(static services => ServingOptions.Read(services.GetRequiredService<IConfiguration>().GetSection("Serving")));
        builder.Services.AddSingleton<Func<ServingOptions, IReadOnlyList<ServedModel>>>(static services => options => ModelFiles.Open(options, services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping));
        builder.Services.AddSingleton<ApiKeyGate>().AddSingleton<ConnectionLimit>().AddSingleton<ServingMetrics>().AddSingleton<ModelHost>().AddSingleton<CallQueue>().AddSingleton<Serving>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<ModelHost>());
        builder.Services.AddHostedService(static services => services.GetRequiredService<CallQueue>()); // ends after the web server, which waits for its requests
        builder.Services.AddOptions<HostOptions>().Configure<ServingOptions>(static (host, options) => host.ShutdownTimeout = TimeSpan.FromSeconds(options.ShutdownSeconds));

        // Without keys, a page whose name has been pointed at this machine must not use the model.
        builder.Services.Insert(0, ServiceDescriptor.Singleton<IStartupFilter, HostRefusal>()); // before the host's own filter
        builder.Services.AddOptions<HostFilteringOptions>().PostConfigure<ServingOptions>((filter, options) =>
        {
            filter.IncludeFailureMessage = false; // HostRefusal writes it
            if (options.ApiKeys.Length == 0 && options.RequireApiKey is null && builder.Configuration["AllowedHosts"] is null or "*") filter.AllowedHosts = ["localhost", "127.0.0.1", "[::1]"];
        });
        builder.WebHost.ConfigureKestrel(static (context, server) =>
        {
            server.AddServerHeader = false;
            KestrelLimits.Read(context.Configuration.GetSection("Kestrel"), server.Limits);
            server.Limits.MaxRequestBodySize = null; // Serving:MaxRequestBytes says it
            var connections = server.ApplicationServices.GetRequiredService<ConnectionLimit>();
            server.ConfigureEndpointDefaults(endpoint => endpoint.Use(next => connection => connections.HoldAsync(connection, next)));
        });
        builder.Services.AddOpenTelemetry().WithMetrics(static metrics => metrics
            .AddMeter(ServingMetrics.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime").AddPrometheusExporter());

        // 2. Who may ask for what.
        WebApplication app = builder.Build();
        var serving = app.Services.GetRequiredService<Serving>();
        var keys = app.Services.GetRequiredService<ApiKeyGate>();
        _ = app.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value; // what is wrong in its section is told now
        app.Use((context, next) =>
        {
            serving.Connections.Touch(context);
            HostRefusal.Pass(context);
            return ErrorAnswers.HandleAsync(context, () => next(context), serving);
        });
        app.UseRouting();
        app.Use((context, next) =>
        {
            // What is open says so; all else wants a key, however its address is written (routes are found in upper case too).
            if (context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is null) keys.Check(context);
            return next(context);
        });

        ChatPage.Map(app);
        string[] asked = ["GET", "HEAD"];
        app.MapMethods("/health/live", asked, static () => Results.Text("live")).AllowAnonymous();
        app.MapMethods("/health/ready", asked, () => serving.Models.IsReady ? Results.Text("ready") : Results.Text("not ready", statusCode: 503)).AllowAnonymous();
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.MapPost("/v1/chat/completions", context => CompletionEndpoints.ChatAsync(context, serving));
        app.MapPost("/v1/completions", context => CompletionEndpoints.TextAsync(context, serving));
        app.MapPost("/v1/embeddings", context => TextEndpoints.EmbedAsync(context, serving));
        app.MapPost("/v1/score", context => TextEndpoints.ScoreAsync(context, serving));
        app.MapPost("/v1/classify", context => TextEndpoints.ClassifyAsync(context, serving));
        app.MapPost("/v1/reward", context => TextEndpoints.RewardAsync(context, serving));
        app.MapGet("/v1/models", () => Results.Json(new { @object = "list", data = serving.Models.RequireAll().Select(Describe) }, Json.Options));
        app.MapGet("/v1/models/{**name}", (string name) => Results.Json(Describe(serving.Models.Require(Uri.UnescapeDataString(name))), Json.Options)); // names such as org/model, with '/' or '%2F'
        app.MapFallback("{**path}", static context => throw new OpenAiException(404, "invalid_request_error", $"There is no {context.Request.Method} {context.Request.Path} here; OpenAI's API is under /v1.", code: "unknown_url"));

        // 3. Where it listens is known when it does; a server that everybody could use stops at once. What is running when it is stopped ends, what comes then is refused.
        app.Lifetime.ApplicationStarted.Register(() =>
        {
            try
            {
                keys.CheckAddresses(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? []);
            }
            catch (ServingConfigurationException exception)
            {
                app.Logger.LogCritical("{Reason}", exception.Message);
                Environment.ExitCode = 1;
                app.Lifetime.StopApplication();
            }
        });
        app.Lifetime.ApplicationStopping.Register(serving.Close);
        return app;
    }

    private static object Describe(ServedModel model) => new { id = model.Name, @object = "model", created = model.Opened.ToUnixTimeSeconds(), owned_by = "mlnet-gpt" };
}
