using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>
/// Classifies the texts of one or more columns with a GPT's task head. Adds the scores (a vector of Single: a probability for each class, with slot
/// names and the annotations of ML.NET's own scorers) and the predicted label (a key with the values of the training labels); for a regression
/// one Single.
/// </summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/> and by the supervised trainers.</remarks>
public sealed class ClassifyTextTransformer : GptTextTransformer
{
    internal const string Kind = "ClassifyText";

    private readonly Settings _settings;

    internal ClassifyTextTransformer(string scoreColumnName, IReadOnlyList<string> inputColumnNames, LabelValues? labels, GptClassifier model, ClassifyTextOptions options)
        : this(new Settings(scoreColumnName, inputColumnNames, labels, options), model, owned: null)
    {
    }

    private ClassifyTextTransformer(Settings settings, GptClassifier model, IDisposable? owned)
        : base(new ClassifyOperation(settings, model), owned)
    {
        _settings = settings;
        Model = model;
    }

    /// <summary>The model.</summary>
    public GptClassifier Model { get; }

    /// <summary>The options.</summary>
    public ClassifyTextOptions Options => _settings.Options;

    internal static ClassifyTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenModel(
            (folder, device, backing) => GptClassifier.FromOnnx(folder, device, options: null, backing),
            (model, owned) => new ClassifyTextTransformer(settings, model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteTo);

    private sealed record Settings(string ScoreColumnName, IReadOnlyList<string> InputColumnNames, LabelValues? Labels, ClassifyTextOptions Options);

    private sealed class ClassifyOperation(Settings settings, GptClassifier model)
        : TextOperation([.. settings.InputColumnNames.Select(static name => new TextInput(name))], settings.Options?.BatchSize ?? 0, Columns(settings, model))
    {
        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows) =>
            model.Classify([.. rows.Select(static row => (string[])[.. row.Columns.Select(static column => column[0])])], settings.Options, settings.Options.CancellationToken);

        private static List<TextOutput> Columns(Settings settings, GptClassifier model)
        {
            ClassifierHead head = model.Head;
            ClassifyTextOptions options = settings.Options;
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            (int least, int most) = TaskSequences.TextsOf(head.Task);
            int texts = settings.InputColumnNames.Count;
            if (texts < least || texts > most)
                throw new ArgumentException($"{head.Task} reads {(most == int.MaxValue ? $"{least} or more" : $"{least}")} text columns, but {texts} are named.", nameof(settings));
            int classes = head.Task == SupervisedTask.MultipleChoice ? texts - 1 : head.OutputCount;
            if (settings.Labels is { } labels && (!labels.IsValid() || labels.Values.Count != classes || head.IsRegression))
                throw new ArgumentException($"{labels.Values.Count} label values of the type {labels.ItemType} do not belong to a model of {classes} classes.", nameof(settings));
            TaskSequences.RequireRoom(head.Task, model.Config);
            CheckNames([(settings.ScoreColumnName, "scoreColumnName"), (head.IsRegression ? null : options.PredictedLabelColumnName, nameof(options.PredictedLabelColumnName)), (options.DroppedTokensColumnName, nameof(options.DroppedTokensColumnName))]);

            List<TextOutput> columns = [head.IsRegression
                ? TextOutput.Create<TextPrediction, float>(settings.ScoreColumnName, NumberDataViewType.Single, static (TextPrediction prediction, ref float value) => value = prediction.Scores[0],
                    static input => ScoreAnnotations.Build(input, ScoreAnnotations.Regression, ScoreAnnotations.Score))
                : TextOutput.Create<TextPrediction, VBuffer<float>>(settings.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single, classes), WriteScores,
                    input => ScoreAnnotations.Build(input, ScoreAnnotations.Multiclass, ScoreAnnotations.Score, settings.Labels is null ? null : builder =>
                    {
                        LabelValues.OfText(settings.Labels.Values).AddTo(builder, LabelValues.SlotNames);
                        settings.Labels.AddTo(builder, ScoreAnnotations.TrainingLabelValues);
                    }))];
            if (!head.IsRegression && options.PredictedLabelColumnName is { } predicted)
            {
                columns.Add(TextOutput.Create<TextPrediction, uint>(predicted, new KeyDataViewType(typeof(uint), classes), static (TextPrediction prediction, ref uint value) => value = (uint)prediction.Index + 1,
                    input => ScoreAnnotations.Build(input, ScoreAnnotations.Multiclass, ScoreAnnotations.PredictedLabel, builder => settings.Labels?.AddTo(builder, LabelValues.KeyValues))));
            }

            if (options.DroppedTokensColumnName is { } dropped)
                columns.Add(TextOutput.Create<TextPrediction, int>(dropped, NumberDataViewType.Int32, static (TextPrediction prediction, ref int value) => value = prediction.DroppedTokens));
            return columns;
        }

        private static void WriteScores(TextPrediction prediction, ref VBuffer<float> value)
        {
            VBufferEditor<float> editor = VBufferEditor.Create(ref value, prediction.Scores.Count);
            for (int i = 0; i < prediction.Scores.Count; i++) editor.Values[i] = prediction.Scores[i];
            value = editor.Commit();
        }
    }
}
