using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Trainers.Tests.Preferences;

/// <summary>A process that loads a pipeline, scores rows and prints the scores; <see cref="RewardModelTests"/> starts it.</summary>
internal static class FreshScores
{
    public const string Command = "score-responses";

    public static int Run(string model, string rows)
    {
        var ml = new MLContext();
        ITransformer pipeline = ml.Model.Load(model, out _);
        foreach (float score in pipeline.Transform(Read(ml, rows)).GetColumn<float>("Score")) Console.WriteLine(score.ToString("R", CultureInfo.InvariantCulture));
        return AppDomain.CurrentDomain.GetAssemblies().Any(static assembly => assembly.GetName().Name == "TorchSharp") ? 3 : 0;
    }

    /// <summary>A question and a response a line.</summary>
    public static IDataView Read(MLContext ml, string rows) => ml.Data.LoadFromEnumerable(File.ReadAllLines(rows).Select(static line => line.Split('\t')).Select(static cells => new { Question = cells[0], Response = cells[1] }).ToArray());
}
