using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http.Features;
using MLNet.Gpt;
using ServingApp.Queueing;

namespace ServingApp.OpenAi;

/// <summary>Writes a generation in OpenAI's form: one JSON object, or server-sent events.</summary>
internal sealed class GenerationAnswer(HttpContext context, GenerationRequest request, GenerationWork work, string model, bool chat)
{
    private readonly string _id = $"{(chat ? "chatcmpl" : "cmpl")}-{Guid.NewGuid():N}";
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    private object Usage => new { prompt_tokens = work.Prompt.Length, completion_tokens = work.OutputTokens, total_tokens = work.Prompt.Length + work.OutputTokens };

    /// <summary>Waits for the whole answer, and writes it.</summary>
    public async Task WriteWholeAsync(CancellationToken cancellationToken)
    {
        int n = request.Options.SamplesPerPrompt;
        StringBuilder[] texts = [.. Enumerable.Range(0, n).Select(static _ => new StringBuilder())];
        var reasons = new string[n];
        await foreach (TextPiece piece in work.Pieces.ReadAllAsync(CancellationToken.None)) // a cancelled work ends its pieces itself
        {
            texts[piece.Choice].Append(piece.Text);
            if (piece.FinishReason is { } reason) reasons[piece.Choice] = NameOf(reason);
        }

        object[] choices = [.. Enumerable.Range(0, n).Select(object (i) => chat
            ? new { index = i, message = new { role = "assistant", content = texts[i].ToString(), refusal = (string?)null }, logprobs = (object?)null, finish_reason = reasons[i] }
            : new { index = i, text = texts[i].ToString(), logprobs = (object?)null, finish_reason = reasons[i] })];
        await context.Response.WriteAsJsonAsync(
            new { id = _id, @object = chat ? "chat.completion" : "text_completion", created = _created, model, choices, usage = Usage }, Json.Options, cancellationToken);
    }

    /// <summary>Writes the answer piece by piece. An error before the first piece is thrown, one after it is the last event.</summary>
    public async Task StreamAsync(Func<Exception, OpenAiException?> describe, CancellationToken cancellationToken)
    {
        // 1. The status is not sent before there is something to say.
        ChannelReader<TextPiece> pieces = work.Pieces;
        if (!await pieces.WaitToReadAsync(CancellationToken.None)) await pieces.Completion;
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        try
        {
            // 2. The role, once for each answer; then text; then each answer's reason.
            for (int i = 0; chat && i < request.Options.SamplesPerPrompt; i++) await ChunkAsync(i, new { role = "assistant", content = "" }, null);
            do
            {
                while (pieces.TryRead(out TextPiece piece))
                {
                    if (piece.Text.Length > 0) await ChunkAsync(piece.Choice, chat ? new { content = piece.Text } : piece.Text, null);
                    if (piece.FinishReason is { } reason) await ChunkAsync(piece.Choice, chat ? new { } : "", NameOf(reason));
                }

                await context.Response.Body.FlushAsync(cancellationToken);
            }
            while (await pieces.WaitToReadAsync(CancellationToken.None));
            await pieces.Completion;

            // 3. What it cost, and the end.
            if (request.IncludeUsage) await EventAsync(Envelope(Array.Empty<object>(), Usage));
            await context.Response.WriteAsync("data: [DONE]\n\n", cancellationToken);
        }
        catch (Exception exception) when (describe(exception) is { } error)
        {
            await EventAsync(error.Body);
        }

        Task ChunkAsync(int index, object content, string? reason) => EventAsync(Envelope(
            chat ? [new { index, delta = content, logprobs = (object?)null, finish_reason = reason }] : [new { index, text = content, logprobs = (object?)null, finish_reason = reason }], null));

        object Envelope(object[] choices, object? usage) => request.IncludeUsage
            ? new { id = _id, @object = Kind, created = _created, model, choices, usage }
            : new { id = _id, @object = Kind, created = _created, model, choices };

        Task EventAsync(object value) => context.Response.WriteAsync($"data: {Json.Write(value)}\n\n", cancellationToken);
    }

    private string Kind => chat ? "chat.completion.chunk" : "text_completion";

    private static string NameOf(FinishReason reason) => reason is FinishReason.StopToken or FinishReason.StopString ? "stop" : "length";
}
