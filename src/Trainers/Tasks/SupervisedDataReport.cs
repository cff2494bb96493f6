namespace MLNet.Gpt;

/// <summary>What was found in the rows of a labelled set.</summary>
/// <param name="Rows">All rows.</param>
/// <param name="MissingLabels">Rows without a label (a key of 0, a regression's NaN), which are left out.</param>
/// <param name="UnseenLabels">Rows of a validation set whose label the training set's keys do not have: they count as wrong in the accuracy and are left out of the loss.</param>
/// <param name="EmptyTexts">Rows of which a text is empty; they are used as they are.</param>
/// <param name="TruncatedRows">Rows whose texts did not fit the context.</param>
/// <param name="DroppedTokens">The tokens that were cut off, in all sequences.</param>
public sealed record SupervisedDataReport(int Rows, int MissingLabels, int UnseenLabels, int EmptyTexts, int TruncatedRows, long DroppedTokens)
{
    /// <summary>One line for a log.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Rows:N0} rows, {MissingLabels:N0} without a label (left out), {UnseenLabels:N0} with a label that training does not know, {EmptyTexts:N0} with an empty text, {TruncatedRows:N0} cut to fit the context ({DroppedTokens:N0} tokens dropped)");
}
