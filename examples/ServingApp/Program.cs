using ServingApp.Hosting;

// A language model behind an OpenAI-compatible endpoint. docs/serving.md says what there is.
if (args is ["--help" or "-h"])
{
    Console.WriteLine(CommandLine.Usage);
    return 0;
}

return await ServingProgram.RunAsync(args, Console.Error);
