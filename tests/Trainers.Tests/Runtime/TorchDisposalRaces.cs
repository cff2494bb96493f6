using MLNet.Gpt.Core.Tests.Engine;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

/// <summary>Disposes what owns native memory while threads use it, 1,000 times each. A use of freed memory ends the process, so this is one of its own.</summary>
internal static class TorchDisposalRaces
{
    public const string Command = "dispose-while-used";

    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!"]);
    private static readonly GptConfig Config = new() { VocabularySize = Letters.VocabularySize, ContextLength = 32, EmbeddingSize = 16, LayerCount = 1, HeadCount = 2 };

    private static readonly Action<GptModel>[] Uses =
    [
        static model => model.Generate(["ab", "c"], new() { MaxNewTokens = 2, StopAtEndOfText = false }),
        static model => _ = string.Concat(model.GenerateStreaming("ab", new() { MaxNewTokens = 2, StopAtEndOfText = false }).ToBlockingEnumerable()),
        static model => model.Embed(["ab", "c"]),
        static model => model.Score("abc"),
    ];

    /// <summary>Runs a race.</summary>
    /// <returns>The exit code: 0 where no use ended in another way than with an <see cref="ObjectDisposedException"/>.</returns>
    public static int Run(string race)
    {
        int[] done = race switch
        {
            "model" => DisposalRace.Run(1_000, static () => new GptModel(new TorchCausalModel(new GptNetwork(Config, GptDevice.Cpu, seed: 1)), Letters), Uses),
            "adapted" => RunAdapted(),
            "classifier" => DisposalRace.Run(1_000, static () => new GptClassifier(new TorchTextClassifier(new TaskNetwork(new GptNetwork(Config, GptDevice.Cpu, seed: 1), Head, trainable: false)), Letters),
                static model => model.Classify("abc"), static model => model.Classify([["a"], ["hello"]])),
            _ => throw new ArgumentException($"There is no race '{race}'.", nameof(race)),
        };
        Console.WriteLine(string.Join(' ', done));
        Assert.IsGreaterThan(0, done.Min());
        return 0;
    }

    private static ClassifierHead Head { get; } = new() { Task = SupervisedTask.TextClassification, Labels = ["red", "green"] };

    private static int[] RunAdapted()
    {
        var network = new GptNetwork(Config, GptDevice.Cpu, seed: 1);
        using var whole = new GptModel(new TorchCausalModel(network), Letters);
        string expected = whole.Generate("ab", new() { MaxNewTokens = 4, Temperature = 0, StopAtEndOfText = false });
        int[] done = DisposalRace.Run(1_000, () =>
        {
            LoraAdapter adapter = LoraAdapter.Create(Config, new LoraOptions { Rank = 2 }, CPU, trainable: false, out FlatParameters _);
            return new GptModel(new TorchCausalModel(network.Share(adapter)), Letters);
        }, Uses);
        Assert.AreEqual(expected, whole.Generate("ab", new() { MaxNewTokens = 4, Temperature = 0, StopAtEndOfText = false })); // the shared weights are whole
        return done;
    }
}
