using System.Text.Json;
using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.Models;
using ServingApp.Queueing;

namespace ServingApp.OpenAi;

/// <summary>What chat completions and text completions have in common: how to generate, and in which form to answer.</summary>
internal sealed record GenerationRequest(int[] Prompt, GenerateTextOptions Options, bool HasSeed, ITokenConstraint? Constraint, bool Stream, bool IncludeUsage)
{
    public GenerationWork ToWork(CancellationToken cancellationToken) => new(Prompt, Options, HasSeed, Constraint, cancellationToken);

    /// <summary>A request to /v1/chat/completions.</summary>
    /// <exception cref="OpenAiException">A member is wrong, or asks for what this server does not do.</exception>
    /// <exception cref="GptException">The conversation breaks a rule, or does not fit.</exception>
    public static GenerationRequest ReadChat(JsonElement body, ServedModel served, ServingOptions limits)
    {
        // 1. The conversation.
        var request = new RequestReader(body);
        RequireModel(request, served);
        GptModel model = served.RequireGpt();
        ChatTemplate template = model.ChatTemplate ?? throw OpenAiException.Invalid("model", $"The model '{served.Name}' was not taught conversations; send a prompt to /v1/completions.", "model_not_supported");
        IReadOnlyList<ConversationTurn> turns = ReadMessages(request);

        // 2. What this server does not do.
        const string LeaveOut = "Leave it out.";
        request.Refuse("tools", "The model calls no tools.", "[]");
        request.Refuse("tool_choice", "The model calls no tools.", "\"none\"", "\"auto\"");
        request.Refuse("parallel_tool_calls", "The model calls no tools.", "true", "false");
        request.Refuse("functions", "The model calls no functions.", "[]");
        request.Refuse("function_call", "The model calls no functions.", "\"none\"", "\"auto\"");
        request.Refuse("modalities", "Answers are text.", "[\"text\"]");
        request.Refuse("top_logprobs", LeaveOut);
        request.Refuse("store", "Nothing is kept here.", "false");
        request.Refuse("service_tier", LeaveOut, "\"auto\"", "\"default\"");

        // 3. The prompt, and how to go on from it.
        int[] prompt = [.. template.RenderPrompt(turns, model.Tokenizer, PromptLimit(model, limits)).TokenIds];
        return Read(request, prompt, served, limits, "max_completion_tokens", template.EndOfTurnId(model.Tokenizer));
    }

    /// <summary>A request to /v1/completions.</summary>
    /// <exception cref="OpenAiException">A member is wrong, or asks for what this server does not do.</exception>
    /// <exception cref="GptException">The prompt does not fit.</exception>
    public static GenerationRequest ReadText(JsonElement body, ServedModel served, ServingOptions limits)
    {
        var request = new RequestReader(body);
        RequireModel(request, served);
        GptModel model = served.RequireGpt();
        string text = request.String("prompt") ?? "";
        request.Refuse("suffix", "The model writes forwards only.", "\"\"");
        request.Refuse("echo", "Put the prompt before the answer yourself.", "false");
        request.Refuse("best_of", "Ask for n answers, and choose.", "1");
        int[] prompt = model.Tokenizer.Encode(text, SpecialTokenHandling.AsText); // text from strangers
        if (prompt.Length == 0) prompt = [model.BeginTokenId];
        if (prompt.Length > PromptLimit(model, limits)) throw new PromptTooLongException(prompt.Length, PromptLimit(model, limits), "Shorten it.");
        return Read(request, prompt, served, limits, "max_tokens", endOfTurn: null);
    }

    /// <summary>Checks that a request means the model that is served; one that names none does.</summary>
    public static void RequireModel(RequestReader request, ServedModel served)
    {
        if (request.String("model") is { } name && name != served.Name)
            throw new OpenAiException(404, "invalid_request_error", $"There is no model '{name}'; this server has '{served.Name}'.", "model", "model_not_found");
    }

    private static GenerationRequest Read(RequestReader request, int[] prompt, ServedModel served, ServingOptions limits, string tokensName, int? endOfTurn)
    {
        GptModel model = served.RequireGpt();
        int most = limits.MaxNewTokens ?? model.Config.ContextLength;
        long? tokens = request.Integer(tokensName, 1, most), older = tokensName == "max_tokens" ? null : request.Integer("max_tokens", 1, most);
        if (tokens is not null && older is not null && tokens != older) throw OpenAiException.Invalid("max_tokens", $"'max_tokens' is {older} and '{tokensName}' {tokens}; give one of them.");

        bool stream = request.Boolean("stream") ?? false, usage = false;
        if (request.Element("stream_options") is { } element)
        {
            if (!stream) throw OpenAiException.Invalid("stream_options", "'stream_options' comes without 'stream'; leave it out.");
            var options = new RequestReader(element, "stream_options.");
            usage = options.Boolean("include_usage") ?? false;
            options.Refuse("include_obfuscation", "Leave it out.", "false");
            options.Finish();
        }

        // Which of a client's users asks has no bearing on the answer.
        _ = request.String("user");
        _ = request.String("safety_identifier");
        request.Refuse("logprobs", "Leave it out.", "false");
        ITokenConstraint? constraint = ResponseFormat.Read(request, model.Tokenizer);

        GenerateTextOptions own = served.Generation;
        constraint ??= own.Constraint?.Compile(model.Tokenizer);
        IReadOnlyList<string> stops = request.Strings("stop", 4) ?? [];
        if (stops.Contains("")) throw OpenAiException.Invalid("stop", "'stop' has an empty string, which would end every answer at once; leave it out.");
        long? seed = request.Integer("seed", long.MinValue, long.MaxValue);
        GenerateTextOptions generation = own with
        {
            Constraint = null, // it goes beside the options, each request's own
            PromptOverflow = PromptOverflow.Error,
            SkipSpecialTokens = true,
            MaxNewTokens = (int)(tokens ?? older ?? Math.Min(limits.DefaultNewTokens, most)),
            Temperature = request.Number("temperature", 0, 2) ?? own.Temperature,
            TopP = request.Number("top_p", 0, 1, leastIncluded: false) ?? own.TopP,
            TopK = (int)(request.Integer("top_k", 0, int.MaxValue) ?? own.TopK),
            MinP = request.Number("min_p", 0, 1) ?? own.MinP,
            PresencePenalty = request.Number("presence_penalty", -2, 2) ?? own.PresencePenalty,
            FrequencyPenalty = request.Number("frequency_penalty", -2, 2) ?? own.FrequencyPenalty,
            LogitBias = ReadBias(request, model.Tokenizer) ?? own.LogitBias,
            RepetitionPenalty = request.Number("repetition_penalty", 0, 100, leastIncluded: false) ?? own.RepetitionPenalty,
            SamplesPerPrompt = (int)(request.Integer("n", 1, Math.Min(limits.MaxChoices, limits.BatchRows)) ?? 1),
            StopStrings = [.. own.StopStrings, .. stops],
            StopTokenIds = [.. own.StopTokenIds.Concat(endOfTurn is { } id ? [id] : []).Distinct()],
            Seed = seed is { } given ? unchecked((int)(given ^ (given >> 32))) : 0,
        };
        request.Finish();
        if (constraint is not null && stops.Count > 0) throw OpenAiException.Invalid("stop", "'stop' comes beside a form of 'response_format', which a stop string could break; leave it out.");
        return new(prompt, generation, seed is not null, constraint, stream, usage);
    }

    private static IReadOnlyDictionary<int, float>? ReadBias(RequestReader request, GptTokenizer tokenizer)
    {
        if (request.Element("logit_bias") is not { } json) return null;
        var reader = new RequestReader(json, "logit_bias.");
        var bias = new Dictionary<int, float>();
        foreach (JsonProperty member in json.EnumerateObject())
        {
            if (!int.TryParse(member.Name, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int id) || id >= tokenizer.VocabularySize)
                throw OpenAiException.Invalid("logit_bias", $"'logit_bias' names the token '{member.Name}'; tokens are 0 to {tokenizer.VocabularySize - 1}.");
            if (reader.Number(member.Name, -100, 100) is { } value) bias[id] = value;
        }

        return bias.Count > 0 ? bias : null;
    }

    private static List<ConversationTurn> ReadMessages(RequestReader request)
    {
        if (request.Element("messages") is not { } messages) throw OpenAiException.Invalid("messages", "The request has no 'messages'; give the conversation.");
        if (messages.ValueKind != JsonValueKind.Array) throw request.Wrong("messages", messages, "a list of messages");
        var turns = new List<ConversationTurn>();
        int index = 0;
        foreach (JsonElement json in messages.EnumerateArray())
        {
            string path = $"messages[{index++}].";
            var message = new RequestReader(json, path);
            string role = message.String("role") ?? throw OpenAiException.Invalid(path + "role", $"'{path}role' is missing; it is 'system', 'developer', 'user' or 'assistant'.");
            string text = ReadContent(message, path);
            message.Refuse("tool_calls", "The model calls no tools.", "[]");
            message.Refuse("annotations", "Leave it out.", "[]");
            message.Finish();
            ConversationTurn turn = role switch
            {
                "system" or "developer" => ConversationTurn.System(text),
                "user" => ConversationTurn.User(text),
                "assistant" => ConversationTurn.Assistant(text),
                _ => throw OpenAiException.Invalid(path + "role", $"'{path}role' is '{role}'; it must be 'system', 'developer', 'user' or 'assistant'."),
            };

            // System messages at the beginning are one turn.
            if (turn.Role == ConversationRole.System && turns is [{ Role: ConversationRole.System } head]) turns[0] = ConversationTurn.System($"{head.Content}\n\n{text}");
            else turns.Add(turn);
        }

        return turns;
    }

    // A string, or a list of parts that are text.
    private static string ReadContent(RequestReader message, string path)
    {
        if (message.Element("content") is not { } content) throw OpenAiException.Invalid(path + "content", $"'{path}content' is missing; give a text.");
        if (content.ValueKind == JsonValueKind.String) return content.GetString()!;
        if (content.ValueKind != JsonValueKind.Array) throw message.Wrong("content", content, "a string, or a list of parts of the type 'text'");
        var texts = new List<string>();
        foreach (JsonElement json in content.EnumerateArray())
        {
            string place = $"{path}content[{texts.Count}].";
            var part = new RequestReader(json, place);
            string? type = part.String("type");
            if (type != "text") throw OpenAiException.Invalid(place + "type", $"'{place}type' is '{type}'; the model reads text alone.", "unsupported_content");
            texts.Add(part.String("text") ?? throw OpenAiException.Invalid(place + "text", $"'{place}text' is missing; give a text."));
            part.Finish();
        }

        return string.Concat(texts);
    }

    private static int PromptLimit(GptModel model, ServingOptions limits) => Math.Min(limits.MaxPromptTokens ?? int.MaxValue, model.Config.ContextLength);
}
