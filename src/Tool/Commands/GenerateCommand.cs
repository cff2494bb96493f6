using System.CommandLine;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>generate</c>: a prompt and what the model makes of it.</summary>
internal static class GenerateCommand
{
    public static Command Create(ToolConsole console)
    {
        Argument<string> model = ModelArgument.Create();
        var prompt = new Argument<string?>("prompt") { Description = "The text to continue; without it, all of the standard input.", Arity = ArgumentArity.ZeroOrOne };
        var count = new Option<int>("--count", "-c") { Description = "How many continuations.", DefaultValueFactory = static _ => 1 }.AsNumber();
        Option<GptDevice?> device = ModelArgument.Device();
        var switches = new GenerationSwitches();
        var command = new Command("generate", "Continues a text, piece by piece as it is written.") { model, prompt, count, device };
        switches.AddTo(command);
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            int samples = parsed.GetValue(count);
            if (samples < 1) throw new UsageException($"--count is {samples}; it must be 1 or more.");
            using GptModel gpt = ModelArgument.Open(parsed.GetRequiredValue(model), parsed.GetValue(device), cancellationToken);
            GenerateTextOptions options = switches.Read(parsed, gpt);
            string text = parsed.GetValue(prompt) ?? console.Read(static reader => reader.ReadToEnd(), cancellationToken);
            try
            {
                if (samples == 1) GenerationOutput.WriteAsync(console, gpt.GenerateStreaming(text, options, cancellationToken)).GetAwaiter().GetResult();
                else WriteAsync(console, gpt.GenerateEachAsync([text], options with { SamplesPerPrompt = samples }, cancellationToken)).GetAwaiter().GetResult();
            }
            catch (PromptTooLongException exception)
            {
                throw new PromptTooLongException(exception.TokenCount, exception.Limit, "Shorten it.");
            }
        });
        return command;
    }

    /// <summary>Writes each text as soon as it is whole, in their order.</summary>
    private static async Task WriteAsync(ToolConsole console, IAsyncEnumerable<GeneratedText> texts)
    {
        await foreach (GeneratedText one in texts)
        {
            console.Out.WriteLine($"--- {one.SampleIndex + 1}\n{one.Text}");
            console.Out.Flush();
        }
    }
}
