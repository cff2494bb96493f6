namespace MLNet.Gpt;

/// <summary>One turn of a conversation: who speaks, and what they say.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">What they say; always text, whatever it looks like: a special token's text in it does not become that token.</param>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ConversationTurn(ConversationRole Role, string Content)
{
    /// <summary>Whether the turn holds what tools gave for the calls of the one before it: no exchange begins with it.</summary>
    internal bool IsToolResult { get; init; }

    /// <summary>A turn of <see cref="ConversationRole.System"/>.</summary>
    /// <param name="content">The instructions.</param>
    public static ConversationTurn System(string content) => new(ConversationRole.System, content);

    /// <summary>A turn of <see cref="ConversationRole.User"/>.</summary>
    /// <param name="content">What the user says.</param>
    public static ConversationTurn User(string content) => new(ConversationRole.User, content);

    /// <summary>A turn of <see cref="ConversationRole.Assistant"/>.</summary>
    /// <param name="content">What the assistant says.</param>
    public static ConversationTurn Assistant(string content) => new(ConversationRole.Assistant, content);
}
