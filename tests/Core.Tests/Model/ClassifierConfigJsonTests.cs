using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Model;

[TestClass]
public sealed class ClassifierConfigJsonTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 100, ContextLength = 8, EmbeddingSize = 8, LayerCount = 1, HeadCount = 1 };

    private static readonly ClassifierHead Head = new()
    {
        Task = SupervisedTask.TextEntailment,
        Labels = ["yes", "\"no\"", "né"],
        Truncation = TextTruncation.HeadAndTail,
        SpecialTokens = SpecialTokenHandling.Recognize,
    };

    [TestMethod]
    public void What_is_written_is_read_again()
    {
        using var folder = new TemporaryFolder();
        foreach (ClassifierHead head in (ClassifierHead[])[Head, Head with { Task = SupervisedTask.SentenceSimilarity, Labels = [], IsRegression = true }, Head with { Task = SupervisedTask.MultipleChoice, Labels = [] }])
        {
            File.WriteAllText(folder["config.json"], ClassifierConfigJson.Write(Config, head, 99));
            (GptConfig config, ClassifierHead read) = ClassifierConfigJson.Read(folder["config.json"]);
            Assert.AreEqual(Config, config);
            Assert.AreEqual(head with { Labels = read.Labels }, read);
            CollectionAssert.AreEqual(head.Labels.ToArray(), read.Labels.ToArray());
        }
    }

    [TestMethod]
    public void It_has_Hugging_Faces_names()
    {
        JsonElement json = JsonDocument.Parse(ClassifierConfigJson.Write(Config, Head, 99)).RootElement;
        Assert.AreEqual("GPT2ForSequenceClassification", json.GetProperty("architectures")[0].GetString());
        Assert.AreEqual(103, json.GetProperty("vocab_size").GetInt32());
        Assert.AreEqual("single_label_classification", json.GetProperty("problem_type").GetString());
        Assert.AreEqual("né", json.GetProperty("id2label").GetProperty("2").GetString());
        Assert.AreEqual(1, json.GetProperty("label2id").GetProperty("\"no\"").GetInt32());
        Assert.AreEqual(102, json.GetProperty("mlnet_gpt_head").GetProperty("extract_token_id").GetInt32());
    }

    [TestMethod]
    public void A_configuration_that_does_not_make_sense_is_refused()
    {
        using var folder = new TemporaryFolder();
        string good = ClassifierConfigJson.Write(Config, Head, 99);
        foreach ((string before, string after) in ((string, string)[])[("\"TextEntailment\"", "\"Cooking\""), ("\"regression\": false", "\"regression\": true"), ("\"HeadAndTail\"", "7"), ("mlnet_gpt_head", "another"), ("\"vocab_size\": 103", "\"vocab_size\": 4")])
        {
            Assert.Contains(before, good);
            File.WriteAllText(folder["config.json"], good.Replace(before, after, StringComparison.Ordinal));
            Assert.ThrowsExactly<CorruptFileException>(() => ClassifierConfigJson.Read(folder["config.json"]), after);
        }
    }
}
