using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>A prompt that a policy is to answer.</summary>
/// <param name="Row">Its row in the data view, from 0.</param>
/// <param name="Text">As its column has it.</param>
/// <param name="Tokens">As the policy reads it, 1 or more.</param>
internal sealed record PolicyPrompt(long Row, string Text, int[] Tokens);

/// <summary>Reads prompts as generation reads them, and leaves room for the responses.</summary>
/// <param name="tokenizer">The policy's tokenizer.</param>
/// <param name="beginTokenId">What an empty prompt begins with.</param>
/// <param name="template">The chat template of conversations; null where prompts are texts.</param>
/// <param name="contextLength">The positions that the policy and its value model have.</param>
/// <param name="judges">The reward models that read prompts and responses.</param>
/// <param name="options">Room, special tokens, overflow.</param>
internal sealed class PolicyPrompts(GptTokenizer tokenizer, int beginTokenId, ChatTemplate? template, int contextLength, IReadOnlyList<(string Name, GptRewardModel Model)> judges, PolicyOptimizationOptions options)
{
    // The last token of a response has no position of its own in the policy; in a reward model it has, and what the head adds too. One that cuts prompts needs room for one token of them.
    private readonly (string In, string Beside, int Most, int Room)[] _rooms =
    [
        ($"a context of {contextLength}", $"the context of {contextLength}", contextLength, contextLength + 1 - options.Rollout.MaxNewTokens),
        .. judges.Select(judge =>
        {
            (string text, int most) = ($"the {judge.Model.Config.ContextLength} positions of the reward model '{judge.Name}'", judge.Model.Config.ContextLength - judge.Model.Head.AddedTokenCount - 1);
            int room = most + 1 - options.Rollout.MaxNewTokens;
            return (text, text, most, room >= 1 && judge.Model.Head.Overflow == PromptOverflow.KeepTail ? int.MaxValue : room);
        }),
    ];

    /// <summary>The prompts that were cut.</summary>
    public int TruncatedCount { get; private set; }

    /// <summary>Reads a column.</summary>
    /// <exception cref="TrainingExampleException">A prompt leaves no room for a response, is no conversation that waits for an answer, or there is none.</exception>
    public List<PolicyPrompt> Read(IDataView view, string column)
    {
        (string within, string beside, int most, int room) = _rooms.MinBy(static one => one.Room);
        if (room < 1)
            throw new TrainingExampleException(null, $"a response of Rollout.MaxNewTokens = {options.Rollout.MaxNewTokens} tokens leaves no room for a prompt in {within}.", $"Lower it to {most} or less.");
        var prompts = new List<PolicyPrompt>();
        foreach (string text in TextColumn.Read(view, column))
        {
            options.Run.CancellationToken.ThrowIfCancellationRequested();
            prompts.Add(new(prompts.Count, text, Tokens(prompts.Count, text, column, room, beside)));
        }

        return prompts.Count > 0 ? prompts : throw new TrainingExampleException(null, "there is no prompt.", $"Give rows with a text in column '{column}'.");
    }

    private int[] Tokens(long row, string text, string column, int room, string beside)
    {
        bool cut = options.Rollout.PromptOverflow == PromptOverflow.KeepTail;
        int[] tokens;
        if (template is not null)
        {
            try
            {
                RenderedConversation conversation = template.RenderPrompt(ConversationJson.Parse(text), tokenizer, cut ? room : null, cut ? ConversationOverflow.DropOldestTurns : ConversationOverflow.Error);
                if (conversation.DroppedTurnCount > 0) TruncatedCount++;
                tokens = [.. conversation.TokenIds];
            }
            catch (Exception exception) when (exception is ConversationException or PromptTooLongException)
            {
                throw new TrainingExampleException(row, $"the conversation in column '{column}' can't be a prompt.", exception.Message, exception);
            }
        }
        else
        {
            tokens = tokenizer.Encode(text, options.Generation.SpecialTokens);
            if (tokens.Length == 0) tokens = [beginTokenId];
            if (cut && tokens.Length > room)
            {
                tokens = tokens[^room..];
                TruncatedCount++;
            }
        }

        return tokens.Length <= room ? tokens
            : throw new TrainingExampleException(row, $"the prompt in column '{column}' has {tokens.Length} tokens, and leaves no room for a response of {options.Rollout.MaxNewTokens}: {room} fit {beside} beside it.",
                $"Shorten it, lower Rollout.MaxNewTokens, or set Rollout.{nameof(RolloutOptions.PromptOverflow)} to {nameof(PromptOverflow.KeepTail)}.");
    }
}
