using System.Runtime.InteropServices;
using System.Text.Json;
using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.Models;
using ServingApp.Queueing;

namespace ServingApp.OpenAi;

/// <summary>What is said of texts that are there: vectors (OpenAI's form), likelihoods, classes and rewards (forms of this server).</summary>
internal static class TextEndpoints
{
    /// <summary>/v1/embeddings.</summary>
    public static Task EmbedAsync(HttpContext context, Serving serving) => CallAsync(context, serving, (request, served) =>
    {
        GptModel model = served.RequireGpt();
        if (request.Element("input") is not { } input) throw OpenAiException.Invalid("input", "'input' is missing; give a text, a list of token ids, or a list of either.");
        int[][] tokens = request.TextsOrTokens("input", input, model.Tokenizer, serving.Options.MaxTexts);
        string format = request.String("encoding_format") ?? "float";
        if (format is not ("float" or "base64")) throw OpenAiException.Invalid("encoding_format", $"'encoding_format' is '{format}'; it must be 'float' or 'base64'.");
        _ = request.Integer("dimensions", model.Config.EmbeddingSize, model.Config.EmbeddingSize);
        _ = request.String("user");
        return stop =>
        {
            IReadOnlyList<SequenceEmbedding> vectors = model.EmbedTokens(tokens, new() { Truncation = null, Adapter = served.Generation.Adapter }, stop);
            long count = vectors.Sum(static vector => (long)vector.TokenCount);
            return new
            {
                @object = "list",
                data = vectors.Select((vector, index) => new { @object = "embedding", index, embedding = format == "float" ? (object)vector.Vector : Convert.ToBase64String(MemoryMarshal.AsBytes(vector.Vector.AsSpan())) }),
                model = served.Name,
                usage = new { prompt_tokens = count, total_tokens = count },
            };
        };
    });

    /// <summary>/v1/score.</summary>
    public static Task ScoreAsync(HttpContext context, Serving serving) => CallAsync(context, serving, (request, served) =>
    {
        GptModel model = served.RequireGpt();
        IReadOnlyList<string> texts = Texts(request, serving.Options);
        return stop => new
        {
            @object = "list",
            data = model.Score(texts, new ScoreTextOptions { SpecialTokens = SpecialTokenHandling.AsText, Adapter = served.Generation.Adapter }, stop).Select(static (score, index) => new
            {
                index,
                log_likelihood = score.LogLikelihood,
                perplexity = double.IsFinite(score.Perplexity) ? score.Perplexity : (double?)null, // an empty text has none
                tokens = score.TokenCount,
            }),
            model = served.Name,
        };
    });

    /// <summary>/v1/classify.</summary>
    public static Task ClassifyAsync(HttpContext context, Serving serving) => CallAsync(context, serving, (request, served) =>
    {
        GptClassifier model = served.Classifier ?? throw OpenAiException.Invalid("model", $"The model '{served.Name}' is no classifier.", "model_not_supported");
        IReadOnlyList<IReadOnlyList<string>> examples = Examples(request, serving.Options);
        return stop => new
        {
            @object = "list",
            data = model.Classify(examples, cancellationToken: stop).Select((prediction, index) => new
            {
                index,
                label = model.Head.IsRegression ? null : model.Head.Labels.ElementAtOrDefault(prediction.Index) ?? prediction.Index.ToString(System.Globalization.CultureInfo.InvariantCulture),
                scores = prediction.Scores,
                dropped_tokens = prediction.DroppedTokens,
            }),
            labels = model.Head.Labels,
            model = served.Name,
        };
    });

    /// <summary>/v1/reward.</summary>
    public static Task RewardAsync(HttpContext context, Serving serving) => CallAsync(context, serving, (request, served) =>
    {
        GptRewardModel model = served.Reward ?? throw OpenAiException.Invalid("model", $"The model '{served.Name}' is no reward model.", "model_not_supported");
        string prompt = request.String("prompt") ?? throw OpenAiException.Invalid("prompt", "'prompt' is missing; give a text, or the JSON of a conversation.");
        IReadOnlyList<string> responses = request.Strings("responses", serving.Options.MaxTexts) is { Count: > 0 } list ? list : throw OpenAiException.Invalid("responses", "'responses' is missing or empty; give a list of texts.");
        return stop => new
        {
            @object = "list",
            data = model.Score([.. responses.Select(response => (prompt, response))], cancellationToken: stop).Select(static (reward, index) => new { index, reward = reward.Reward }),
            model = served.Name,
        };
    });

    private static async Task CallAsync(HttpContext context, Serving serving, Func<RequestReader, ServedModel, Func<CancellationToken, object>> read)
    {
        using RequestTime time = serving.Begin(context);
        serving.Models.RequireAll();
        using JsonDocument body = await Json.ReadAsync(context.Request, serving.Options, time.Token);
        using IDisposable? atWork = serving.Connections.Work(context);
        var request = new RequestReader(body.RootElement);
        ServedModel served = serving.Models.Require(request.String("model"));
        Func<CancellationToken, object> call = read(request, served);
        request.Finish();
        var work = new CallWork<byte[]>(stop => JsonSerializer.SerializeToUtf8Bytes(call(stop), Json.Options), time.Token);
        serving.Calls.Add(work);
        byte[] answer = await work.Result;
        context.Response.ContentType = "application/json; charset=utf-8";
        await context.Response.Body.WriteAsync(answer, time.Token);
    }

    private static IReadOnlyList<string> Texts(RequestReader request, ServingOptions limits) =>
        request.Strings("input", limits.MaxTexts) is { Count: > 0 } texts ? texts : throw OpenAiException.Invalid("input", "'input' is missing or empty; give a text or a list of texts.");

    // A text, a list of texts, or, for a task that reads several, a list of lists.
    private static IReadOnlyList<IReadOnlyList<string>> Examples(RequestReader request, ServingOptions limits)
    {
        if (request.Element("input") is not { } input) throw OpenAiException.Invalid("input", "'input' is missing; give a text, a list of texts, or a list of lists of texts.");
        JsonElement[] items = input.ValueKind == JsonValueKind.Array ? [.. input.EnumerateArray()] : [input];
        if (items.Length == 0 || items.Length > limits.MaxTexts) throw OpenAiException.Invalid("input", $"'input' has {items.Length} examples; it must have 1 to {limits.MaxTexts}.");
        return [.. items.Select(item => item.ValueKind == JsonValueKind.Array ? (string[])[.. item.EnumerateArray().Select(Text)] : [Text(item)])];

        string Text(JsonElement item) => item.ValueKind == JsonValueKind.String ? item.GetString()! : throw request.Wrong("input", item, "a text, a list of texts, or a list of lists of texts");
    }
}
