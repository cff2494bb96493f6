using System.Text.Json;
using ServingApp.Hosting;
using ServingApp.Queueing;

namespace ServingApp.OpenAi;

/// <summary>What the model writes: /v1/chat/completions and /v1/completions.</summary>
internal static class CompletionEndpoints
{
    public static Task ChatAsync(HttpContext context, Serving serving) => AnswerAsync(context, serving, chat: true);

    public static Task TextAsync(HttpContext context, Serving serving) => AnswerAsync(context, serving, chat: false);

    private static async Task AnswerAsync(HttpContext context, Serving serving, bool chat)
    {
        using RequestTime time = serving.Begin(context);
        serving.Models.RequireAll();
        using JsonDocument body = await Json.ReadAsync(context.Request, serving.Options, time.Token);
        using IDisposable? work = serving.Connections.Work(context);
        GenerationRequest request = chat ? GenerationRequest.ReadChat(body.RootElement, serving.Models, serving.Options, time.Token) : GenerationRequest.ReadText(body.RootElement, serving.Models, serving.Options);
        Generation generation = Generation.Start(request, serving.Metrics, time.Token);
        var answer = new GenerationAnswer(context, request, generation);
        try
        {
            if (request.Stream) await answer.StreamAsync(exception => ErrorAnswers.Describe(exception, time, serving.Log), context.RequestAborted);
            else await answer.WriteWholeAsync(context.RequestAborted);
        }
        finally
        {
            serving.Metrics.Ended(generation.Arrival, generation.FirstToken, request.PromptTokens, generation.OutputTokens);
        }
    }
}
