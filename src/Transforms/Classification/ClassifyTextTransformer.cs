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

    /// <summary>Refuses output columns that share a name.</summary>
    /// <exception cref="ArgumentException">Two do, or one has none.</exception>
    internal static void CheckNames(string scoreColumnName, bool isRegression, ClassifyTextOptions options) => TextOperation.CheckNames(
        [(scoreColumnName, "scoreColumnName"), (HeadScores.Of(isRegression).PredictedLabelColumn(options), nameof(options.PredictedLabelColumnName)), (options.DroppedTokenCountColumnName, nameof(options.DroppedTokenCountColumnName))]);

    internal static ClassifyTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenClassifier((model, owned) => new ClassifyTextTransformer(settings, model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave);

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
            int texts = settings.InputColumnNames.Count;
            if (!head.Form.Takes(texts)) throw new ArgumentException($"{head.Task} reads {head.Form.TextCount} text columns, but {texts} are named.", nameof(settings));
            HeadScores scores = HeadScores.Of(head.IsRegression);
            int classes = head.Form.ClassColumns(settings.InputColumnNames)?.Count ?? head.OutputCount;
            if (!scores.Fit(settings.Labels, classes))
                throw new ArgumentException($"{settings.Labels!.Values.Count} label values of the type {settings.Labels.ItemType} do not belong to a model of {classes} classes.", nameof(settings));
            TaskSequences.RequireRoom(head.Task, model.Config);
            string? predicted = scores.PredictedLabelColumn(options);
            ClassifyTextTransformer.CheckNames(settings.ScoreColumnName, head.IsRegression, options);

            List<TextOutput> columns = [.. scores.Columns(settings.ScoreColumnName, predicted, classes, settings.Labels)];
            if (options.DroppedTokenCountColumnName is { } dropped)
                columns.Add(TextOutput.Create<TextPrediction, int>(dropped, NumberDataViewType.Int32, static (TextPrediction prediction, ref int value) => value = prediction.DroppedTokens));
            return columns;
        }
    }
}
