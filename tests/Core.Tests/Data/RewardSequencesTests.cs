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
        StringAssert.Contains(exception.Message, "The response alone has 8 tokens, and it is never cut; leave it out, or take a model with a longer context.");
        var error = new RewardHead { Overflow = PromptOverflow.Error };
        exception = Assert.ThrowsExactly<PromptTooLongException>(() => RewardSequences.Build(error, Config, [1, 2, 3, 4, 5, 6], [1, 2, 3], out _));
        Assert.AreEqual((9, 8), (exception.TokenCount, exception.Limit));
        StringAssert.Contains(exception.Message, "Shorten the prompt of 6 tokens, or train the reward model with Overflow KeepTail.");
        foreach ((int[] prompt, int[] response, string name) in ((int[], int[], string)[])[([], [1], "prompt"), ([1, 2], [], "response"), ([], [], "prompt")])
        {
            var nothing = Assert.ThrowsExactly<ArgumentException>(() => RewardSequences.Build(new RewardHead(), Config, prompt, response, out _));
            Assert.AreEqual(name, nothing.ParamName);
            StringAssert.StartsWith(nothing.Message, $"The prompt has {prompt.Length} tokens and the response {response.Length}; give 1 or more of each.");
        }

        // With the read-out token there is room for one less, and both numbers count it.
        var withToken = new RewardHead { Readout = RewardReadout.ReadoutToken, Overflow = PromptOverflow.Error };
        exception = Assert.ThrowsExactly<PromptTooLongException>(() => RewardSequences.Build(withToken, Config, [1], [1, 2, 3, 4, 5, 6, 7], out _));
        Assert.AreEqual((9, 8), (exception.TokenCount, exception.Limit));
        exception = Assert.ThrowsExactly<PromptTooLongException>(() => RewardSequences.Build(withToken, Config, [1, 2], [1, 2, 3, 4, 5, 6], out _));
        Assert.AreEqual((9, 8), (exception.TokenCount, exception.Limit));
    }

    [TestMethod]
    public void What_just_fits_is_whole()
    {
        var error = new RewardHead { Overflow = PromptOverflow.Error };
        Assert.HasCount(8, RewardSequences.Build(error, Config, [1], [1, 2, 3, 4, 5, 6, 7], out int dropped));
        Assert.AreEqual(0, dropped);
        Assert.HasCount(8, RewardSequences.Build(error, Config, [1, 2, 3, 4, 5], [1, 2, 3], out _));
        Assert.HasCount(8, RewardSequences.Build(error with { Readout = RewardReadout.ReadoutToken }, Config, [1, 2, 3, 4], [1, 2, 3], out _));
    }

    [TestMethod]
    public void Nothing_may_be_missing()
    {
        Assert.AreEqual("config", Assert.ThrowsExactly<ArgumentNullException>(() => RewardSequences.ReadoutId(null!)).ParamName);
        Assert.AreEqual("head", Assert.ThrowsExactly<ArgumentNullException>(() => RewardSequences.Build(null!, Config, [1], [1], out _)).ParamName);
        Assert.AreEqual("config", Assert.ThrowsExactly<ArgumentNullException>(() => RewardSequences.Build(new RewardHead(), null!, [1], [1], out _)).ParamName);
    }
}
