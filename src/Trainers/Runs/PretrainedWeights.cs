namespace MLNet.Gpt;

/// <summary>An opened pretrained model.</summary>
internal sealed class PretrainedWeights : IDisposable
{
    private readonly GptCheckpoint? _checkpoint;

    /// <summary>Names what has been opened.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="tokenizer">Their tokenizer.</param>
    /// <param name="companions">What lies beside them.</param>
    /// <param name="checkpoint">What to close afterwards; null for nothing.</param>
    public PretrainedWeights(IGptWeights weights, GptTokenizer tokenizer, ModelCompanions companions, GptCheckpoint? checkpoint)
    {
        Weights = weights;
        Tokenizer = tokenizer;
        Companions = companions;
        _checkpoint = checkpoint;
    }

    /// <summary>The weights; a <see cref="GptNetwork"/> where the model is in memory.</summary>
    public IGptWeights Weights { get; }

    /// <summary>The model's tokenizer.</summary>
    public GptTokenizer Tokenizer { get; }

    /// <summary>The model's settings for generation and its chat template.</summary>
    public ModelCompanions Companions { get; }

    /// <summary>The checkpoint's folder; null where the model is in memory.</summary>
    public string? Folder => _checkpoint?.Folder;

    /// <summary>Opens a checkpoint.</summary>
    /// <exception cref="CorruptFileException">It can't be read, or has no tokenizer.</exception>
    public static PretrainedWeights Open(string folder)
    {
        GptCheckpoint checkpoint = GptCheckpoint.Open(folder);
        try
        {
            GptTokenizer tokenizer = checkpoint.Tokenizer
                ?? throw new CorruptFileException(checkpoint.Folder, "it has no tokenizer.", "Put tokenizer.json, or vocab.json and merges.txt, beside the weights.");
            return new(checkpoint, tokenizer, ModelCompanions.Load(checkpoint.Folder, tokenizer), checkpoint);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Checks that the tokenizer has the stop tokens of the generation that follows training.</summary>
    /// <exception cref="TokenOutOfRangeException">It lacks one.</exception>
    public void RequireKnown(IReadOnlyList<int> stopTokenIds)
    {
        if (stopTokenIds.FirstOrDefault(id => id >= Tokenizer.VocabularySize, -1) is >= 0 and int unknown)
            throw new TokenOutOfRangeException(unknown, Tokenizer.VocabularySize, "Generation.StopTokenIds");
    }

    /// <inheritdoc/>
    public void Dispose() => _checkpoint?.Dispose();
}
