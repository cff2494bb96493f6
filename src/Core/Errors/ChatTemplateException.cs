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

    /// <summary>Creates the exception for a template's file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problem">What is wrong, as a sentence that names the file.</param>
    /// <param name="remedy">What the user can do about it, as a sentence.</param>
    /// <param name="innerException">What went wrong underneath; null (the default) for nothing.</param>
    public ChatTemplateException(string path, string problem, string remedy, Exception? innerException = null)
        : base($"{problem} {remedy}", innerException) => Path = path;

    /// <summary>The template's file; null where no file is to blame.</summary>
    public string? Path { get; }
}
