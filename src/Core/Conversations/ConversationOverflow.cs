namespace MLNet.Gpt;

/// <summary>What happens to a conversation that has more tokens than fit.</summary>
public enum ConversationOverflow
{
    /// <summary>It is an error, <see cref="PromptTooLongException"/>.</summary>
    Error,

    /// <summary>
    /// The oldest exchanges (a user's turn and the answers to it) are left out, as few as needed. The system turn and the last user's turn always stay; where
    /// these alone do not fit, it is an error.
    /// </summary>
    DropOldestTurns,
}
