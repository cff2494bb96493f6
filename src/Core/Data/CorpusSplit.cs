namespace MLNet.Gpt;

/// <summary>How a corpus is divided into a training and a validation side.</summary>
public enum CorpusSplit
{
    /// <summary>
    /// Each document goes to one side, decided by the hash of its text and the seed: the same document always falls on the same
    /// side, whatever else the corpus holds. For corpora of many documents.
    /// </summary>
    ByDocument,

    /// <summary>
    /// Each document is cut: its end, the validation fraction of its characters, is validation text. For a single long text, as
    /// nanoGPT divides Shakespeare 90 to 10.
    /// </summary>
    ByPosition,
}
