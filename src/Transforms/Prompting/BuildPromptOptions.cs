namespace MLNet.Gpt;

/// <summary>How prompts are built: zero-, one- or few-shot (Brown et al. 2020, figure 2.1).</summary>
/// <remarks>Immutable; may be shared between threads. A prompt is instruction, examples, query; the examples are each followed by <see cref="ExampleSeparator"/>.</remarks>
public sealed record BuildPromptOptions
{
    /// <summary>The query: a text with the names of text columns in braces, such as <c>"Review: {Text}\nSentiment:"</c>. It names at least one.</summary>
    public required string Template { get; init; }

    /// <summary>What the prompt begins with: the task in words. Default empty.</summary>
    public string Instruction { get; init; } = "";

    /// <summary>An example: as <see cref="Template"/>, with columns of the examples' data, and with the answer. Null (the default) for a zero-shot prompt.</summary>
    public string? ExampleTemplate { get; init; }

    /// <summary>What follows each example. Default a blank line.</summary>
    public string ExampleSeparator { get; init; } = "\n\n";

    /// <summary>How many examples a prompt shows, 0 or more: 0 (the default) is zero-shot, 1 one-shot, GPT-3 used 10 to 100.</summary>
    public int ExampleCount { get; init; }

    /// <summary>Which examples. Default <see cref="ExampleSelection.First"/>.</summary>
    public ExampleSelection Selection { get; init; } = ExampleSelection.First;

    /// <summary>The seed of the draws. Default 0; without effect for <see cref="ExampleSelection.First"/>.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// The most tokens of a prompt: the model's context length less the tokens of the answer. Null (the default) sets no limit. A tokenizer is needed with it.
    /// </summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// Whether a prompt that exceeds <see cref="MaxTokens"/> shows fewer examples, the last selected leaving first. Default true; with false it is an error,
    /// <see cref="ExamplesDoNotFitException"/>. A prompt that does not fit without examples is an error in both cases, <see cref="PromptTooLongException"/>.
    /// </summary>
    public bool AllowFewerExamples { get; init; } = true;

    /// <summary>The Int32 column of how many examples a prompt shows. Null (the default) leaves it out.</summary>
    public string? ExampleCountColumnName { get; init; }

    /// <summary>Checks every value and how they fit together.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    /// <exception cref="PromptTemplateException">A template is malformed.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Template);
        ArgumentNullException.ThrowIfNull(Instruction);
        ArgumentNullException.ThrowIfNull(ExampleSeparator);
        if (PromptTemplate.Parse(Template).Fields.Count == 0)
            throw new ArgumentException($"{nameof(Template)} '{Template}' names no column, so that every prompt would be the same; write a column's name in braces.", nameof(Template));
        if (ExampleTemplate is not null) PromptTemplate.Parse(ExampleTemplate);
        if (ExampleCount < 0) throw new ArgumentOutOfRangeException(nameof(ExampleCount), ExampleCount, $"{nameof(ExampleCount)} is {ExampleCount}; it must be 0 or more.");
        if (ExampleCount > 0 && ExampleTemplate is null)
            throw new ArgumentException($"{nameof(ExampleCount)} is {ExampleCount} and {nameof(ExampleTemplate)} is null; set it, or ask for no examples.", nameof(ExampleTemplate));
        if (!Enum.IsDefined(Selection)) throw new ArgumentOutOfRangeException(nameof(Selection), Selection, $"{nameof(Selection)} is {Selection}; it must be one of {string.Join(", ", Enum.GetNames<ExampleSelection>())}.");
        if (MaxTokens < 1) throw new ArgumentOutOfRangeException(nameof(MaxTokens), MaxTokens, $"{nameof(MaxTokens)} is {MaxTokens}; it must be 1 or more, or null for no limit.");
    }
}
