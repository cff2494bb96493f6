namespace ServingApp.OpenAi;

/// <summary>An answer in OpenAI's form of an error.</summary>
internal sealed class OpenAiException(int status, string type, string message, string? parameter = null, string? code = null, int? retryAfterSeconds = null) : Exception(message)
{
    public int Status => status;

    public int? RetryAfterSeconds => retryAfterSeconds;

    public object Body => new { error = new { message = Message, type, param = parameter, code } };

    /// <summary>The request asks for what is wrong, or for what this server does not do.</summary>
    public static OpenAiException Invalid(string? parameter, string message, string? code = null) => new(400, "invalid_request_error", message, parameter, code);

    public static OpenAiException Unsupported(string parameter, string value, string remedy) => Invalid(parameter, $"'{parameter}' is {value}, which this server does not support. {remedy}", "unsupported_parameter");

    public static OpenAiException QueueFull(int length) =>
        new(429, "rate_limit_error", $"{length} requests are waiting already; try again later.", code: "queue_full", retryAfterSeconds: 1);

    public static OpenAiException Stopping() => new(503, "server_error", "The server is being stopped; send the request to another, or try again later.", code: "shutting_down", retryAfterSeconds: 5);

    public static OpenAiException Loading() => new(503, "server_error", "The model is being loaded; try again later.", code: "model_loading", retryAfterSeconds: 2);

    public static OpenAiException TimedOut(double seconds) =>
        new(408, "timeout_error", FormattableString.Invariant($"The request took more than {seconds} seconds; ask for fewer tokens, or try again when the server is less busy."), code: "timeout", retryAfterSeconds: 5);
}
