using System.CommandLine;
using MLNet.Gpt.Tool.Commands;

namespace MLNet.Gpt.Tool;

/// <summary>The program: its commands, and how they end.</summary>
internal static class Tool
{
    /// <summary>Exit codes.</summary>
    public const int Success = 0, Failure = 1, WrongUse = 2, Cancelled = 130;

    /// <summary>Runs a command line. Ctrl-C, and SIGTERM, cancel it.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args, TextReader input, TextWriter output, TextWriter error, CancellationToken cancellationToken = default)
    {
        var console = new ToolConsole(input, output, error);
        var root = new RootCommand("Trains and fine-tunes GPT models, exports them to ONNX, runs and serves them.")
        {
            TrainCommand.Create(console), FinetuneCommand.Create(console), DpoCommand.Create(console), ExportCommand.Create(console), QuantizeCommand.Create(console), GenerateCommand.Create(console), ChatCommand.Create(console), ServeCommand.Create(console),
            EvaluateCommand.Create(console), TokenizeCommand.Create(console),
        };
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null }); // a prompt may begin with '@'
        if (parsed.Errors.Count > 0)
        {
            // What could not be understood says more than that something is missing.
            string wrong = parsed.UnmatchedTokens.Count > 0 && parsed.CommandResult.Command is RootCommand ? $"There is no command '{parsed.UnmatchedTokens[0]}'." : parsed.Errors[0].Message;
            error.WriteLine($"mlnet-gpt: {console.OneLine(wrong)} See '{string.Join(' ', Path(parsed).Prepend("mlnet-gpt"))} --help'.");
            return WrongUse;
        }

        // A server hears signals itself, and takes the time that its settings give it.
        TimeSpan? termination = parsed.CommandResult.Command.Name == ServeCommand.Name ? null : TimeSpan.FromSeconds(30);
        var how = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = termination };
        try
        {
            return await parsed.InvokeAsync(how, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException) // the second where the output is closed
        {
            error.WriteLine($"mlnet-gpt: {console.OneLine(exception.Message)}"); // the help could not be written
            return Failure;
        }
    }

    /// <summary>The names of the commands that were chosen, outermost first.</summary>
    private static IEnumerable<string> Path(ParseResult parsed)
    {
        for (var at = parsed.CommandResult; at is { Command: not RootCommand }; at = at.Parent as System.CommandLine.Parsing.CommandResult)
        {
            yield return at.Command.Name;
        }
    }
}
