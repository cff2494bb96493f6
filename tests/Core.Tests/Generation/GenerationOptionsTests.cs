namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class GenerationOptionsTests
{
    [TestMethod]
    public void What_is_out_of_range_is_named_with_its_value_and_the_range()
    {
        foreach ((GenerationOptions options, string message) in new (GenerationOptions, string)[]
        {
            (new() { MaxNewTokens = 0 }, "MaxNewTokens is 0; it must be 1 or more."),
            (new() { MinNewTokens = -1 }, "MinNewTokens is -1; it must be at least 0 and at most MaxNewTokens, which is 128."),
            (new() { MinNewTokens = 129 }, "MinNewTokens is 129; it must be at least 0 and at most MaxNewTokens, which is 128."),
            (new() { Temperature = -0.5f }, "Temperature is -0.5; it must be 0 (greedy) or more, and finite."),
            (new() { Temperature = float.PositiveInfinity }, "it must be 0 (greedy) or more, and finite."),
            (new() { TopK = -1 }, "TopK is -1; it must be 1 or more, or 0 to switch it off."),
            (new() { TopP = 0 }, "TopP is 0; it must be above 0 and at most 1 (1 switches it off)."),
            (new() { TopP = 1.25f }, "TopP is 1.25; it must be above 0 and at most 1 (1 switches it off)."),
            (new() { MinP = 1 }, "MinP is 1; it must be 0 (off) or more, and below 1."),
            (new() { MinP = -0.25f }, "MinP is -0.25; it must be 0 (off) or more, and below 1."),
            (new() { TypicalP = 0 }, "TypicalP is 0; it must be above 0 and at most 1 (1 switches it off)."),
            (new() { TypicalP = 1.25f }, "TypicalP is 1.25; it must be above 0 and at most 1 (1 switches it off)."),
            (new() { NoRepeatNgramSize = -1 }, "NoRepeatNgramSize is -1; it must be 1 or more, or 0 to switch it off."),
            (new() { PresencePenalty = float.NaN }, "PresencePenalty is NaN; it must be finite (0 switches it off)."),
            (new() { FrequencyPenalty = float.NaN }, "FrequencyPenalty is NaN; it must be finite (0 switches it off)."),
            (new() { LogitBias = new Dictionary<int, float> { [3] = float.NaN } }, "LogitBias[3] is NaN; it must be finite, for a token of 0 or more."),
            (new() { LogitBias = new Dictionary<int, float> { [-3] = 1 } }, "LogitBias[-3] is 1; it must be finite, for a token of 0 or more."),
            (new() { BeamCount = 0 }, "BeamCount is 0; it must be 1 (off) or more."),
            (new() { BeamCount = 2, Temperature = 0.5f }, "BeamCount is 2; it must be 1 where Temperature is 0.5: beam search draws nothing; set Temperature to 0."),
            (new() { BeamCount = 2, Temperature = 0, SamplesPerPrompt = 3 }, "SamplesPerPrompt is 3; it must be at most BeamCount, which is 2."),
            (new() { LengthPenalty = float.NaN }, "LengthPenalty is NaN; it must be finite."),
            (new() { TopLogProbabilities = -1 }, "TopLogProbabilities is -1; it must be 0 to 100, or null to switch it off."),
            (new() { TopLogProbabilities = 101 }, "TopLogProbabilities is 101; it must be 0 to 100, or null to switch it off."),
            (new() { RepetitionPenalty = 0 }, "RepetitionPenalty is 0; it must be above 0 and finite (1 switches it off)."),
            (new() { RepetitionPenalty = float.PositiveInfinity }, "it must be above 0 and finite (1 switches it off)."),
            (new() { SamplesPerPrompt = 0 }, "SamplesPerPrompt is 0; it must be 1 or more."),
            (new() { PromptLookupTokens = -1 }, "PromptLookupTokens is -1; it must be 1 or more, or 0 to switch it off."),
            (new() { PromptLookupTokens = 2, BeamCount = 3, Temperature = 0 }, "PromptLookupTokens is 2; it must be 0 where BeamCount is 3: beams are checked each by itself."),
            (new() { BatchSize = 0 }, "BatchSize is 0; it must be 1 or more."),
            (new() { PromptOverflow = (PromptOverflow)7 }, "PromptOverflow is 7; it must be Error or KeepTail, or null for what the use has by default."),
            (new() { StopTokenIds = [3, -2] }, "StopTokenIds[1] is -2; it must be 0 or more."),
        })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate).Message, message);

        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(new GenerationOptions { StopStrings = ["a", ""] }.Validate).Message, "Stop string 1 is empty, which would end every output at once; remove it.");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(new GenerationOptions { StopStrings = [null!] }.Validate).Message, "Stop string 0 is null");
        Assert.AreEqual("StopStrings", Assert.ThrowsExactly<ArgumentNullException>(new GenerationOptions { StopStrings = null! }.Validate).ParamName);
        Assert.AreEqual("StopTokenIds", Assert.ThrowsExactly<ArgumentNullException>(new GenerationOptions { StopTokenIds = null! }.Validate).ParamName);
        Assert.AreEqual("LogitBias", Assert.ThrowsExactly<ArgumentNullException>(new GenerationOptions { LogitBias = null! }.Validate).ParamName);
    }

    [TestMethod]
    public void The_ends_of_each_range_belong_to_it()
    {
        foreach (GenerationOptions options in new GenerationOptions[]
        {
            new(), new() { MaxNewTokens = 1, MinNewTokens = 1 }, new() { Temperature = 0 }, new() { TopK = 0, TopP = 1, MinP = 0, TypicalP = 1, NoRepeatNgramSize = 0 }, new() { TopP = float.Epsilon, TypicalP = float.Epsilon },
            new() { LogitBias = new Dictionary<int, float> { [0] = -100 } }, new() { BeamCount = 2, Temperature = 0, SamplesPerPrompt = 2 }, new() { SamplesPerPrompt = 5 }, new() { TopLogProbabilities = 0 },
            new() { TopLogProbabilities = 100 }, new() { RepetitionPenalty = float.Epsilon, BatchSize = 1, PromptLookupTokens = 1 }, new() { StopTokenIds = [0], StopStrings = ["x"], PromptOverflow = PromptOverflow.KeepTail },
            new() { PresencePenalty = -2, FrequencyPenalty = -2, LengthPenalty = -1 },
        })
            options.Validate();
    }
}
