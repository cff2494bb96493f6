namespace MLNet.Gpt;

/// <summary>What a chat client does where a call does not say.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record GptChatClientOptions
{
    /// <summary>The name that the client goes by, and that its answers carry. Default "gpt".</summary>
    public string ModelId { get; init; } = "gpt";

    /// <summary>
    /// How answers are generated where a call leaves it open. Default: <see cref="GenerationOptions"/>'s own values. Where <see cref="GenerationOptions.PromptOverflow"/> is null it is <see cref="PromptOverflow.KeepTail"/>:
    /// the oldest exchanges of a conversation that is too long are left out, never the system turn. With a fixed <see cref="GenerationOptions.Seed"/> the same conversation gets the same answer.
    /// </summary>
    public GenerationOptions Generation { get; init; } = new();

    /// <summary>How tools are told to the model and how it calls them. Default: the markers of Hermes and Qwen.</summary>
    public ChatToolFormat Tools { get; init; } = new();

    /// <summary>
    /// How many conversations the client keeps in memory for calls with a conversation id; the one that was used longest ago leaves first. 0 (the default) keeps none, and a conversation id is refused.
    /// </summary>
    public int MaxConversations { get; init; }

    /// <summary>
    /// The folder where conversations with an id are kept as files too, one for each, so that they go on when the program is started again, or when they have left the memory; null (the default) keeps none. The file is replaced after each
    /// answer, as a whole. Needs <see cref="MaxConversations"/> above 0. One client at a time may use a folder.
    /// </summary>
    public string? ConversationFolder { get; init; }

    /// <summary>The defaults with a model's own settings for generation.</summary>
    internal static GptChatClientOptions Of(GptModel model) => new() { Generation = model.Generation };

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(ModelId);
        ArgumentNullException.ThrowIfNull(Generation);
        ArgumentNullException.ThrowIfNull(Tools);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxConversations);
        if (ConversationFolder is not null)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(ConversationFolder);
            if (MaxConversations == 0) throw new ArgumentException($"{nameof(ConversationFolder)} is '{ConversationFolder}', and {nameof(MaxConversations)} is 0; set it to 1 or more.", nameof(ConversationFolder));
        }

        Tools.Validate();
        Generation.Validate();
        if (Generation.SamplesPerPrompt != 1)
            throw new ArgumentException($"{nameof(GenerationOptions.SamplesPerPrompt)} is {Generation.SamplesPerPrompt}, and a chat client gives one answer; set it to 1.", nameof(Generation));
    }
}
