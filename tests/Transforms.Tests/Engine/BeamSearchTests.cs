using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Engine;

[TestClass]
public sealed class BeamSearchTests
{
    [TestMethod]
    public void The_beams_of_ONNX_Runtime_have_the_scores_that_scoring_gives_their_tokens()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder));
        GenerateTextOptions options = new() { Temperature = 0, BeamCount = 5, SamplesPerPrompt = 5, MaxNewTokens = 8, StopAtEndOfText = false, LengthPenalty = 0, TopLogProbabilities = 0 };
        IReadOnlyList<GeneratedText> beams = model.Generate(["hello", "a"], options);
        Assert.HasCount(10, beams);
        foreach (GeneratedText beam in beams)
        {
            // Rows were repeated, dropped and reordered on the way; the scorer computes each sequence by itself.
            string prompt = beam.PromptIndex == 0 ? "hello" : "a";
            ChoiceScores scores = model.ScoreChoices([prompt], [[beam.Text]], new() { Separator = "" })[0];
            Assert.AreEqual(scores.LogLikelihoods[0], beam.Score!.Value, 1e-3, beam.Text);
            Assert.AreEqual(beam.Score.Value, beam.LogProbabilities!.Sum(static item => (double)item.LogProbability), 1e-3);
        }

        for (int i = 1; i < 10; i++) Assert.IsTrue(i == 5 || beams[i].Score <= beams[i - 1].Score);
        Assert.IsTrue(beams[0].Score >= model.Generate(["hello"], options with { BeamCount = 1, SamplesPerPrompt = 1 })[0].LogProbabilities!.Sum(static item => (double)item.LogProbability) - 1e-3, "Greedy decoding does no better.");
    }
}
