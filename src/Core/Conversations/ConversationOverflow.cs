namespace MLNet.Gpt;

/// <summary>What happens to a conversation that has more tokens than fit.</summary>
public enum ConversationOverflow
{
    /// <summary>It is an error, <see cref="PromptTooLongException"/>.</summary>
    Error,

    /// <summary>
    /// The oldest exchanges (a user's turn and the answers to it) are left out, as few as needed; a turn of the system between them goes with what follows it. The system's turn at the beginning and what stands behind
    /// the last answer, with the question and the calls of tools whose results it holds, always stay; where these alone do not fit, it is an error.
    /// </summary>
    DropOldestTurns,
}
