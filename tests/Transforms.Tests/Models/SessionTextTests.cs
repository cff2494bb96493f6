using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Models;

/// <summary>What a session goes on from is what its caller got.</summary>
[TestClass]
public sealed class SessionTextTests
{
    private static readonly GptTokenizer Words = GptTokenizer.TrainBytePairEncoding([string.Join(' ', Enumerable.Repeat("new lower", 9)), "new"], new BytePairTrainingOptions { VocabularySize = 280 });

    [TestMethod]
    [DataRow("we", "new lo")]      // begins and ends within " lower"
    [DataRow(" ", "new")]          // begins with it
    [DataRow("w l", "ne")]         // over two tokens
    [DataRow("r", "new lowe")]
    [DataRow("new", "")]
    public async Task A_text_session_goes_on_from_before_the_stop_string(string stop, string left)
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(new GptConfig { VocabularySize = 282, ContextLength = 64, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 }), folder["package"], new OnnxExportOptions { TokenizerHash = Words.Hash, EndOfTextId = Words.EndOfTextId });
        Words.Save(folder["package"]);
        using GptModel model = GptModel.FromOnnx(folder["package"], GptDevice.Cpu);
        Assert.AreEqual(1, Words.Encode(" lower").Length);

        // The constraint says what is written, the bias in which tokens.
        var options = new GenerateTextOptions
        {
            Temperature = 0, StopStrings = [stop], Constraint = TextConstraint.Choice("new lower"), LogitBias = new Dictionary<int, float> { [Words.Encode("new")[0]] = 1_000, [Words.Encode(" lower")[0]] = 1_000 },
        };
        foreach (bool streaming in (bool[])[false, true])
        {
            using GptSession session = model.BeginSession();
            string text = streaming ? string.Concat(await session.ContinueStreaming("a", options).ToListAsync()) : session.Continue("a", options).Text;
            Assert.AreEqual(left, text);
            Assert.AreEqual("a" + left, Words.Decode(session.TokenIds));

            // As from a model that has seen nothing else.
            int[] seen = [.. session.TokenIds, .. Words.Encode(" newer")];
            int[] expected = [.. TokenGenerator.Generate(model.Engine, [seen], new() { Temperature = 0, MaxNewTokens = 8, StopAtEndOfText = false }, Words.EndOfTextId, tokenCount: Words.VocabularySize)[0].TokenIds];
            session.Continue(" newer", new() { Temperature = 0, MaxNewTokens = 8, StopAtEndOfText = false });
            CollectionAssert.AreEqual(seen.Concat(expected).ToArray(), session.TokenIds.ToArray());
        }
    }
}
