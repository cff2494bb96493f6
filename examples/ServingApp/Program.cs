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

try
{
    await app.RunAsync();
    return Environment.ExitCode; // 1 where the model can't be opened, or where everybody could use it
}
catch (IOException e)
{
    Console.Error.WriteLine(e.Message); // another program has the address
    return 1;
}
