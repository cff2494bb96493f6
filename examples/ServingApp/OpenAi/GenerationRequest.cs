using System.Text.Json;
using Microsoft.Extensions.AI;
using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.Models;

namespace ServingApp.OpenAi;

/// <summary>A request for text: which model continues which prompt, and how.</summary>
/// <param name="Served">The model that it names.</param>
/// <param name="Prompts">The tokens of each prompt, 1 or more, which fit the model's context: a conversation, or the texts that are continued.</param>
/// <param name="Options">How tokens are chosen, and how many.</param>
/// <param name="Constraint">The form of its answers; null for free text.</param>
/// <param name="Chat">The conversation that is answered; null where a text is continued.</param>
/// <param name="Stream">Whether the answer comes piece by piece.</param>
/// <param name="IncludeUsage">Whether a stream ends with what it cost.</param>
internal sealed record GenerationRequest(ServedModel Served, IReadOnlyList<int[]> Prompts, GenerateTextOptions Options, ITokenConstraint? Constraint, ChatPrompt? Chat, bool Stream, bool IncludeUsage)
{
    /// <summary>The answers of all prompts together: those of the first come first.</summary>
    public int AnswerCount => Prompts.Count * Options.SamplesPerPrompt;

    /// <summary>The tokens of all prompts together.</summary>
    public int PromptTokens => Prompts.Sum(static prompt => prompt.Length);

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
        request.Refuse("functions", "Give them as 'tools'.", "[]");
        request.Refuse("function_call", "Give it as 'tool_choice'.", "\"none\"", "\"auto\"");
        request.Refuse("modalities", "Answers are text.", "[\"text\"]");
        request.Refuse("store", "Nothing is kept here; leave it out.", "false");
        request.Refuse("service_tier", "There is one tier here; leave it out.", "\"auto\"", "\"default\"");
        request.Refuse("reasoning_effort", "The model answers without reasoning first; leave it out.", "\"none\"");
        request.Refuse("verbosity", "Ask for long or short answers in the conversation, or set 'max_completion_tokens'.", "\"medium\"");
        request.Object("prediction"); // it would only make the answer faster

        // 3. Log-probabilities.
        bool told = request.Boolean("logprobs") ?? false;
        long? alternatives = request.Integer("top_logprobs", 0, 20);
        if (alternatives is not null && !told) throw OpenAiException.Invalid("top_logprobs", "'top_logprobs' comes without 'logprobs'; set 'logprobs' to true, or leave it out.");

        // 4. The prompt, and how to go on from it.
        ChatPrompt prompt = Render(model, messages, call, served, cancellationToken);
        return Read(request, [[.. prompt.TokenIds]], served, limits, "max_completion_tokens", told ? (int)(alternatives ?? 0) : null, schema, prompt);
    }

    /// <summary>A request to /v1/completions.</summary>
    /// <exception cref="OpenAiException">A member is wrong, or asks for what this server does not do.</exception>
    /// <exception cref="GptException">The prompt does not fit.</exception>
    public static GenerationRequest ReadText(JsonElement body, ModelHost models, ServingOptions limits)
    {
        var request = new RequestReader(body);
        ServedModel served = models.Require(request.String("model"));
        GptModel model = served.RequireGpt();
        int[][] prompts = ReadPrompts(request, model, limits);
        request.Refuse("suffix", "The model writes forwards only.", "\"\"");
        request.Refuse("echo", "Put the prompt before the answer yourself.", "false");
        request.Refuse("best_of", "Ask for n answers, and choose.", "1");
        return Read(request, prompts, served, limits, "max_tokens", (int?)request.Integer("logprobs", 0, 5), ResponseFormat.Read(request), chat: null);
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
            // Several messages may be one turn: the message is found by what is wrong with it.
            int message = exception.Problem switch
            {
                ConversationProblem.StartsWithAssistant => messages.ToList().FindIndex(static message => message.Role == ChatRole.Assistant),
                ConversationProblem.SystemNotSupported => messages.ToList().FindIndex(static message => message.Role == ChatRole.System),
                ConversationProblem.NothingToAnswer => messages.Count - 1,
                _ => -1,
            };
            throw OpenAiException.Invalid(message >= 0 ? $"messages[{message}]" : "messages", exception.Message, "invalid_conversation");
        }
        catch (ConstraintException exception)
        {
            throw OpenAiException.Invalid(exception.Location.Contains("the tool '", StringComparison.Ordinal) ? "tools" : "response_format", exception.Message, "invalid_schema");
        }
    }

    // A text or its tokens, or a list of either.
    private static int[][] ReadPrompts(RequestReader request, GptModel model, ServingOptions limits)
    {
        if (request.Element("prompt") is not { } json) return [[model.BeginTokenId]];
        return [.. request.TextsOrTokens("prompt", json, model.Tokenizer, limits.MaxChoices).Select(tokens => tokens.Length > 0 ? tokens : [model.BeginTokenId])];
    }

    private static GenerationRequest Read(RequestReader request, int[][] prompts, ServedModel served, ServingOptions limits, string tokensName, int? logProbabilities, JsonElement? schema, ChatPrompt? chat)
    {
        GptModel model = served.RequireGpt();
        int promptLimit = Math.Min(limits.MaxPromptTokens ?? int.MaxValue, model.Config.ContextLength);
        if (prompts.Max(static prompt => prompt.Length) is var longest && longest > promptLimit) throw new PromptTooLongException(longest, promptLimit, "Shorten it.");
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

        // Which of a client's users asks, what the client calls the request, and what OpenAI caches by have no bearing on the answer.
        foreach (string name in (string[])["user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"]) _ = request.String(name);
        request.Object("metadata");
        GenerateTextOptions own = served.Generation;
        ITokenConstraint? constraint = chat is not null ? chat.Constraint : schema is { } json ? TextConstraint.JsonSchema(json.GetRawText()).Compile(model.Tokenizer) : null;
        constraint ??= own.Constraint?.Compile(model.Tokenizer);
        IReadOnlyList<string> stops = request.Strings("stop", 4) ?? [];
        if (stops.Contains("")) throw OpenAiException.Invalid("stop", "'stop' has an empty string, which would end every answer at once; leave it out.");
        long? seed = request.Integer("seed", long.MinValue, long.MaxValue);
        int newTokens = (int)(tokens ?? older ?? Math.Min(limits.DefaultNewTokens, most));
        GenerateTextOptions generation = own with
        {
            Constraint = null, // it goes beside the options, each request's own
            PromptOverflow = PromptOverflow.Error,
            SkipSpecialTokens = true,
            TopLogProbabilities = logProbabilities,
            MaxNewTokens = newTokens,
            MinNewTokens = Math.Min(own.MinNewTokens, newTokens), // a request for fewer tokens than the model's own least is meant
            Temperature = request.Number("temperature", 0, 2) ?? own.Temperature,
            TopP = request.Number("top_p", 0, 1) is { } share ? Math.Max(share, float.Epsilon) : own.TopP, // of no share the likeliest token is left
            TopK = (int)(request.Integer("top_k", 0, int.MaxValue) ?? own.TopK),
            MinP = request.Number("min_p", 0, 1, mostIncluded: false) ?? own.MinP,
            PresencePenalty = request.Number("presence_penalty", -2, 2) ?? own.PresencePenalty,
            FrequencyPenalty = request.Number("frequency_penalty", -2, 2) ?? own.FrequencyPenalty,
            LogitBias = ReadBias(request, model.Tokenizer) ?? own.LogitBias,
            RepetitionPenalty = request.Number("repetition_penalty", 0, 100, leastIncluded: false) ?? own.RepetitionPenalty,
            SamplesPerPrompt = (int)(request.Integer("n", 1, Math.Min(limits.MaxChoices / prompts.Length, limits.BatchRows)) ?? 1),
            StopStrings = [.. own.StopStrings, .. stops],
            StopTokenIds = chat?.Generation.StopTokenIds ?? own.StopTokenIds,
            Seed = seed is { } given ? Fold(given) : Random.Shared.Next(),
        };
        request.Finish();
        if (schema is not null && stops.Count > 0) throw OpenAiException.Invalid("stop", "'stop' comes beside a form of 'response_format', which a stop string could break; leave it out.");
        return new(served, prompts, generation, constraint, chat, stream, usage);
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
