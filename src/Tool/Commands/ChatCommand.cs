using System.CommandLine;
using System.Text;
using Microsoft.Extensions.AI;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>chat</c>: a conversation, a line at a time.</summary>
internal static class ChatCommand
{
    public static Command Create(ToolConsole console)
    {
        Argument<string> model = ModelArgument.Create();
        var system = new Option<string?>("--system") { Description = "What the model is told first." };
        Option<GptDevice?> device = ModelArgument.Device();
        var switches = new GenerationSwitches();
        var command = new Command("chat", "Talks with a model that was fine-tuned on conversations. A line is a turn; an empty line, or the end of the input, ends the conversation.") { model, system, device };
        switches.AddTo(command);
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            using GptModel gpt = ModelArgument.Open(parsed.GetRequiredValue(model), parsed.GetValue(device), cancellationToken);
            using IChatClient client = gpt.AsChatClient(new() { Generation = switches.Read(parsed, gpt) });
            List<ChatMessage> turns = parsed.GetValue(system) is { } told ? [new(ChatRole.System, told)] : [];
            while (true)
            {
                console.Out.Write("> ");
                console.Out.Flush();
                if (console.Read(static reader => reader.ReadLine(), cancellationToken) is not { Length: > 0 } line) break;
                turns.Add(new(ChatRole.User, line));
                var answer = new StringBuilder();
                GenerationOutput.WriteAsync(console, Pieces(client, turns, answer, cancellationToken)).GetAwaiter().GetResult();
                turns.Add(new(ChatRole.Assistant, answer.ToString()));
            }
        });
        return command;
    }

    private static async IAsyncEnumerable<string> Pieces(
        IChatClient client, List<ChatMessage> turns, StringBuilder answer, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(turns, cancellationToken: cancellationToken))
        {
            answer.Append(update.Text);
            yield return update.Text;
        }
    }
}
