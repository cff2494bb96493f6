using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Answers the prompts of a column by choosing among candidates: the one that the model finds likeliest. A base model classifies so without training.</summary>
/// <remarks>
/// Thread-safe. Made by <see cref="GptTransformsCatalog"/>. With <see cref="ScoreChoicesOptions.Choices"/> the columns are those of ML.NET's own classifiers: a key with KeyValues, and
/// probabilities with SlotNames, so that <c>MulticlassClassification.Evaluate</c> and <c>MapKeyToValue</c> work on them.
/// </remarks>
public sealed class ScoreChoicesTransformer : GptTextTransformer
{
    internal const string Kind = "ScoreChoices";

    private readonly Settings _settings;

    internal ScoreChoicesTransformer(string outputColumnName, string promptColumnName, GptModel model, ScoreChoicesOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(promptColumnName, outputColumnName), options), model, owned: null)
    {
    }

    private ScoreChoicesTransformer(Settings settings, GptModel model, IDisposable? owned)
        : base(new ChoiceOperation(settings, model), owned)
    {
        _settings = settings;
        Model = model;
    }

    /// <summary>The model.</summary>
    public GptModel Model { get; }

    /// <summary>The options.</summary>
    public ScoreChoicesOptions Options => _settings.Options;

    internal static ScoreChoicesTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenModel((model, owned) => new ScoreChoicesTransformer(settings, model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave);

    private sealed record Settings(string OutputColumnName, string InputColumnName, ScoreChoicesOptions Options);

    private sealed class ChoiceOperation(Settings settings, GptModel model) : TextOperation(Read(settings), settings.Options.BatchSize, Columns(settings))
    {
        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows)
        {
            ScoreChoicesOptions options = settings.Options;
            IReadOnlyList<string>[] choices = [.. rows.Select(row => options.ChoicesColumnName is null ? options.Choices : row.Columns[1])];
            try
            {
                return model.ScoreChoices([.. rows.Select(row => row.Text)], choices, options, i => $"column '{InputColumnName}', row {rows[i].Position}", options.CancellationToken);
            }
            catch (PromptTooLongException exception) when (rows.Count == 1)
            {
                throw new PromptTooLongException(exception.TokenCount, exception.Limit,
                    $"It stands in column '{InputColumnName}', row {rows[0].Position}, its longest candidate included. Shorten it, or set {nameof(ScoringOptions.Overflow)} to {nameof(PromptOverflow.KeepTail)}.");
            }
        }

        private static List<TextInput> Read(Settings settings)
        {
            ArgumentNullException.ThrowIfNull(settings.Options);
            settings.Options.Validate();
            List<TextInput> inputs = [new(settings.InputColumnName)];
            if (settings.Options.ChoicesColumnName is { } choices) inputs.Add(new(choices, IsVector: true));
            return inputs;
        }

        private static List<TextOutput> Columns(Settings settings)
        {
            ScoreChoicesOptions options = settings.Options;
            CheckNames([
                (settings.OutputColumnName, "outputColumnName"), (options.ScoreColumnName, nameof(options.ScoreColumnName)),
                (options.LogLikelihoodColumnName, nameof(options.LogLikelihoodColumnName)), (options.PredictedIndexColumnName, nameof(options.PredictedIndexColumnName)),
            ]);
            int count = options.Choices.Count; // 0 where each row has its own
            var vector = new VectorDataViewType(NumberDataViewType.Single, count);
            List<TextOutput> columns =
            [
                count > 0
                    ? TextOutput.Create<ChoiceScores, uint>(
                        settings.OutputColumnName, new KeyDataViewType(typeof(uint), count), static (ChoiceScores scores, ref uint value) => value = (uint)scores.BestIndex + 1,
                        new ColumnAnnotations().Add("KeyValues", options.Choices))
                    : TextOutput.Create<ChoiceScores, ReadOnlyMemory<char>>(
                        settings.OutputColumnName, TextDataViewType.Instance, static (ChoiceScores scores, ref ReadOnlyMemory<char> value) => value = scores.Choices[scores.BestIndex].AsMemory()),
                TextOutput.Create<ChoiceScores, VBuffer<float>>(
                    options.ScoreColumnName, vector, static (ChoiceScores scores, ref VBuffer<float> value) => Fill(scores.Probabilities(), ref value), Slots()?.Add("ScoreColumnKind", "MulticlassClassification").Add("ScoreValueKind", "Score")),
            ];
            if (options.LogLikelihoodColumnName is { } likelihoods)
                columns.Add(TextOutput.Create<ChoiceScores, VBuffer<float>>(likelihoods, vector, static (ChoiceScores scores, ref VBuffer<float> value) => Fill(scores.LogLikelihoods, ref value), Slots()));
            if (options.PredictedIndexColumnName is { } index)
                columns.Add(TextOutput.Create<ChoiceScores, int>(index, NumberDataViewType.Int32, static (ChoiceScores scores, ref int value) => value = scores.BestIndex));
            return columns;

            ColumnAnnotations? Slots() => count > 0 ? new ColumnAnnotations().Add("SlotNames", options.Choices) : null;
        }

        private static void Fill(IReadOnlyList<double> numbers, ref VBuffer<float> value)
        {
            VBufferEditor<float> editor = VBufferEditor.Create(ref value, numbers.Count);
            for (int i = 0; i < numbers.Count; i++) editor.Values[i] = (float)numbers[i];
            value = editor.Commit();
        }
    }
}
