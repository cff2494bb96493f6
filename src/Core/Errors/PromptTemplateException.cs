namespace MLNet.Gpt;

/// <summary>A prompt template is malformed.</summary>
public sealed class PromptTemplateException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="template">The template.</param>
    /// <param name="position">Where in it the fault is, from 0.</param>
    /// <param name="problem">What is wrong, as a clause.</param>
    public PromptTemplateException(string template, int position, string problem)
        : base($"The prompt template '{template}' is wrong at character {position}: {problem}. Write a field as {{ColumnName}}, and a brace that is text as {{{{ or }}}}.")
    {
        Template = template;
        Position = position;
    }

    /// <summary>The template.</summary>
    public string Template { get; }

    /// <summary>Where in it the fault is, from 0.</summary>
    public int Position { get; }
}
