using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Saving;

/// <summary>Pipelines whose transformers use several heads of one package, in ML.NET's model file.</summary>
[TestClass]
public sealed class SharedTrunkTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)] // the weights beside the graph
    public void A_loaded_chain_has_one_session_for_all_heads_and_predicts_what_the_saved_one_did(bool dataFile)
    {
        using var folder = new TemporaryFolder();
        var heads = new HeadedPackage(options: new() { ExternalDataThresholdBytes = dataFile ? 0 : 1 << 30 });
        using GptModel model = GptModel.FromOnnx(heads.Write(folder), GptDevice.Cpu);
        using GptClassifier colour = model.OpenClassifier("colour");
        using GptRewardModel reward = model.OpenRewardModel("readout");
        IDataView rows = Ml.Data.LoadFromEnumerable(((string[])["a cat", "z", "some dogs!"]).Select(static text => new Row { Text = text }));
        ITransformer saved = Ml.Gpt().Transforms.GenerateText("Reply", "Text", model, new() { MaxNewTokens = 5 })
            .Append(Ml.Gpt().Transforms.ClassifyText("Colours", "Text", colour))
            .Append(Ml.Gpt().Transforms.ScoreResponse("Reward", "Text", "Reply", reward))
            .Append(Ml.Gpt().Transforms.GenerateBestOfN("Best", "Text", model, reward, new BestOfNOptions { Samples = 3, Generation = new() { MaxNewTokens = 4 } })).Fit(rows);
        string[] expected = Read(saved.Transform(rows));
        Ml.Model.Save(saved, rows.Schema, folder["model.zip"]);
        model.Dispose();

        ITransformer loaded = new MLContext().Model.Load(folder["model.zip"], out _);
        CollectionAssert.AreEqual(expected, Read(loaded.Transform(rows)));
        ITransformer[] parts = [.. (TransformerChain<ITransformer>)loaded];
        ICausalModel session = ((GenerateTextTransformer)parts[0]).Model.Engine;
        Assert.AreSame(session, ((OnnxTextClassifier)((ClassifyTextTransformer)parts[1]).Model.Engine).Shared!.Model);
        Assert.AreSame(session, ((OnnxRewardModel)((ScoreResponseTransformer)parts[2]).Model.Engine).Shared!.Model);

        // It is saved again, and what is left of it when the language model's transformer has gone still computes.
        Ml.Model.Save(loaded, rows.Schema, folder["again.zip"]);
        ((IDisposable)parts[0]).Dispose();
        ((IDisposable)parts[3]).Dispose();
        Assert.AreEqual(3, parts[1].Transform(rows).GetColumn<float[]>("Colours").Count());
        ((IDisposable)parts[2]).Dispose();
        ((IDisposable)parts[1]).Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => ((ClassifyTextTransformer)parts[1]).Model.Classify("a"));
        ITransformer again = Ml.Model.Load(folder["again.zip"], out _);
        CollectionAssert.AreEqual(expected, Read(again.Transform(rows)));
        ((IDisposable)again).Dispose();
    }

    [TestMethod]
    public void The_adapters_beside_the_trunk_go_along_with_every_head()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(new HeadedPackage(options: new() { AdaptableProjections = LoraProjections.AttentionIn }).Write(folder), GptDevice.Cpu);
        LoraCheckpoint.Write(folder["adapter"], model.Config, new LoraOptions { Rank = 2 }, static (_, values) => values.AsSpan().Fill(0.1f));
        model.LoadAdapter("narrow", folder["adapter"]);
        using GptClassifier colour = model.OpenClassifier("colour");
        using GptRewardModel reward = model.OpenRewardModel("reward");
        colour.ExportOnnx(folder["colour"]);
        reward.ExportOnnx(folder["reward-too"]);
        foreach (string copy in (string[])[folder["colour"], folder["reward-too"]])
        {
            using GptModel copied = GptModel.FromOnnx(copy, GptDevice.Cpu);
            Assert.AreEqual("narrow", copied.Adapters.Single().Name);
        }

        // So that a loaded chain has one session here too.
        IDataView rows = Ml.Data.LoadFromEnumerable([new Row { Text = "a cat" }]);
        ITransformer saved = Ml.Gpt().Transforms.GenerateText("Reply", "Text", model, new() { MaxNewTokens = 5, Adapter = "narrow" })
            .Append(Ml.Gpt().Transforms.ClassifyText("Colours", "Text", colour)).Append(Ml.Gpt().Transforms.ScoreResponse("Reward", "Text", "Reply", reward)).Fit(rows);
        Ml.Model.Save(saved, rows.Schema, folder["model.zip"]);
        ITransformer loaded = new MLContext().Model.Load(folder["model.zip"], out _);
        using var disposal = (IDisposable)loaded;
        ITransformer[] parts = [.. (TransformerChain<ITransformer>)loaded];
        ICausalModel session = ((GenerateTextTransformer)parts[0]).Model.Engine;
        Assert.AreSame(session, ((OnnxTextClassifier)((ClassifyTextTransformer)parts[1]).Model.Engine).Shared!.Model);
        Assert.AreSame(session, ((OnnxRewardModel)((ScoreResponseTransformer)parts[2]).Model.Engine).Shared!.Model);
    }

    [TestMethod]
    public void A_head_is_saved_and_exported_with_the_whole_package()
    {
        using var folder = new TemporaryFolder();
        using GptClassifier colour = GptClassifier.FromOnnx(new HeadedPackage().Write(folder), GptDevice.Cpu, head: "colour");
        float[] expected = [.. colour.Classify("a cat").Scores];
        colour.ExportOnnx(folder["copy"]);
        using (GptClassifier copy = GptClassifier.FromOnnx(folder["copy"], GptDevice.Cpu, head: "colour")) CollectionAssert.AreEqual(expected, copy.Classify("a cat").Scores.ToArray());
        using (GptModel model = GptModel.FromOnnx(folder["copy"], GptDevice.Cpu)) Assert.HasCount(7, model.Heads);
        IDataView rows = Ml.Data.LoadFromEnumerable([new Row { Text = "a cat" }]);
        Ml.Model.Save(Ml.Gpt().Transforms.ClassifyText("Colours", "Text", colour).Fit(rows), rows.Schema, folder["model.zip"]);
        ITransformer loaded = Ml.Model.Load(folder["model.zip"], out _);
        CollectionAssert.AreEqual(expected, loaded.Transform(rows).GetColumn<float[]>("Colours").Single());
        ((IDisposable)loaded).Dispose();
    }

    private static string[] Read(IDataView view) => [.. Ml.Data.CreateEnumerable<Answer>(view, reuseRowObject: false)
        .Select(static row => FormattableString.Invariant($"{row.Reply} | {string.Join(' ', row.Colours)} | {row.Reward} | {row.Best}"))];

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class Answer
    {
        public string Reply { get; set; } = "";

        [VectorType(3)]
        public float[] Colours { get; set; } = [];

        public float Reward { get; set; }

        public string Best { get; set; } = "";
    }
}
