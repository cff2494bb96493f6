namespace MLNet.Gpt;

/// <summary>What is wrong with a conversation.</summary>
public enum ConversationProblem
{
    /// <summary>It has no turn at all, or turns of the system alone.</summary>
    Empty,

    /// <summary>A turn's role is none of "system", "user" and "assistant".</summary>
    UnknownRole,

    /// <summary>The assistant speaks first.</summary>
    StartsWithAssistant,

    /// <summary>Two turns of the same role follow each other, and the template wants them to alternate.</summary>
    RepeatedRole,

    /// <summary>It has a system turn, and the template has none.</summary>
    SystemNotSupported,

    /// <summary>An answer is asked for, and the last turn is the assistant's.</summary>
    NothingToAnswer,

    /// <summary>The text is not a conversation in JSON.</summary>
    MalformedJson,
}
