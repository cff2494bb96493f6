namespace MLNet.Gpt;

/// <summary>A chat template is missing, or can't be used with a tokenizer.</summary>
public sealed class ChatTemplateException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="problem">What is wrong, as a sentence.</param>
    /// <param name="remedy">What the user can do about it, as a sentence.</param>
    public ChatTemplateException(string problem, string remedy)
        : base($"{problem} {remedy}")
    {
    }
}
