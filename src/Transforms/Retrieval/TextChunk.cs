namespace MLNet.Gpt;

/// <summary>A part of a text.</summary>
/// <param name="Text">The part.</param>
/// <param name="Start">Where it begins in the text, in UTF-16 units.</param>
/// <param name="TokenCount">The tokens that it has when it is encoded by itself.</param>
public readonly record struct TextChunk(string Text, int Start, int TokenCount);
