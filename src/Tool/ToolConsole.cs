using System.CommandLine;
using System.Text.Json;

namespace MLNet.Gpt.Tool;

/// <summary>Where a command reads and writes, and how it ends.</summary>
internal sealed class ToolConsole(TextReader input, TextWriter output, TextWriter error)
{
    public TextWriter Out => output;

    public TextWriter Error => error;

    /// <summary>Gives a command its action. What the library reports becomes one line on the error output, and an exit code.</summary>
    public void SetAction(Command command, Action<ParseResult, CancellationToken> action) => SetAction(command, (parsed, cancellationToken) =>
    {
        action(parsed, cancellationToken);
        return Task.FromResult(Tool.Success);
    });

    /// <summary>As the other, and the action says the exit code where nothing is thrown.</summary>
    public void SetAction(Command command, Func<ParseResult, CancellationToken, Task<int>> action) => command.SetAction(async (parsed, cancellationToken) =>
    {
        try
        {
            return await Task.Run(() => action(parsed, cancellationToken), CancellationToken.None); // it ends itself
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            error.WriteLine("mlnet-gpt: cancelled");
            return Tool.Cancelled;
        }
        catch (UsageException exception)
        {
            error.WriteLine($"mlnet-gpt: {OneLine(exception.Message)}");
            return Tool.WrongUse;
        }
        catch (Exception exception) when (exception is GptException or ArgumentException or IOException or UnauthorizedAccessException or JsonException)
        {
            error.WriteLine($"mlnet-gpt: {OneLine(exception.Message)}");
            return Tool.Failure;
        }
    });

    /// <summary>A message without line breaks, in the words of the command line, and without the name of a parameter of ours.</summary>
    public string OneLine(string message)
    {
        int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return string.Join(' ', CommandLineTerms.In(parameter < 0 ? message : message[..parameter]).Split(default(char[]), StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Reads from the input. A console's own reading can't be cancelled: it is left behind.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="CorruptFileException">It is no UTF-8 text.</exception>
    public T Read<T>(Func<TextReader, T> read, CancellationToken cancellationToken) =>
        Task.Run(() => TextFiles.Read("the standard input", () => read(input)), CancellationToken.None).WaitAsync(cancellationToken).GetAwaiter().GetResult();
}
