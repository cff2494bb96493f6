using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace MLNet.Gpt.Tool.Commands;

/// <summary><c>tokenize</c>: a text's tokens.</summary>
internal static class TokenizeCommand
{
    public static Command Create(ToolConsole console)
    {
        var folder = new Argument<string>("tokenizer") { Description = "The folder of a model, or of a tokenizer." };
        var text = new Argument<string?>("text") { Description = "The text; without it, all of the standard input.", Arity = ArgumentArity.ZeroOrOne };
        var count = new Option<bool>("--count") { Description = "Only say how many there are." };
        var special = new Option<bool>("--special") { Description = "Recognize special tokens in the text, such as <|endoftext|>." };
        var command = new Command("tokenize", "Shows the tokens of a text, one a line: the id, and the piece, or its bytes where it is a part of a character.") { folder, text, count, special };
        console.SetAction(command, (parsed, cancellationToken) =>
        {
            GptTokenizer tokenizer = GptTokenizer.Load(parsed.GetRequiredValue(folder));
            int[] ids = tokenizer.Encode(parsed.GetValue(text) ?? console.Read(static reader => reader.ReadToEnd(), cancellationToken), parsed.GetValue(special) ? SpecialTokenHandling.Recognize : SpecialTokenHandling.AsText);
            if (parsed.GetValue(count))
            {
                console.Out.WriteLine(ids.Length);
                return;
            }

            foreach (int id in ids)
            {
                cancellationToken.ThrowIfCancellationRequested();
                console.Out.WriteLine($"{id}\t{Piece(tokenizer, id)}");
            }
        });
        return command;
    }

    private static string Piece(GptTokenizer tokenizer, int id)
    {
        ReadOnlySpan<byte> bytes = tokenizer.GetTokenBytes(id).Span;
        return Utf8.IsValid(bytes) ? JsonSerializer.Serialize(tokenizer.Decode([id]), Readable) : $"bytes {string.Join(' ', bytes.ToArray().Select(static value => value.ToString("X2", CultureInfo.InvariantCulture)))}";
    }

    private static readonly JsonSerializerOptions Readable = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
