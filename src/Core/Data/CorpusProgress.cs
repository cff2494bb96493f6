namespace MLNet.Gpt;

/// <summary>How far <see cref="Corpus.Build"/> has come.</summary>
/// <param name="DocumentsRead">Documents taken from the source, duplicates and empty ones included.</param>
/// <param name="TokensWritten">Tokens written on both sides, the end-of-text ids included.</param>
public readonly record struct CorpusProgress(long DocumentsRead, long TokensWritten);
