namespace ServingApp.Hosting;

/// <summary>Runs the program from its start to its end; <c>mlnet-gpt serve</c> runs it too.</summary>
internal static class ServingProgram
{
    /// <summary>Serves until the program is stopped.</summary>
    /// <param name="args">The arguments, as <see cref="CommandLine.Usage"/> has them.</param>
    /// <param name="error">Takes a line that says why it could not begin.</param>
    /// <param name="cancellationToken">Stops it as SIGTERM does.</param>
    /// <returns>The exit code: 0; 1 where the model can't be opened, the address is taken, or everybody could use it; 2 where the arguments or settings are wrong.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter error, CancellationToken cancellationToken = default)
    {
        WebApplication app;
        try
        {
            app = ServingApplication.Build(args);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or ServingConfigurationException)
        {
            error.WriteLine(e.Message);
            return 2;
        }

        await using (app)
        {
            try
            {
                await app.StartAsync(cancellationToken);
            }
            catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or FormatException or ArgumentException or InvalidOperationException)
            {
                // Another program has the address, or it is none, or it asks for HTTPS without a certificate.
                error.WriteLine($"The program can't listen on '{app.Configuration["urls"] ?? "http://localhost:5000"}': {e.Message}");
                return e is IOException or System.Net.Sockets.SocketException ? 1 : 2;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested || app.Lifetime.ApplicationStopping.IsCancellationRequested)
            {
                return Environment.ExitCode; // it was stopped before it had begun
            }

            await app.WaitForShutdownAsync(cancellationToken);
            return Environment.ExitCode;
        }
    }
}
