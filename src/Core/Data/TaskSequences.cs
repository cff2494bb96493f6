namespace MLNet.Gpt;

/// <summary>Lays out the texts of an example as token sequences (Radford et al. 2018, section 3.3 and figure 1).</summary>
/// <remarks>
/// V is the model's vocabulary: the ids V, V + 1 and V + 2 stand for the Start, Delimiter and Extract tokens, whose embeddings belong to the
/// task head.
/// </remarks>
internal static class TaskSequences
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
        int needed = TaskForm.Of(task).LeastContext;
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
        TaskForm form = TaskForm.Of(head.Task);
        if (!form.Takes(texts.Count)) throw new ArgumentException($"{head.Task} takes {form.TextCount} texts, but {texts.Count} are given.", nameof(texts));
        var layout = new TaskLayout(config, head.Truncation);
        int[][] sequences = form.Sequences(layout, texts);
        droppedTokens = layout.DroppedTokens;
        return sequences;
    }
}
