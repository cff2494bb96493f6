namespace MLNet.Gpt.Core.Tests.Model;

[TestClass]
public sealed class RewardConfigJsonTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 20, ContextLength = 8, EmbeddingSize = 8, LayerCount = 1, HeadCount = 1 };

    [TestMethod]
    public void A_configuration_comes_back_as_it_was_written()
    {
        using var folder = new TemporaryFolder();
        foreach (RewardHead head in (RewardHead[])[new(), new() { Readout = RewardReadout.ReadoutToken, Conversations = true, Overflow = PromptOverflow.Error, SpecialTokens = SpecialTokenHandling.Recognize }])
        {
            File.WriteAllText(folder["config.json"], RewardConfigJson.Write(Config, head, endOfTextId: 19));
            (GptConfig config, RewardHead read) = RewardConfigJson.Read(folder["config.json"]);
            Assert.AreEqual(head, read);
            Assert.AreEqual(Config.VocabularySize, config.VocabularySize);
        }
    }

    [TestMethod]
    public void Other_models_and_broken_values_are_told_apart()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], GptConfigJson.Write(Config));
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => RewardConfigJson.Read(folder["config.json"])).Message, "this model is no reward model");
        string good = RewardConfigJson.Write(Config, new RewardHead());
        foreach ((string from, string to) in ((string, string)[])[("\"LastToken\"", "\"2\""), ("\"conversations\": false", "\"conversations\": 3"), ("\"KeepTail\"", "null")])
        {
            StringAssert.Contains(good, from);
            File.WriteAllText(folder["config.json"], good.Replace(from, to, StringComparison.Ordinal));
            Assert.ThrowsExactly<CorruptFileException>(() => RewardConfigJson.Read(folder["config.json"]), from);
        }
    }
}
