using ServingApp.Hosting;

// A language model behind an OpenAI-compatible endpoint. docs/serving.md says what there is.
if (args is ["--help" or "-h"])
{
    Console.WriteLine(CommandLine.Usage);
    return 0;
}

WebApplication app;
try
{
    app = ServingApplication.Build(args);
}
catch (Exception e) when (e is ArgumentException or InvalidOperationException or ServingConfigurationException)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

await using (app)
{
    try
    {
        await app.StartAsync();
    }
    catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or FormatException or ArgumentException or InvalidOperationException)
    {
        // Another program has the address, or it is none, or it asks for HTTPS without a certificate.
        Console.Error.WriteLine($"The program can't listen on '{app.Configuration["urls"] ?? "http://localhost:5000"}': {e.Message}");
        return e is IOException or System.Net.Sockets.SocketException ? 1 : 2;
    }
    catch (OperationCanceledException) when (app.Lifetime.ApplicationStopping.IsCancellationRequested)
    {
        return Environment.ExitCode; // it was stopped before it had begun
    }

    await app.WaitForShutdownAsync();
    return Environment.ExitCode; // 1 where the model can't be opened, or where everybody could use it
}
