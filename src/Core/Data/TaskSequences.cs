namespace MLNet.Gpt;

/// <summary>Lays out the texts of an example as token sequences (Radford et al. 2018, section 3.3 and figure 1).</summary>
/// <remarks>
/// V is the model's vocabulary: the ids V, V + 1 and V + 2 stand for the Start, Delimiter and Extract tokens, whose embeddings belong to the
/// task head.
/// </remarks>
public static class TaskSequences
{
    /// <summary>The number of tokens that a task head brings: Start, Delimiter and Extract.</summary>
    public const int SpecialTokenCount = 3;

    /// <summary>The id of Start.</summary>
    /// <param name="config">The model's shape.</param>
    public static int StartId(GptConfig config) => config.VocabularySize;

    /// <summary>The id of Delimiter.</summary>
    /// <param name="config">The model's shape.</param>
    public static int DelimiterId(GptConfig config) => config.VocabularySize + 1;

    /// <summary>The id of Extract, the last token of each sequence, at whose place the head reads.</summary>
    /// <param name="config">The model's shape.</param>
    public static int ExtractId(GptConfig config) => config.VocabularySize + 2;

    /// <summary>Checks that the context has room for the special tokens and one token of each text.</summary>
    /// <param name="task">The task.</param>
    /// <param name="config">The model's shape.</param>
    /// <exception cref="ContextTooShortException">It has not.</exception>
    public static void RequireRoom(SupervisedTask task, GptConfig config)
    {
        int needed = task == SupervisedTask.TextClassification ? 3 : 5;
        if (config.ContextLength < needed) throw new ContextTooShortException(task, config.ContextLength, needed);
    }

    /// <summary>Lays out an example.</summary>
    /// <param name="head">The task and the rule for what does not fit.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="texts">
    /// Tokens of the example's texts: one for classification, two for entailment (premise, hypothesis) and similarity, the context and two or
    /// more answers for multiple choice. A text may be empty.
    /// </param>
    /// <param name="droppedTokens">How many tokens were cut off, in all sequences.</param>
    /// <returns>The sequences, each at most the context length: one; both orders for similarity; one for each answer for multiple choice.</returns>
    /// <exception cref="ArgumentException">The number of texts is not the task's.</exception>
    /// <exception cref="ContextTooShortException">The context has no room for the special tokens and one token of each text.</exception>
    public static int[][] Build(ClassifierHead head, GptConfig config, IReadOnlyList<int[]> texts, out int droppedTokens)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(texts);
        RequireRoom(head.Task, config);
        (int least, int most) = TextsOf(head.Task);
        if (texts.Count < least || texts.Count > most)
            throw new ArgumentException($"{head.Task} takes {(most == int.MaxValue ? $"{least} or more" : $"{least}")} texts, but {texts.Count} are given.", nameof(texts));
        int dropped = 0;
        int[][] sequences = head.Task switch
        {
            SupervisedTask.TextClassification => [One(texts[0])],
            SupervisedTask.TextEntailment => [Two(texts[0], texts[1])],
            SupervisedTask.SentenceSimilarity => BothOrders(texts[0], texts[1]),
            _ => [.. texts.Skip(1).Select(answer => Two(texts[0], answer))],
        };
        droppedTokens = dropped;
        return sequences;

        int[] One(int[] text) => [StartId(config), .. Cut(text, config.ContextLength - 2), ExtractId(config)];

        // The smaller text leads whatever the caller's order: the same rows at the same places make the result the same to the last bit.
        int[][] BothOrders(int[] a, int[] b)
        {
            (int[] lead, int[] follow) = a.AsSpan().SequenceCompareTo(b) <= 0 ? (a, b) : (b, a);
            return [Two(lead, follow), Two(follow, lead)];
        }

        int[] Two(int[] first, int[] second)
        {
            int room = config.ContextLength - SpecialTokenCount;
            int firstRoom = Math.Max(room - second.Length, (room + 1) / 2), secondRoom = Math.Max(room - first.Length, room / 2);
            return [StartId(config), .. Cut(first, firstRoom), DelimiterId(config), .. Cut(second, secondRoom), ExtractId(config)];
        }

        ReadOnlySpan<int> Cut(int[] text, int room)
        {
            if (text.Length <= room) return text;
            dropped += text.Length - room;
            return head.Truncation switch
            {
                TextTruncation.Head => text.AsSpan(0, room),
                TextTruncation.Tail => text.AsSpan(text.Length - room),
                _ => (int[])[.. text.AsSpan(0, (room + 1) / 2), .. text.AsSpan(text.Length - (room / 2))],
            };
        }
    }

    /// <summary>The least and the most texts of an example.</summary>
    /// <param name="task">The task.</param>
    public static (int Least, int Most) TextsOf(SupervisedTask task) => task switch
    {
        SupervisedTask.TextClassification => (1, 1),
        SupervisedTask.MultipleChoice => (3, int.MaxValue),
        _ => (2, 2),
    };
}
