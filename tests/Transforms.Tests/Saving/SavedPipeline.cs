using Microsoft.ML;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Saving;

/// <summary>A pipeline with all transformers over one ONNX model, its model file, and what it gives.</summary>
internal sealed class SavedPipeline : IDisposable
{
    public static readonly string[] Prompts = ["abc", "hello", "", "zz top", "q"];

    private readonly TemporaryFolder _folder = new();

    public SavedPipeline(bool dataFile = false, WeightFormat weights = WeightFormat.Float32, GptTokenizer? tokenizer = null, GenerateTextOptions? generation = null, string weightsFile = "model.onnx.data")
    {
        Model = GptModel.FromOnnx(TestModels.RenameWeights(TestModels.WritePackage(_folder, dataFile, weights, tokenizer), weightsFile));
        ZipPath = _folder["model.zip"];
        IDataView data = Data(Prompts);
        ITransformer chain = Ml.Transforms.CopyColumns("Prompt", "Text")
            .Append(Ml.Gpt().Transforms.TokenizeText("Tokens", "Prompt", Model.Tokenizer))
            .Append(Ml.Gpt().Transforms.GenerateText("Reply", "Prompt", Model, generation ?? Generation))
            .Append(Ml.Gpt().Transforms.ScoreText("LogLikelihood", "Prompt", Model))
            .Fit(data);
        Ml.Model.Save(chain, data.Schema, ZipPath);
        Answers = Read(chain);
    }

    public static GenerateTextOptions Generation { get; } = new() { MaxNewTokens = 12, Temperature = 0.9f, TopK = 20, Seed = 11, StopStrings = ["zq"], BatchSize = 3 };

    public MLContext Ml { get; } = new(seed: 1);

    public GptModel Model { get; }

    public string ZipPath { get; }

    /// <summary>What the pipeline gave before it was saved.</summary>
    public LoadApp.Answer[] Answers { get; }

    public string PathOf(string name) => _folder[name];

    public IDataView Data(params string[] texts) => Ml.Data.LoadFromEnumerable(texts.Select(text => new LoadApp.Question { Text = text }));

    public LoadApp.Answer[] Read(ITransformer model) => [.. Ml.Data.CreateEnumerable<LoadApp.Answer>(model.Transform(Data(Prompts)), reuseRowObject: false)];

    public void Dispose()
    {
        Model.Dispose();
        _folder.Dispose();
    }

    /// <summary>Compares predictions: texts and tokens exactly, numbers to the last bits, in which batches of other sizes may differ.</summary>
    public static void AssertSame(IReadOnlyList<LoadApp.Answer> expected, IReadOnlyList<LoadApp.Answer> found)
    {
        Assert.HasCount(expected.Count, found);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.AreEqual(expected[i].Text, found[i].Text);
            Assert.AreEqual(expected[i].Reply, found[i].Reply);
            CollectionAssert.AreEqual(expected[i].Tokens, found[i].Tokens);
            Assert.AreEqual(expected[i].LogLikelihood, found[i].LogLikelihood, 1e-5 * Math.Abs(expected[i].LogLikelihood));
            if (float.IsNaN(expected[i].Perplexity)) Assert.IsTrue(float.IsNaN(found[i].Perplexity));
            else Assert.AreEqual(expected[i].Perplexity, found[i].Perplexity, 1e-5 * expected[i].Perplexity);
        }
    }
}
