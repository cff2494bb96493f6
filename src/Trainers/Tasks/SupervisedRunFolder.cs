using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>What a supervised run keeps on disk: metrics, the loss curve, the confusion matrix, and the trained model.</summary>
internal sealed class SupervisedRunFolder
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly string _path;

    /// <summary>Creates the folder.</summary>
    /// <exception cref="RunExistsException">The folder holds a run.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    public SupervisedRunFolder(string path)
    {
        _path = Path.GetFullPath(path);
        if (Directory.Exists(ModelFolder)) throw new RunExistsException(_path);
        RunSpace.Prepare(_path, resume: false).Dispose();
    }

    private string ModelFolder => Path.Combine(_path, "model");

    /// <summary>Appends one report to metrics.jsonl; the line is on disk when this returns.</summary>
    public void Add(SupervisedTaskProgress progress) => File.AppendAllText(Path.Combine(_path, "metrics.jsonl"), JsonSerializer.Serialize(progress, Json) + "\n");

    /// <summary>Draws the loss curve.</summary>
    public void Draw(IReadOnlyList<SupervisedTaskProgress> history) => File.WriteAllText(Path.Combine(_path, "loss.svg"), LossCurve.ToSvg(
        [.. history.Select(static p => new TrainingProgress(p.Step, p.MaxSteps, 0, p.Loss, p.LearningRate, p.GradientNorm, 0, p.ValidationLoss, p.Elapsed, p.Remaining))],
        "loss"));

    /// <summary>Draws the confusion matrix and writes the model.</summary>
    public void Write(GptClassifier model, TaskEvaluation? evaluation, IReadOnlyList<string> labels)
    {
        model.ExportOnnx(ModelFolder);
        if (evaluation is not { Confusion.Length: > 0 }) return;
        int classes = evaluation.Confusion.GetLength(0);
        IReadOnlyList<double>[] counts = [.. Enumerable.Range(0, classes).Select(row => (IReadOnlyList<double>)[.. Enumerable.Range(0, classes).Select(column => (double)evaluation.Confusion[row, column])])];
        File.WriteAllText(Path.Combine(_path, "confusion.svg"), ConfusionMatrixPicture.ToSvg(counts, labels, "validation"));
    }
}
