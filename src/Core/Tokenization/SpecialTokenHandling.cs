namespace MLNet.Gpt;

/// <summary>What <see cref="GptTokenizer.Encode"/> makes of a special token's text, such as "&lt;|endoftext|&gt;", inside a text.</summary>
public enum SpecialTokenHandling
{
    /// <summary>It becomes the special token, as in Hugging Face's tokenizers; where several fit at one place, the longest does. For prompts and templates.</summary>
    Recognize,

    /// <summary>It is text like any other, so that nobody's document can end another. For training corpora and text from strangers.</summary>
    AsText,
}
