using System.Text.RegularExpressions;

namespace MLNet.Gpt;

/// <summary>
/// How a conversation becomes tokens: a marker before each turn that tells its role, and a special token that ends it. A turn is marker, content, <see cref="EndOfTurn"/>,
/// <see cref="AfterTurn"/>.
/// </summary>
/// <remarks>
/// Immutable; may be shared between threads. Only the template's own texts can become special tokens. A turn's content is encoded as text, piece by piece and apart from the
/// markers, so that no user can forge the end of a turn; and since a marker always follows that end, the text of a marker within a turn is not one either. The tokens of a
/// conversation begin with the tokens of its first turns, so that a key/value cache stays valid.
/// </remarks>
public sealed partial record ChatTemplate
{
    /// <summary>
    /// A template for any tokenizer, since <see cref="GptTokenizer.EndOfText"/>, which ends a document in pretraining, ends a turn too:
    /// <c>&lt;|endoftext|&gt;User:⏎question&lt;|endoftext|&gt;Assistant:⏎answer&lt;|endoftext|&gt;</c>.
    /// </summary>
    public static ChatTemplate Default { get; } = new();

    /// <summary>
    /// ChatML: <c>&lt;|im_start|&gt;user⏎question&lt;|im_end|&gt;⏎</c>. The tokenizer must have the special tokens <c>&lt;|im_start|&gt;</c> and <c>&lt;|im_end|&gt;</c>.
    /// </summary>
    public static ChatTemplate ChatMl { get; } = new()
    {
        Start = "",
        SystemMarker = "<|im_start|>system\n",
        UserMarker = "<|im_start|>user\n",
        AssistantMarker = "<|im_start|>assistant\n",
        EndOfTurn = "<|im_end|>",
        AfterTurn = "\n",
    };

    /// <summary>What the whole conversation begins with; may be empty. Default <see cref="GptTokenizer.EndOfText"/>, which stands before every document in pretraining.</summary>
    public string Start { get; init; } = GptTokenizer.EndOfText;

    /// <summary>What comes before the system's content. Null means that the template has no system turn. Default "System:" and a line break.</summary>
    public string? SystemMarker { get; init; } = "System:\n";

    /// <summary>What comes before a user's content. Default "User:" and a line break.</summary>
    public string UserMarker { get; init; } = "User:\n";

    /// <summary>What comes before the assistant's content, and at the end of a prompt. Default "Assistant:" and a line break.</summary>
    public string AssistantMarker { get; init; } = "Assistant:\n";

    /// <summary>The special token that ends every turn and at which generation stops. Default <see cref="GptTokenizer.EndOfText"/>.</summary>
    public string EndOfTurn { get; init; } = GptTokenizer.EndOfText;

    /// <summary>What follows the end of every turn; may be empty, as it is by default.</summary>
    public string AfterTurn { get; init; } = "";

    /// <summary>
    /// Whether the user must begin, and user and assistant take turns. Default true: what the model saw in training. With false, the assistant may begin, as in a history whose
    /// oldest messages were left out, and several turns of one role may follow each other, each with its marker. The system's turns may stand anywhere, also between two of the same role.
    /// </summary>
    public bool RequiresAlternation { get; init; } = true;

    /// <summary>Checks the texts.</summary>
    /// <exception cref="ArgumentException">A text is null, a marker is empty, or two roles share a marker.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Start);
        ArgumentNullException.ThrowIfNull(AfterTurn);
        RequireText(UserMarker, nameof(UserMarker));
        RequireText(AssistantMarker, nameof(AssistantMarker));
        RequireText(EndOfTurn, nameof(EndOfTurn));
        if (SystemMarker is not null) RequireText(SystemMarker, nameof(SystemMarker));
        if (UserMarker == AssistantMarker || SystemMarker == UserMarker || SystemMarker == AssistantMarker)
            throw new ArgumentException($"Two roles of the chat template share the marker '{(UserMarker == AssistantMarker ? UserMarker : SystemMarker)}'; give each role its own, or the model can't tell who speaks.");
    }

    /// <summary>Checks the texts, and that a tokenizer has the special tokens that they need.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <exception cref="ArgumentException">A text is null, a marker is empty, or two roles share a marker.</exception>
    /// <exception cref="ChatTemplateException"><see cref="EndOfTurn"/>, or something of the form <c>&lt;|name|&gt;</c> in another text, is no special token of the tokenizer.</exception>
    public void Validate(GptTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Validate();
        string[] needed = [EndOfTurn, .. new[] { Start, SystemMarker ?? "", UserMarker, AssistantMarker, AfterTurn }.SelectMany(text => SpecialForm().Matches(text)).Select(match => match.Value)];
        foreach (string token in needed)
        {
            if (!tokenizer.SpecialTokens.ContainsKey(token))
            {
                throw new ChatTemplateException(
                    $"The chat template needs the special token '{token}'; the tokenizer has {string.Join(", ", tokenizer.SpecialTokens.Keys.Order(StringComparer.Ordinal).Select(name => $"'{name}'"))}.",
                    $"Take {nameof(ChatTemplate)}.{nameof(Default)}, which needs '{GptTokenizer.EndOfText}' alone, or a tokenizer that was trained with this token.");
            }
        }
    }

    /// <summary>The id of <see cref="EndOfTurn"/>.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <exception cref="ChatTemplateException">The tokenizer has no such special token.</exception>
    public int EndOfTurnId(GptTokenizer tokenizer)
    {
        Validate(tokenizer);
        return tokenizer.SpecialTokens[EndOfTurn];
    }

    /// <summary>Turns a whole conversation into tokens, as training wants it.</summary>
    /// <param name="turns">The turns.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <returns>The tokens, and which of them are the assistant's.</returns>
    /// <exception cref="ConversationException">The conversation is empty, starts with the assistant, or breaks another rule.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the template.</exception>
    /// <exception cref="ArgumentException">A turn or its content is null, or the template is not valid.</exception>
    /// <exception cref="UnknownCharacterException">A character-level tokenizer has no token for a character.</exception>
    public RenderedConversation Render(IReadOnlyList<ConversationTurn> turns, GptTokenizer tokenizer)
    {
        CheckOrder(turns);
        return RenderBeginning(turns, tokenizer);
    }

    /// <summary>As <see cref="Render"/>, of the first turns of a conversation that keeps the rules: the user need not have spoken yet.</summary>
    internal RenderedConversation RenderBeginning(IReadOnlyList<ConversationTurn> turns, GptTokenizer tokenizer)
    {
        Validate(tokenizer);
        var renderer = new Renderer(this, tokenizer);
        renderer.Add(Start);
        foreach (ConversationTurn turn in turns) renderer.Add(turn);
        return renderer.ToConversation(droppedTurns: 0);
    }

    /// <summary>Turns a conversation that waits for an answer into a prompt: its tokens and the assistant's marker.</summary>
    /// <param name="turns">The turns; the last one is not the assistant's.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="maxTokens">The most tokens that fit; null (the default) means any number.</param>
    /// <param name="overflow">What happens to a conversation that does not fit.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ConversationException">The conversation is empty, starts with the assistant, ends with the assistant, or breaks another rule.</exception>
    /// <exception cref="PromptTooLongException">The conversation, or with <see cref="ConversationOverflow.DropOldestTurns"/> what always stays of it, does not fit.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the template.</exception>
    /// <exception cref="ArgumentException">A turn or its content is null, or the template is not valid.</exception>
    /// <exception cref="UnknownCharacterException">A character-level tokenizer has no token for a character.</exception>
    public RenderedConversation RenderPrompt(
        IReadOnlyList<ConversationTurn> turns, GptTokenizer tokenizer, int? maxTokens = null, ConversationOverflow overflow = ConversationOverflow.Error, CancellationToken cancellationToken = default)
    {
        Validate(tokenizer);
        CheckPrompt(turns);
        if (!Enum.IsDefined(overflow)) throw new ArgumentOutOfRangeException(nameof(overflow), overflow, $"{overflow} is neither {ConversationOverflow.Error} nor {ConversationOverflow.DropOldestTurns}.");

        // Each turn is encoded once; the sum decides which fit.
        int system = turns.TakeWhile(static turn => turn.Role == ConversationRole.System).Count();
        var head = new Renderer(this, tokenizer);
        head.Add(Start);
        foreach (ConversationTurn turn in turns.Take(system)) head.Add(turn);
        Renderer[] parts = [.. turns.Skip(system).Select(turn =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            return new Renderer(this, tokenizer).Add(turn);
        })];
        var tail = new Renderer(this, tokenizer);
        tail.Add(AssistantMarker);

        int dropped = 0, total = head.Count + parts.Sum(part => part.Count) + tail.Count;
        if (maxTokens is { } limit && overflow == ConversationOverflow.DropOldestTurns)
        {
            while (total > limit && NextExchange(dropped) is { } next)
            {
                total -= parts[dropped..next].Sum(part => part.Count);
                dropped = next;
            }
        }

        if (total > maxTokens)
        {
            throw new PromptTooLongException(total, maxTokens.Value, overflow == ConversationOverflow.Error
                ? $"Shorten the conversation, or take {nameof(ConversationOverflow)}.{nameof(ConversationOverflow.DropOldestTurns)}."
                : "The system's turn at the beginning and what stands behind the last answer, with the question and the calls of tools that it goes on from, are longer than that; shorten them.");
        }

        foreach (Renderer part in parts[dropped..]) head.Add(part);
        head.Add(tail);
        return head.ToConversation(dropped);

        int? NextExchange(int from)
        {
            // What stands between two answers belongs together, and so do a question, the calls of tools that it led to and their results: what is dropped is a whole exchange.
            for (int i = from + 1; i < parts.Length; i++)
            {
                ConversationTurn turn = turns[system + i];
                if (turn is { Role: not ConversationRole.Assistant, IsToolResult: false } && turns[system + i - 1].Role == ConversationRole.Assistant) return i;
            }

            return null;
        }
    }

    /// <summary>Checks the order of a conversation that waits for an answer.</summary>
    internal void CheckPrompt(IReadOnlyList<ConversationTurn> turns)
    {
        CheckOrder(turns);
        int last = turns.Count - 1;
        if (turns[last].Role == ConversationRole.Assistant)
            throw new ConversationException(ConversationProblem.NothingToAnswer, last, $"The last turn, {last}, is the assistant's, and an answer is asked for; end the conversation with a turn of the user.");
    }

    private void CheckOrder(IReadOnlyList<ConversationTurn> turns)
    {
        ArgumentNullException.ThrowIfNull(turns);
        bool begun = false; // somebody other than the system has spoken
        for (int i = 0; i < turns.Count; i++)
        {
            if (turns[i]?.Content is null) throw new ArgumentException($"Turn {i} of the conversation, or its content, is null; leave the turn out, or give it a text.", nameof(turns));
            ConversationRole role = turns[i].Role;
            if (!Enum.IsDefined(role)) throw ConversationJson.UnknownRole(i, role.ToString());
            if (role == ConversationRole.System && SystemMarker is null)
                throw new ConversationException(ConversationProblem.SystemNotSupported, i, $"Turn {i} is the system's, and the chat template has none; leave it out, or put its text into a turn of the user.");
            if (RequiresAlternation && !begun && role == ConversationRole.Assistant)
                throw new ConversationException(ConversationProblem.StartsWithAssistant, i, $"Turn {i}, the first after the system's if there is one, is the assistant's; begin with a turn of the user, or set {nameof(RequiresAlternation)} to false in a template that the model was trained with.");
            if (RequiresAlternation && i > 0 && turns[i - 1].Role == role)
            {
                throw new ConversationException(ConversationProblem.RepeatedRole, i,
                    $"Turns {i - 1} and {i} are both the {ConversationJson.NameOf(role)}'s; join them, or set {nameof(RequiresAlternation)} to false in a template that the model was trained with.");
            }

            begun |= role != ConversationRole.System;
        }

        if (!begun) throw new ConversationException(ConversationProblem.Empty, null, $"The conversation has {(turns.Count == 0 ? "no turn" : "turns of the system alone")}; give it a turn of the user.");
    }

    private string MarkerOf(ConversationRole role) => role switch
    {
        ConversationRole.System => SystemMarker!,
        ConversationRole.User => UserMarker,
        _ => AssistantMarker,
    };

    private static void RequireText(string? text, string name)
    {
        if (string.IsNullOrEmpty(text)) throw new ArgumentException($"{name} of the chat template is {(text is null ? "null" : "empty")}; give it a text.", name);
    }

    [GeneratedRegex(@"<\|[^|<>]+\|>", RegexOptions.CultureInvariant)]
    private static partial Regex SpecialForm();

    /// <summary>Collects tokens.</summary>
    private sealed class Renderer(ChatTemplate template, GptTokenizer tokenizer)
    {
        private readonly List<int> _ids = [];
        private readonly List<bool> _assistant = [];

        public int Count => _ids.Count;

        public Renderer Add(ConversationTurn turn)
        {
            bool assistant = turn.Role == ConversationRole.Assistant;
            Add(template.MarkerOf(turn.Role));
            Add(tokenizer.Encode(turn.Content, SpecialTokenHandling.AsText), assistant);
            Add([tokenizer.SpecialTokens[template.EndOfTurn]], assistant);
            Add(template.AfterTurn);
            return this;
        }

        public void Add(string templateText) => Add(tokenizer.Encode(templateText), assistant: false);

        public void Add(Renderer other)
        {
            _ids.AddRange(other._ids);
            _assistant.AddRange(other._assistant);
        }

        public RenderedConversation ToConversation(int droppedTurns) => new([.. _ids], [.. _assistant], droppedTurns);

        private void Add(int[] ids, bool assistant)
        {
            _ids.AddRange(ids);
            _assistant.AddRange(Enumerable.Repeat(assistant, ids.Length));
        }
    }
}
