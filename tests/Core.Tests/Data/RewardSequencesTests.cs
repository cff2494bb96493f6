namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class RewardSequencesTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 20, ContextLength = 8, EmbeddingSize = 8, LayerCount = 1, HeadCount = 1 };

    [TestMethod]
    public void Prompt_response_and_readout_token_follow_each_other()
    {
        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4 }, RewardSequences.Build(new RewardHead(), Config, [1, 2], [3, 4], out int dropped));
        Assert.AreEqual(0, dropped);
        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4, 20 }, RewardSequences.Build(new RewardHead { Readout = RewardReadout.ReadoutToken }, Config, [1, 2], [3, 4], out _));
    }

    [TestMethod]
    public void A_long_prompt_loses_its_first_tokens_and_the_response_none()
    {
        CollectionAssert.AreEqual(new[] { 3, 4, 5, 6, 11, 12, 13, 20 }, RewardSequences.Build(new RewardHead { Readout = RewardReadout.ReadoutToken }, Config, [1, 2, 3, 4, 5, 6], [11, 12, 13], out int dropped));
        Assert.AreEqual(2, dropped);
    }

    [TestMethod]
    public void What_does_not_fit_is_an_error_with_both_numbers()
    {
        PromptTooLongException exception = Assert.ThrowsExactly<PromptTooLongException>(() => RewardSequences.Build(new RewardHead(), Config, [1], [1, 2, 3, 4, 5, 6, 7, 8], out _));
        Assert.AreEqual((9, 8), (exception.TokenCount, exception.Limit));
        StringAssert.Contains(exception.Message, "The response alone has 8 tokens");
        exception = Assert.ThrowsExactly<PromptTooLongException>(() => RewardSequences.Build(new RewardHead { Overflow = PromptOverflow.Error }, Config, [1, 2, 3, 4, 5, 6], [1, 2, 3], out _));
        Assert.AreEqual((9, 8), (exception.TokenCount, exception.Limit));
        Assert.ThrowsExactly<ArgumentException>(() => RewardSequences.Build(new RewardHead(), Config, [], [1], out _));
        Assert.ThrowsExactly<ArgumentException>(() => RewardSequences.Build(new RewardHead(), Config, [1], [], out _));
    }
}
