namespace MLNet.Gpt;

/// <summary>Who speaks in a turn of a conversation.</summary>
public enum ConversationRole
{
    /// <summary>Instructions for the whole conversation; only the first turn can have this role.</summary>
    System,

    /// <summary>The person who asks.</summary>
    User,

    /// <summary>The model that answers.</summary>
    Assistant,
}
