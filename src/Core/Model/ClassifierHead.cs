using System.Globalization;

namespace MLNet.Gpt;

/// <summary>What a GPT with a task head computes, beyond the shape of its network.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ClassifierHead
{
    /// <summary>The task.</summary>
    public required SupervisedTask Task { get; init; }

    /// <summary>
    /// The names of the classes, one for each output of the linear head, in the order of their keys. Empty for a regression and for
    /// <see cref="SupervisedTask.MultipleChoice"/>, whose heads have one output.
    /// </summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>Whether the output is a number as it stands and not the logits of classes. <see cref="SupervisedTask.SentenceSimilarity"/> only.</summary>
    public bool IsRegression { get; init; }

    /// <summary>Which part of a text stays where it does not fit the context. Default <see cref="TextTruncation.Head"/>.</summary>
    public TextTruncation Truncation { get; init; } = TextTruncation.Head;

    /// <summary>What a special token's text in a text means. Default <see cref="SpecialTokenHandling.AsText"/>: the texts are data, not markup.</summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.AsText;

    /// <summary>K: the outputs of the linear head.</summary>
    public int OutputCount => Labels.Count > 0 ? Labels.Count : 1;

    /// <summary>The sequences whose last hidden states are added before the head: 2 for <see cref="SupervisedTask.SentenceSimilarity"/>, else 1.</summary>
    public int SequencesPerOutput => Form.SequencesPerOutput;

    /// <summary>What is particular to the task.</summary>
    internal TaskForm Form => TaskForm.Of(Task);

    /// <summary>Checks that the values fit together.</summary>
    /// <returns>This head.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public ClassifierHead Validate()
    {
        foreach ((Enum value, string name) in ((Enum, string)[])[(Task, nameof(Task)), (Truncation, nameof(Truncation)), (SpecialTokens, nameof(SpecialTokens))])
        {
            if (!Enum.IsDefined(value.GetType(), value))
                throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames(value.GetType()))}.");
        }

        if (IsRegression && !Form.OffersRegression)
            throw new ArgumentException($"A regression is offered for {SupervisedTask.SentenceSimilarity} only, not for {Task}.", nameof(IsRegression));
        bool single = IsRegression || !Form.HasOutputPerClass;
        if (single ? Labels.Count != 0 : Labels.Count < 2)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{Labels.Count} labels are given; {(single ? "a head of one output has none" : "a classification needs 2 or more")}."), nameof(Labels));
        return this;
    }
}
