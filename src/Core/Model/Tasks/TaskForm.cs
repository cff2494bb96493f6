using System.Globalization;

namespace MLNet.Gpt;

/// <summary>
/// What is particular to one of GPT-1's supervised tasks (Radford et al. 2018, section 3.3 and figure 1): the texts that it reads, the sequences that they become, and the
/// outputs of its head. Everything else is the same for all of them. What is particular to a kind of label is the trainer's <c>TaskObjective</c>.
/// </summary>
/// <remarks>Without state; may be shared between threads.</remarks>
internal abstract class TaskForm
{
    private static readonly TaskForm[] All = [new TextClassificationForm(), new TextEntailmentForm(), new SentenceSimilarityForm(), new MultipleChoiceForm()];

    /// <summary>The task.</summary>
    public abstract SupervisedTask Task { get; }

    /// <summary>The fewest texts of an example.</summary>
    public abstract int LeastTexts { get; }

    /// <summary>The most texts of an example: <see cref="LeastTexts"/>, unless the task says otherwise.</summary>
    public virtual int MostTexts => LeastTexts;

    /// <summary>How many texts an example has, in words: "2", "3 or more".</summary>
    public string TextCount => string.Create(CultureInfo.InvariantCulture, $"{LeastTexts}{(MostTexts == int.MaxValue ? " or more" : "")}");

    /// <summary>The positions that a sequence needs at least: its special tokens and a token of each of its texts.</summary>
    public abstract int LeastContext { get; }

    /// <summary>The sequences whose last hidden states are added before the head.</summary>
    public virtual int SequencesPerOutput => 1;

    /// <summary>Whether the head has an output for each class; else one, which is read once for each answer.</summary>
    public virtual bool HasOutputPerClass => true;

    /// <summary>Whether the head may give a number instead of classes.</summary>
    public virtual bool OffersRegression => false;

    /// <summary>How transformers calls such a model, after the name of the network.</summary>
    public virtual string Architecture => "ForSequenceClassification";

    /// <summary>The strategy of a task.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such task.</exception>
    public static TaskForm Of(SupervisedTask task) => Array.Find(All, form => form.Task == task)
        ?? throw new ArgumentOutOfRangeException(nameof(task), task, $"The task is {task}; it must be one of {string.Join(", ", All.Select(static form => form.Task))}.");

    /// <summary>Lays out an example.</summary>
    /// <param name="layout">Cuts the texts to the context and puts the special tokens around them.</param>
    /// <param name="texts">The tokens of the texts, as many as the task reads.</param>
    public abstract int[][] Sequences(TaskLayout layout, IReadOnlyList<int[]> texts);

    /// <summary>The columns among the text columns whose names are the classes' names; null where the label's values name them.</summary>
    /// <param name="textColumns">The text columns in the task's order.</param>
    public virtual IReadOnlyList<string>? ClassColumns(IReadOnlyList<string> textColumns) => null;

    /// <summary>Whether so many texts make an example.</summary>
    public bool Takes(int texts) => texts >= LeastTexts && texts <= MostTexts;
}
