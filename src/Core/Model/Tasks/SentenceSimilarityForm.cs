namespace MLNet.Gpt;

/// <summary>Two texts without an order: a sequence for each order, whose last hidden states are added.</summary>
internal sealed class SentenceSimilarityForm : TaskForm
{
    public override SupervisedTask Task => SupervisedTask.SentenceSimilarity;

    public override int LeastTexts => 2;

    public override int LeastContext => 5;

    public override int SequencesPerOutput => 2;

    public override bool OffersRegression => true;

    // The smaller text leads whatever the caller's order: the same rows at the same places make the result the same to the last bit.
    public override int[][] Sequences(TaskLayout layout, IReadOnlyList<int[]> texts)
    {
        (int[] lead, int[] follow) = texts[0].AsSpan().SequenceCompareTo(texts[1]) <= 0 ? (texts[0], texts[1]) : (texts[1], texts[0]);
        return [layout.Two(lead, follow), layout.Two(follow, lead)];
    }
}
