using MLNet.Gpt;
using ServingApp.Hosting;

namespace ServingApp.OpenAi;

/// <summary>Turns what goes wrong into OpenAI's form of an error.</summary>
internal static class ErrorAnswers
{
    /// <summary>The error that a client is told; null where there is no client left.</summary>
    public static OpenAiException? Describe(Exception exception, RequestTime? time, ILogger log) => exception switch
    {
        OpenAiException known => known,
        OperationCanceledException when time is { ClientLeft: true } => null,
        OperationCanceledException when time is not null => OpenAiException.TimedOut(time.Seconds),
        GenerationQueueFullException full => OpenAiException.QueueFull(full.MaxWaiting),
        PromptTooLongException tooLong => OpenAiException.Invalid(null, $"The prompt has {tooLong.TokenCount} tokens; at most {tooLong.Limit} are taken. Shorten it; of a conversation, leave out the oldest turns.", "context_length_exceeded"),
        ConversationException conversation => OpenAiException.Invalid("prompt", conversation.Message, "invalid_conversation"), // a reward's; a chat's is told by its messages
        ConstraintException constraint => OpenAiException.Invalid("response_format", constraint.Message, "invalid_schema"),
        UnsupportedOptionException option => OpenAiException.Invalid(option.Option, option.Message, "unsupported_parameter"),
        HiddenStatesUnavailableException => OpenAiException.Invalid("model", "The model gives no hidden states, of which embeddings are made; ask another one.", "model_not_supported"),
        ArgumentException wrong => OpenAiException.Invalid(null, WithoutParameter(wrong)),
        UnknownCharacterException unknown => OpenAiException.Invalid(null, unknown.Message),
        BadHttpRequestException bad => new OpenAiException(bad.StatusCode, "invalid_request_error", bad.Message, retryAfterSeconds: bad.StatusCode == 408 ? 1 : null),
        _ => Unexpected(exception, log),
    };

    /// <summary>The middleware: no error leaves the server in another form.</summary>
    public static async Task HandleAsync(HttpContext context, Func<Task> next, Serving serving)
    {
        try
        {
            await next();
        }
        catch (Exception exception)
        {
            if (Describe(exception, RequestTime.Of(context), serving.Log) is not { } error || context.Response.HasStarted)
            {
                context.Abort();
                return;
            }

            serving.Metrics.Refused(error.Status);
            context.Response.StatusCode = error.Status;
            if (error.RetryAfterSeconds is { } seconds) context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
            if (error.Status is 413 or 503) context.Response.Headers.Connection = "close";
            await context.Response.WriteAsJsonAsync(error.Body, Json.Options);
        }
    }

    // The name of a parameter of the library's says nothing to a client.
    private static string WithoutParameter(ArgumentException exception) =>
        exception.Message.IndexOf(" (Parameter '", StringComparison.Ordinal) is >= 0 and var at ? exception.Message[..at] : exception.Message;

    private static OpenAiException Unexpected(Exception exception, ILogger log)
    {
        log.LogError(exception, "A request failed.");
        return new OpenAiException(500, "server_error", "The server failed at this request; its log says why.", code: "internal_error");
    }
}
