using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.AI;
using MLNet.Gpt;
using ServingApp.Queueing;

namespace ServingApp.OpenAi;

/// <summary>Writes a generation in OpenAI's form: one JSON object, or server-sent events.</summary>
internal sealed class GenerationAnswer(HttpContext context, GenerationRequest request, Generation generation)
{
    private readonly bool _chat = request.Chat is not null;
    private readonly string _id = $"{(request.Chat is not null ? "chatcmpl" : "cmpl")}-{Guid.NewGuid():N}";
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    private readonly AnswerText[] _answers = [.. Enumerable.Range(0, request.AnswerCount).Select(_ => new AnswerText(request))];
    private readonly LogProbabilities[] _logProbabilities = [.. Enumerable.Range(0, request.AnswerCount).Select(_ => new LogProbabilities(request))];

    private string Model => request.Served.Name;

    private object Usage => new { prompt_tokens = request.PromptTokens, completion_tokens = generation.OutputTokens, total_tokens = request.PromptTokens + generation.OutputTokens };

    /// <summary>Waits for the whole answer, and writes it.</summary>
    public async Task WriteWholeAsync(CancellationToken cancellationToken)
    {
        await foreach (TextPiece piece in generation.Pieces.ReadAllAsync(CancellationToken.None)) _answers[piece.Choice].Add(piece); // a cancelled generation ends its pieces itself
        object[] choices = [.. Enumerable.Range(0, _answers.Length).Select(index => _chat ? ChatChoice(index) : TextChoice(index))];
        await context.Response.WriteAsJsonAsync(
            new { id = _id, @object = _chat ? "chat.completion" : "text_completion", created = _created, model = Model, choices, usage = Usage }, Json.Options, cancellationToken);
    }

    /// <summary>Writes the answer piece by piece. An error before the first piece is thrown, one after it is the last event.</summary>
    public async Task StreamAsync(Func<Exception, OpenAiException?> describe, CancellationToken cancellationToken)
    {
        // 1. The status is not sent before there is something to say.
        ChannelReader<TextPiece> pieces = generation.Pieces;
        if (!await pieces.WaitToReadAsync(CancellationToken.None)) await pieces.Completion;
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        try
        {
            // 2. The role, once for each answer; then text, or calls when they are whole; then each answer's reason.
            for (int i = 0; _chat && i < _answers.Length; i++) await ChunkAsync(i, new { role = "assistant", content = "" }, [], null);
            do
            {
                while (pieces.TryRead(out TextPiece piece)) await PieceAsync(piece);
                await context.Response.Body.FlushAsync(cancellationToken);
            }
            while (await pieces.WaitToReadAsync(CancellationToken.None));
            await pieces.Completion;

            // 3. What it cost, and the end.
            if (request.IncludeUsage) await EventAsync(Envelope([], Usage));
            await context.Response.WriteAsync("data: [DONE]\n\n", cancellationToken);
        }
        catch (Exception exception) when (describe(exception) is { } error)
        {
            await EventAsync(error.Body);
        }

        async Task PieceAsync(TextPiece piece)
        {
            AnswerText answer = _answers[piece.Choice];
            answer.Add(piece);
            if (answer.MayBecomeCall) return;
            FunctionCallContent[] calls = piece.FinishReason is null ? [] : CallsOf(answer);
            if (calls.Length > 0) await ChunkAsync(piece.Choice, new { tool_calls = calls.Select(static (call, index) => Describe(call, index)) }, [], null);
            else if (answer.Take() is var news && (news.Text.Length > 0 || news.Thoughts.Count > 0)) await ChunkAsync(piece.Choice, _chat ? new { content = news.Text } : news.Text, news.Thoughts, null);
            if (piece.FinishReason is { } reason) await ChunkAsync(piece.Choice, _chat ? new { } : "", [], NameOf(reason, calls));
        }

        Task ChunkAsync(int index, object content, IReadOnlyList<TokenLogProbability> thoughts, string? reason)
        {
            object? logprobs = thoughts.Count > 0 ? _logProbabilities[index].Write(thoughts) : null;
            return EventAsync(Envelope(_chat ? [new { index, delta = content, logprobs, finish_reason = reason }] : [new { index, text = content, logprobs, finish_reason = reason }], null));
        }

        object Envelope(object[] choices, object? usage) => request.IncludeUsage
            ? new { id = _id, @object = Kind, created = _created, model = Model, choices, usage }
            : new { id = _id, @object = Kind, created = _created, model = Model, choices };

        Task EventAsync(object value) => context.Response.WriteAsync($"data: {Json.Write(value)}\n\n", cancellationToken);
    }

    private string Kind => _chat ? "chat.completion.chunk" : "text_completion";

    private object TextChoice(int index) => new { index, text = _answers[index].Text, logprobs = _logProbabilities[index].Write(_answers[index].Held), finish_reason = NameOf(_answers[index].FinishReason!.Value, []) };

    private object ChatChoice(int index)
    {
        AnswerText answer = _answers[index];
        FunctionCallContent[] calls = CallsOf(answer);
        string reason = NameOf(answer.FinishReason!.Value, calls);
        return calls.Length == 0
            ? new { index, message = new { role = "assistant", content = answer.Text, refusal = (string?)null }, logprobs = _logProbabilities[index].Write(answer.Held), finish_reason = reason }
            : new { index, message = new { role = "assistant", content = (string?)null, refusal = (string?)null, tool_calls = calls.Select(static call => Describe(call)) }, logprobs = (object?)null, finish_reason = reason };
    }

    private FunctionCallContent[] CallsOf(AnswerText answer) =>
        request.Chat is { } chat ? [.. chat.Read(answer.Text, answer.FinishReason!.Value).OfType<FunctionCallContent>()] : [];

    private static object Describe(FunctionCallContent call) => new { id = call.CallId, type = "function", function = FunctionOf(call) };

    private static object Describe(FunctionCallContent call, int index) => new { index, id = call.CallId, type = "function", function = FunctionOf(call) };

    private static object FunctionOf(FunctionCallContent call) => new { name = call.Name, arguments = JsonSerializer.Serialize(call.Arguments, Json.Options) };

    private static string NameOf(FinishReason reason, FunctionCallContent[] calls) => calls.Length > 0 ? "tool_calls" : reason is FinishReason.StopToken or FinishReason.StopString ? "stop" : "length";
}
