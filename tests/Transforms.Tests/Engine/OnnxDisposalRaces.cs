using Microsoft.ML;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Engine;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>Disposes what owns native memory while threads use it, 1,000 times each. A use of freed memory ends the process, so this is one of its own.</summary>
internal static class OnnxDisposalRaces
{
    public const string Command = "dispose-while-used";

    private static readonly MLContext Ml = new(seed: 1);
    private static readonly OnnxEngineOptions OneThread = new() { ThreadCount = 1 };

    /// <summary>Runs a race.</summary>
    /// <returns>The exit code: 0 where no use ended in another way than with an <see cref="ObjectDisposedException"/>.</returns>
    public static int Run(string race)
    {
        using var folder = new TemporaryFolder();
        int[] done = race switch
        {
            "model" => RunModel(TestModels.WritePackage(folder)),
            "decoder" => RunDecoder(TestModels.WritePackage(folder)),
            "classifier" => RunClassifier(TestModels.WriteClassifier(folder)),
            _ => throw new ArgumentException($"There is no race '{race}'.", nameof(race)),
        };
        Console.WriteLine(string.Join(' ', done));
        Assert.IsGreaterThan(0, done.Min());
        return 0;
    }

    private static int[] RunModel(string package)
    {
        IDataView rows = Ml.Data.LoadFromEnumerable([new Row { Text = "ab" }, new Row { Text = "c" }]);
        return DisposalRace.Run(1_000, () => new GptModel(OnnxCausalModel.Load(package, GptDevice.Cpu, OneThread), TestModels.Letters),
            static model => model.Generate(["ab", "c"], new() { MaxNewTokens = 2, StopAtEndOfText = false }),
            static model => _ = string.Concat(model.GenerateStreaming("ab", new() { MaxNewTokens = 2, StopAtEndOfText = false }).ToBlockingEnumerable()),
            static model => model.Embed(["ab", "c"]),
            static model => model.Score("abc"),
            static model => Decode(model.Engine),
            model => _ = Ml.Data.CreateEnumerable<Answered>(Ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { MaxNewTokens = 2 }).Fit(rows).Transform(rows), reuseRowObject: false).Count());
    }

    private static int[] RunDecoder(string package)
    {
        using OnnxCausalModel model = OnnxCausalModel.Load(package, GptDevice.Cpu, OneThread);
        float[] logits = new float[model.Config.VocabularySize];
        return DisposalRace.Run(1_000, () => model.BeginDecoding(1, 32), decoder =>
        {
            if (decoder.Length < 32) decoder.Append([1], [], LogitsScope.LastPosition, logits);
            else decoder.SelectRows([0]);
        });
    }

    private static int[] RunClassifier(string package) => DisposalRace.Run(1_000, () => new GptClassifier(OnnxTextClassifier.Load(package, GptDevice.Cpu, OneThread), TestModels.Letters),
        static model => model.Classify("abc"), static model => model.Classify([["a"], ["hello"]]), static model => model.Engine.Run([1, 2, 3], [3], new float[3]));

    private static void Decode(ICausalModel model)
    {
        using ICausalDecoder decoder = model.BeginDecoding(2, 4);
        float[] logits = new float[2 * model.Config.VocabularySize];
        decoder.Append([1, 2, 3, 4], [], LogitsScope.LastPosition, logits);
        decoder.SelectRows([1, 0]);
        decoder.Append([5, 6], [], LogitsScope.LastPosition, logits);
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class Answered
    {
        public string Answer { get; set; } = "";
    }
}
