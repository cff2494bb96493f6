namespace MLNet.Gpt;

/// <summary>A conversation as tokens.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record RenderedConversation
{
    internal RenderedConversation(int[] tokenIds, bool[] isAssistant, int droppedTurnCount)
    {
        TokenIds = tokenIds;
        IsAssistant = isAssistant;
        DroppedTurnCount = droppedTurnCount;
    }

    /// <summary>n token ids.</summary>
    public IReadOnlyList<int> TokenIds { get; }

    /// <summary>
    /// For each of the n tokens whether the assistant wrote it: the content of its turns, and the token that ends each. The loss of supervised fine-tuning is taken on
    /// these alone. The markers before and behind are the template's.
    /// </summary>
    public IReadOnlyList<bool> IsAssistant { get; }

    /// <summary>How many turns were left out because they did not fit; 0 unless <see cref="ConversationOverflow.DropOldestTurns"/> was asked for.</summary>
    public int DroppedTurnCount { get; }
}
