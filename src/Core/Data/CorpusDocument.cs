using System.Text;

namespace MLNet.Gpt;

/// <summary>A tokenized text and its length in bytes of UTF-8.</summary>
internal readonly record struct CorpusText(int[] Tokens, long ByteCount)
{
    public static CorpusText Of(string text, GptTokenizer tokenizer) =>
        text.Length == 0 ? new([], 0) : new(tokenizer.Encode(text, SpecialTokenHandling.AsText), Encoding.UTF8.GetByteCount(text));
}

/// <summary>A tokenized document: whole, with the number in [0, 1) that decides its side, or cut into its two parts.</summary>
internal readonly record struct CorpusDocument(double Draw, CorpusText Train, CorpusText? Validation)
{
    /// <summary>A document to be split by its draw.</summary>
    public static CorpusDocument Whole(string text, double draw, GptTokenizer tokenizer) => new(draw, CorpusText.Of(text, tokenizer), null);

    /// <summary>A document cut so that its last <paramref name="validationFraction"/> of characters, rounded up, is validation text. A surrogate pair stays whole.</summary>
    public static CorpusDocument Cut(string text, double validationFraction, GptTokenizer tokenizer)
    {
        int cut = CutAt(text, validationFraction);
        return new(0, CorpusText.Of(text[..cut], tokenizer), CorpusText.Of(text[cut..], tokenizer));
    }

    /// <summary>Where the validation part of a document begins.</summary>
    public static int CutAt(string text, double validationFraction)
    {
        int cut = (int)(text.Length * (1 - validationFraction));
        return cut > 0 && cut < text.Length && char.IsLowSurrogate(text[cut]) && char.IsHighSurrogate(text[cut - 1]) ? cut - 1 : cut;
    }
}
