using System.Text.Json;
using Microsoft.Extensions.AI;
using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.Models;

namespace ServingApp.OpenAi;

/// <summary>A request for text: which model continues which prompt, and how.</summary>
/// <param name="Served">The model that it names.</param>
/// <param name="Prompt">The prompt's tokens, 1 or more, which fit the model's context.</param>
/// <param name="Options">How tokens are chosen, and how many.</param>
/// <param name="Constraint">The form of its answers; null for free text.</param>
/// <param name="Chat">The conversation that is answered; null where a text is continued.</param>
/// <param name="Stream">Whether the answer comes piece by piece.</param>
/// <param name="IncludeUsage">Whether a stream ends with what it cost.</param>
internal sealed record GenerationRequest(ServedModel Served, int[] Prompt, GenerateTextOptions Options, ITokenConstraint? Constraint, ChatPrompt? Chat, bool Stream, bool IncludeUsage)
{
    /// <summary>What a token adds to an answer's text: as the library counts bytes with <see cref="GenerateTextOptions.SkipSpecialTokens"/>.</summary>
    public ReadOnlySpan<byte> TextOf(int token) => Served.RequireGpt().Tokenizer is var tokenizer && tokenizer.IsSpecialToken(token) ? default : tokenizer.GetTokenBytes(token).Span;

    /// <summary>A request to /v1/chat/completions.</summary>
    /// <exception cref="OpenAiException">A member is wrong, or asks for what this server does not do.</exception>
    /// <exception cref="GptException">The conversation breaks a rule, or does not fit.</exception>
    public static GenerationRequest ReadChat(JsonElement body, ModelHost models, ServingOptions limits, CancellationToken cancellationToken)
    {
        // 1. The conversation, and what the answer may be.
        var request = new RequestReader(body);
        ServedModel served = models.Require(request.String("model"));
        GptModel model = served.RequireGpt();
        if (model.ChatTemplate is null) throw OpenAiException.Invalid("model", $"The model '{served.Name}' was not taught conversations; send a prompt to /v1/completions.", "model_not_supported");
        IReadOnlyList<ChatMessage> messages = MessageReader.Read(request);
        var call = new ChatOptions();
        ToolReader.Read(request, call);
        JsonElement? schema = ResponseFormat.Read(request);
        if (schema is { } json) call.ResponseFormat = ChatResponseFormat.ForJsonSchema(json);

        // 2. What this server does not do.
        const string LeaveOut = "Leave it out.";
        request.Refuse("functions", "Give them as 'tools'.", "[]");
        request.Refuse("function_call", "Give it as 'tool_choice'.", "\"none\"", "\"auto\"");
        request.Refuse("modalities", "Answers are text.", "[\"text\"]");
        request.Refuse("store", "Nothing is kept here.", "false");
        request.Refuse("service_tier", LeaveOut, "\"auto\"", "\"default\"");

        // 3. Log-probabilities.
        bool told = request.Boolean("logprobs") ?? false;
        long? alternatives = request.Integer("top_logprobs", 0, 20);
        if (alternatives is not null && !told) throw OpenAiException.Invalid("top_logprobs", "'top_logprobs' comes without 'logprobs'; set 'logprobs' to true, or leave it out.");

        // 4. The prompt, and how to go on from it.
        ChatPrompt prompt = Render(model, messages, call, served, cancellationToken);
        return Read(request, [.. prompt.TokenIds], served, limits, "max_completion_tokens", told ? (int)(alternatives ?? 0) : null, schema, prompt);
    }

    /// <summary>A request to /v1/completions.</summary>
    /// <exception cref="OpenAiException">A member is wrong, or asks for what this server does not do.</exception>
    /// <exception cref="GptException">The prompt does not fit.</exception>
    public static GenerationRequest ReadText(JsonElement body, ModelHost models, ServingOptions limits)
    {
        var request = new RequestReader(body);
        ServedModel served = models.Require(request.String("model"));
        GptModel model = served.RequireGpt();
        string text = request.String("prompt") ?? "";
        request.Refuse("suffix", "The model writes forwards only.", "\"\"");
        request.Refuse("echo", "Put the prompt before the answer yourself.", "false");
        request.Refuse("best_of", "Ask for n answers, and choose.", "1");
        int[] prompt = model.Tokenizer.Encode(text, SpecialTokenHandling.AsText); // text from strangers
        if (prompt.Length == 0) prompt = [model.BeginTokenId];
        return Read(request, prompt, served, limits, "max_tokens", (int?)request.Integer("logprobs", 0, 5), ResponseFormat.Read(request), chat: null);
    }

    // The conversation and what is said of the tools, as tokens.
    private static ChatPrompt Render(GptModel model, IReadOnlyList<ChatMessage> messages, ChatOptions call, ServedModel served, CancellationToken cancellationToken)
    {
        try
        {
            return ChatPrompt.Create(model, messages, call, new() { Generation = served.Generation with { SamplesPerPrompt = 1, PromptOverflow = PromptOverflow.Error } }, cancellationToken);
        }
        catch (ConversationException exception)
        {
            // System messages at the beginning become one turn, and so do the results of tools: the turn is the message where there are none.
            bool one = messages.Take(2).Count(static message => message.Role == ChatRole.System) < 2 && messages.All(static message => message.Role != ChatRole.Tool);
            throw OpenAiException.Invalid(one && exception.TurnIndex is { } turn ? $"messages[{turn}]" : "messages", exception.Message, "invalid_conversation");
        }
        catch (ConstraintException exception)
        {
            throw OpenAiException.Invalid(exception.Location.Contains("the tool '", StringComparison.Ordinal) ? "tools" : "response_format", exception.Message, "invalid_schema");
        }
    }

    private static GenerationRequest Read(RequestReader request, int[] prompt, ServedModel served, ServingOptions limits, string tokensName, int? logProbabilities, JsonElement? schema, ChatPrompt? chat)
    {
        GptModel model = served.RequireGpt();
        int promptLimit = Math.Min(limits.MaxPromptTokens ?? int.MaxValue, model.Config.ContextLength);
        if (prompt.Length > promptLimit) throw new PromptTooLongException(prompt.Length, promptLimit, "Shorten it.");
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
        GenerateTextOptions own = served.Generation;
        ITokenConstraint? constraint = chat is not null ? chat.Constraint : schema is { } json ? TextConstraint.JsonSchema(json.GetRawText()).Compile(model.Tokenizer) : null;
        constraint ??= own.Constraint?.Compile(model.Tokenizer);
        IReadOnlyList<string> stops = request.Strings("stop", 4) ?? [];
        if (stops.Contains("")) throw OpenAiException.Invalid("stop", "'stop' has an empty string, which would end every answer at once; leave it out.");
        long? seed = request.Integer("seed", long.MinValue, long.MaxValue);
        GenerateTextOptions generation = own with
        {
            Constraint = null, // it goes beside the options, each request's own
            PromptOverflow = PromptOverflow.Error,
            SkipSpecialTokens = true,
            TopLogProbabilities = logProbabilities,
            MaxNewTokens = (int)(tokens ?? older ?? Math.Min(limits.DefaultNewTokens, most)),
            Temperature = request.Number("temperature", 0, 2) ?? own.Temperature,
            TopP = request.Number("top_p", 0, 1, leastIncluded: false) ?? own.TopP,
            TopK = (int)(request.Integer("top_k", 0, int.MaxValue) ?? own.TopK),
            MinP = request.Number("min_p", 0, 1, mostIncluded: false) ?? own.MinP,
            PresencePenalty = request.Number("presence_penalty", -2, 2) ?? own.PresencePenalty,
            FrequencyPenalty = request.Number("frequency_penalty", -2, 2) ?? own.FrequencyPenalty,
            LogitBias = ReadBias(request, model.Tokenizer) ?? own.LogitBias,
            RepetitionPenalty = request.Number("repetition_penalty", 0, 100, leastIncluded: false) ?? own.RepetitionPenalty,
            SamplesPerPrompt = (int)(request.Integer("n", 1, Math.Min(limits.MaxChoices, limits.BatchRows)) ?? 1),
            StopStrings = [.. own.StopStrings, .. stops],
            StopTokenIds = chat?.Generation.StopTokenIds ?? own.StopTokenIds,
            Seed = seed is { } given ? Fold(given) : Random.Shared.Next(),
        };
        request.Finish();
        if (schema is not null && stops.Count > 0) throw OpenAiException.Invalid("stop", "'stop' comes beside a form of 'response_format', which a stop string could break; leave it out.");
        return new(served, prompt, generation, constraint, chat, stream, usage);
    }

    /// <summary>The seed in 32 bits: itself where it has no more, so that no two of those are one.</summary>
    internal static int Fold(long seed) => seed is >= int.MinValue and <= int.MaxValue ? (int)seed : unchecked((int)(seed ^ (seed >> 32)));

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
}
