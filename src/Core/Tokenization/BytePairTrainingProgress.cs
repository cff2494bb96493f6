namespace MLNet.Gpt;

/// <summary>How far the training of a vocabulary is.</summary>
/// <param name="TextsRead">The texts read so far.</param>
/// <param name="CharactersRead">Their length, in UTF-16 units.</param>
/// <param name="DistinctWords">The distinct words found so far.</param>
/// <param name="VocabularySize">The tokens of the vocabulary so far; 0 while texts are still being read.</param>
/// <param name="TargetVocabularySize">The tokens to end with, unless pairs run out before.</param>
public readonly record struct BytePairTrainingProgress(long TextsRead, long CharactersRead, int DistinctWords, int VocabularySize, int TargetVocabularySize);
