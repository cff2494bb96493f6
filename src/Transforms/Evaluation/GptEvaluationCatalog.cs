using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Measures of language models: <c>ml.Gpt().Evaluate</c>.</summary>
/// <remarks>Immutable and thread-safe. docs/evaluation.md says what each number is.</remarks>
public sealed partial class GptEvaluationCatalog
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
    /// Batch size, memory and special tokens; null for the defaults, with which the texts of special tokens are those tokens, as in lm-evaluation-harness. <see cref="ScoringOptions.Overflow"/> is not
    /// read: a text longer than the context is scored in windows, each token once. The columns that they name are not read either.
    /// </param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ColumnMismatchException">The column is missing, or is not text.</exception>
    /// <exception cref="TextRowException">A character-level tokenizer has no token for a character of a row; the row is named.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public CorpusScore LanguageModel(IDataView data, string textColumnName, GptModel model, ScoreTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        options = (options ?? new ScoreTextOptions()) with { Overflow = PromptOverflow.KeepTail };
        options.Validate();
        DataViewSchema.Column column = TextColumnMapper.FindText(textColumnName, data.Schema);
        var found = new List<TextLikelihood>();
        foreach (string[] batch in ReadText(data, column).Chunk(RowsAtOnce))
        {
            cancellationToken.ThrowIfCancellationRequested();
            int[][] encoded = [.. batch.Select((text, i) => Encode(text, found.Count + i))];
            ContinuationRequest[][] windows = [.. encoded.Select(text => RollingWindows.Of(text, model.Config.ContextLength).ToArray())];
            IReadOnlyList<IReadOnlyList<SequenceScore>> scores = model.ScoreContinuations([.. windows.SelectMany(static each => each)], options, cancellationToken);
            int at = 0;
            for (int i = 0; i < batch.Length; i++)
            {
                double likelihood = 0;
                for (int w = 0; w < windows[i].Length; w++) likelihood += scores[at++][0].LogLikelihood;
                found.Add(new(likelihood, encoded[i].Length, Encoding.UTF8.GetByteCount(batch[i]), WhiteSpace().Count(batch[i]) + 1));
            }
        }

        return new CorpusScore(found);

        int[] Encode(string text, long row)
        {
            try
            {
                return model.Tokenizer.Encode(text, options.SpecialTokens);
            }
            catch (UnknownCharacterException exception)
            {
                throw new TextRowException(row, [column.Name], exception);
            }
        }
    }

    /// <summary>Measures how often a model finds the right one of each question's answers the likeliest, as EleutherAI's lm-evaluation-harness counts it.</summary>
    /// <param name="data">The data.</param>
    /// <param name="model">The model.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="choicesColumnName">The column of vectors of texts: each question's answers.</param>
    /// <param name="labelColumnName">The right answer: its place from 0 (Int32), a key (whose first value is the first answer), or its text.</param>
    /// <param name="options">
    /// Separator, batch size and memory; null for the defaults. The candidates and columns that they name are not read. All ways to count are reported, with
    /// <see cref="ChoiceNormalization.Unconditional"/> the mutual information too, which doubles the work; <see cref="ScoreChoicesOptions.AnswerContext"/> is not read: as in
    /// lm-evaluation-harness the answers stand without any prompt for it.
    /// </param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ColumnMismatchException">A column is missing, or of another type.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <returns>
    /// The measures. A row that can't be scored (no answers, an answer without tokens, a prompt that is too long where <see cref="ScoringOptions.Overflow"/> forbids cutting it, a character that the
    /// tokenizer does not know) is left out, and named in <see cref="MultipleChoiceMetrics.Problems"/>; one whose right answer is none of its answers counts as answered wrong, and is named too.
    /// </returns>
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
        options ??= new ScoreChoicesOptions();
        bool mutual = options.Normalization == ChoiceNormalization.Unconditional;
        options = options with { Normalization = mutual ? ChoiceNormalization.Unconditional : ChoiceNormalization.None, AnswerContext = "" };
        options.ValidateScoring();
        DataViewSchema.Column prompt = TextColumnMapper.FindText(promptColumnName, data.Schema), choices = TextColumnMapper.FindText(new TextInput(choicesColumnName, IsVector: true), data.Schema);
        DataViewSchema.Column label = SchemaColumn.Find(data.Schema, labelColumnName, "Int32, a key or text", static type => type is KeyDataViewType or TextDataViewType || type == NumberDataViewType.Int32);
        var outcomes = new List<MultipleChoiceOutcome>();
        var problems = new List<QuestionProblem>();
        foreach (Question[] batch in ReadQuestions(data, prompt, choices, label).Chunk(RowsAtOnce))
        {
            cancellationToken.ThrowIfCancellationRequested();
            ChoiceScores?[] scores;
            try
            {
                scores = [.. Score(batch)];
            }
            catch (Exception exception) when (IsRows(exception))
            {
                scores = [.. batch.Select(ScoreAlone)]; // the others are not lost with the row at fault
            }

            foreach ((Question one, ChoiceScores? found) in batch.Zip(scores))
            {
                if (found is null) continue;
                if ((uint)one.Answer >= (uint)one.Choices.Count)
                    problems.Add(new(one.Row, $"The right answer in column '{label.Name}' is none of the {one.Choices.Count} in column '{choices.Name}'.", IsCounted: true));
                outcomes.Add(MultipleChoiceOutcome.Of(found, one.Answer, mutual));
            }
        }

        return new MultipleChoiceMetrics(outcomes, problems);

        IReadOnlyList<ChoiceScores> Score(Question[] batch) =>
            model.ScoreChoices([.. batch.Select(static one => one.Prompt)], [.. batch.Select(static one => one.Choices)], options, i => $"row {batch[i].Row}", cancellationToken);

        ChoiceScores? ScoreAlone(Question one)
        {
            try
            {
                return Score([one])[0];
            }
            catch (Exception exception) when (IsRows(exception))
            {
                problems.Add(new(one.Row, WithoutParameter(exception), IsCounted: false));
                return null;
            }
        }
    }

    // A parameter of a call that the user did not make.
    private static string WithoutParameter(Exception exception) =>
        exception is ArgumentException { ParamName: { } name } && exception.Message.IndexOf($" (Parameter '{name}')", StringComparison.Ordinal) is > 0 and var at ? exception.Message[..at] : exception.Message;

    private static bool IsRows(Exception exception) => exception is ArgumentException or UnknownCharacterException or PromptTooLongException;

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
            yield return new Question(cursor.Position, texts[0][0], texts[1], answer(texts[1]));
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

        if (label.Type is KeyDataViewType)
        {
            Func<ulong> getKey = KeyColumn.Getter(row, label);
            return _ => (int)Math.Min(getKey(), int.MaxValue) - 1;
        }

        ValueGetter<int> getNumber = row.GetGetter<int>(label);
        return _ =>
        {
            int number = 0;
            getNumber(ref number);
            return number;
        };
    }

    private sealed record Question(long Row, string Prompt, IReadOnlyList<string> Choices, int Answer);

    // As Python's str.split: the separators of C0 are white space too.
    [GeneratedRegex(@"[\s\x1c-\x1f]+", RegexOptions.CultureInvariant)]
    private static partial Regex WhiteSpace();
}
