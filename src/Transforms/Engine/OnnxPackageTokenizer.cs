namespace MLNet.Gpt;

/// <summary>The tokenizer beside an ONNX package, which must be the one that the model was trained with.</summary>
internal static class OnnxPackageTokenizer
{
    /// <summary>Opens it.</summary>
    /// <param name="folder">The package.</param>
    /// <param name="trainedHash">The hash of the tokenizer that the model was trained with; null where the package does not tell.</param>
    /// <exception cref="CheckpointNotFoundException">The tokenizer's files are missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says.</exception>
    /// <exception cref="TokenizerMismatchException">The model was trained with another tokenizer.</exception>
    public static GptTokenizer Load(string folder, string? trainedHash)
    {
        GptTokenizer tokenizer = GptTokenizer.Load(folder);
        return trainedHash is null || trainedHash == tokenizer.Hash ? tokenizer
            : throw new TokenizerMismatchException(folder, $"the tokenizer {trainedHash}", $"the tokenizer {tokenizer.Hash} beside it", "Put the model's own tokenizer files back, or export the model again.");
    }
}
