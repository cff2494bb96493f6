namespace MLNet.Gpt;

/// <summary>What is wrong with a conversation.</summary>
public enum ConversationProblem
{
    /// <summary>It has no turn at all, or a system turn alone.</summary>
    Empty,

    /// <summary>A turn's role is none of "system", "user" and "assistant".</summary>
    UnknownRole,

    /// <summary>The assistant speaks first.</summary>
    StartsWithAssistant,

    /// <summary>Two turns of the same role follow each other, and the template wants them to alternate.</summary>
    RepeatedRole,

    /// <summary>A system turn is not the first one.</summary>
    MisplacedSystem,

    /// <summary>It has a system turn, and the template has none.</summary>
    SystemNotSupported,

    /// <summary>An answer is asked for, and the last turn is not the user's.</summary>
    NothingToAnswer,

    /// <summary>The text is not a conversation in JSON.</summary>
    MalformedJson,
}
