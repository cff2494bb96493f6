using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Measures of language models: <c>ml.Gpt().Evaluate</c>.</summary>
/// <remarks>Immutable and thread-safe. docs/evaluation.md says what each number is.</remarks>
public sealed class GptEvaluationCatalog
{
    // How many rows are read before they are scored together.
    private const int RowsAtOnce = 256;

    internal GptEvaluationCatalog(GptCatalog catalog) => Catalog = catalog;

    /// <summary>The catalog that this one belongs to.</summary>
    public GptCatalog Catalog { get; }

    /// <summary>Measures how well a model predicts the texts of a column: perplexity and bits per byte over the whole column.</summary>
    /// <param name="data">The data.</param>
    /// <param name="textColumnName">The text column.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">
    /// Batch size and memory; null for the defaults. <see cref="ScoringOptions.Overflow"/> is not read: a text longer than the context is scored in windows, each token once
    /// (<see cref="RollingWindows"/>). The columns that they name are not read either.
    /// </param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ColumnMismatchException">The column is missing, or is not text.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public CorpusScore LanguageModel(IDataView data, string textColumnName, GptModel model, ScoreTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        options = (options ?? new ScoreTextOptions { SpecialTokens = SpecialTokenHandling.AsText }) with { Overflow = PromptOverflow.KeepTail };
        options.Validate();
        DataViewSchema.Column column = TextColumnMapper.FindText(textColumnName, data.Schema);
        double likelihood = 0;
        long texts = 0, tokens = 0, bytes = 0;
        foreach (string[] batch in ReadText(data, column).Chunk(RowsAtOnce))
        {
            int[][] encoded = [.. batch.Select(text => model.Tokenizer.Encode(text, options.SpecialTokens))];
            ContinuationRequest[] windows = [.. encoded.SelectMany(text => RollingWindows.Of(text, model.Config.ContextLength))];
            likelihood += model.ScoreContinuations(windows, options, cancellationToken).Sum(scores => scores[0].LogLikelihood);
            texts += batch.Length;
            tokens += encoded.Sum(text => (long)text.Length);
            bytes += batch.Sum(text => (long)Encoding.UTF8.GetByteCount(text));
        }

        return new CorpusScore(likelihood, texts, tokens, bytes);
    }

    /// <summary>Measures how often a model finds the right one of each question's answers the likeliest, as EleutherAI's lm-evaluation-harness counts it.</summary>
    /// <param name="data">The data.</param>
    /// <param name="model">The model.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="choicesColumnName">The column of vectors of texts: each question's answers.</param>
    /// <param name="labelColumnName">The right answer: its place from 0 (Int32), a key (whose first value is the first answer), or its text.</param>
    /// <param name="options">Separator, batch size and memory; null for the defaults. The candidates and columns that they name are not read, nor is the normalisation: all are reported.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ColumnMismatchException">A column is missing, or of another type.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or a question's answers are blank, double, or do not contain the right one.</exception>
    public MultipleChoiceMetrics MultipleChoice(
        IDataView data,
        GptModel model,
        string promptColumnName = "Prompt",
        string choicesColumnName = "Choices",
        string labelColumnName = "Label",
        ScoreChoicesOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        options = (options ?? new ScoreChoicesOptions()) with { Normalization = ChoiceNormalization.None };
        DataViewSchema.Column prompt = TextColumnMapper.FindText(promptColumnName, data.Schema), choices = TextColumnMapper.FindText(new TextInput(choicesColumnName, IsVector: true), data.Schema);
        DataViewSchema.Column label = data.Schema.GetColumnOrNull(labelColumnName) ?? throw new ColumnMismatchException(labelColumnName, "Int32, a key or text", "no such column");
        var outcomes = new List<MultipleChoiceOutcome>();
        foreach (Question[] batch in ReadQuestions(data, prompt, choices, label).Chunk(RowsAtOnce))
        {
            IReadOnlyList<ChoiceScores> scores = model.ScoreChoices([.. batch.Select(one => one.Prompt)], [.. batch.Select(one => one.Choices)], options, cancellationToken);
            outcomes.AddRange(batch.Zip(scores, (one, found) => MultipleChoiceOutcome.Of(found, one.Answer)));
        }

        return new MultipleChoiceMetrics(outcomes);
    }

    private static IEnumerable<string> ReadText(IDataView data, DataViewSchema.Column column)
    {
        using DataViewRowCursor cursor = data.GetRowCursor([column]);
        var reader = new TextColumnReader(cursor, [column]);
        while (cursor.MoveNext()) yield return reader.Read()[0][0];
    }

    private static IEnumerable<Question> ReadQuestions(IDataView data, DataViewSchema.Column prompt, DataViewSchema.Column choices, DataViewSchema.Column label)
    {
        using DataViewRowCursor cursor = data.GetRowCursor([prompt, choices, label]);
        var reader = new TextColumnReader(cursor, [prompt, choices]);
        Func<IReadOnlyList<string>, int> answer = AnswerReader(cursor, label);
        while (cursor.MoveNext())
        {
            IReadOnlyList<string>[] texts = reader.Read();
            int right = answer(texts[1]);
            if ((uint)right >= (uint)texts[1].Count)
                throw new ArgumentException($"Row {cursor.Position}: the right answer in column '{label.Name}' is none of the {texts[1].Count} in column '{choices.Name}'. Correct the label, or leave the row out.", nameof(data));
            yield return new Question(texts[0][0], texts[1], right);
        }
    }

    private static Func<IReadOnlyList<string>, int> AnswerReader(DataViewRow row, DataViewSchema.Column label)
    {
        if (label.Type is TextDataViewType)
        {
            var reader = new TextColumnReader(row, [label]);
            return choices =>
            {
                string answer = reader.Read()[0][0];
                return Enumerable.Range(0, choices.Count).FirstOrDefault(i => choices[i] == answer, -1);
            };
        }

        if (label.Type is KeyDataViewType && label.Type.RawType == typeof(uint))
        {
            ValueGetter<uint> getKey = row.GetGetter<uint>(label);
            return _ =>
            {
                uint key = 0;
                getKey(ref key);
                return (int)key - 1;
            };
        }

        if (!label.Type.Equals(NumberDataViewType.Int32)) throw new ColumnMismatchException(label.Name, "Int32, a key of UInt32 or text", label.Type.ToString()!);
        ValueGetter<int> getNumber = row.GetGetter<int>(label);
        return _ =>
        {
            int number = 0;
            getNumber(ref number);
            return number;
        };
    }

    private sealed record Question(string Prompt, IReadOnlyList<string> Choices, int Answer);
}
