using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Models;

/// <summary>What a session goes on from is what its caller got.</summary>
[TestClass]
public sealed class SessionTextTests
{
    private static readonly GptTokenizer Words = GptTokenizer.TrainBytePairEncoding([string.Join(' ', Enumerable.Repeat("new lower", 9)), "new"], new BytePairTrainingOptions { VocabularySize = 280 });

    // The one merge is of the last byte of three characters with the letter behind it.
    private static readonly GptTokenizer Halves = GptTokenizer.TrainBytePairEncoding(["Üx Ĝx Ŝx Üx Ĝx Ŝx"], new BytePairTrainingOptions { VocabularySize = 258 });

    [TestMethod]
    [DataRow("we", "new lo")]      // begins and ends within " lower"
    [DataRow(" ", "new")]          // begins with it
    [DataRow("w l", "ne")]         // over two tokens
    [DataRow("r", "new lowe")]
    [DataRow("new", "")]
    public Task A_text_session_goes_on_from_before_the_stop_string(string stop, string left)
    {
        Assert.AreEqual(1, Words.Encode(" lower").Length);
        return CheckAsync(Words, "new lower", stop, left);
    }

    [TestMethod]
    public Task It_is_not_cut_within_a_character()
    {
        Assert.AreEqual(3, Halves.Encode("aÜx").Length);
        return CheckAsync(Halves, "aÜx", "x", "aÜ");
    }

    private static async Task CheckAsync(GptTokenizer tokenizer, string written, string stop, string left)
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(new GptConfig { VocabularySize = 282, ContextLength = 64, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 }), folder["package"], new OnnxExportOptions { TokenizerHash = tokenizer.Hash, EndOfTextId = tokenizer.EndOfTextId });
        tokenizer.Save(folder["package"]);
        using GptModel model = GptModel.FromOnnx(folder["package"], GptDevice.Cpu);

        // The constraint says what is written, the bias in which tokens.
        var options = new GenerateTextOptions
        {
            Temperature = 0, StopStrings = [stop], Constraint = TextConstraint.Choice(written), LogitBias = tokenizer.Encode(written).ToDictionary(static id => id, static _ => 1_000f),
        };
        foreach (bool streaming in (bool[])[false, true])
        {
            using GptSession session = model.BeginSession();
            string text = streaming ? string.Concat(await session.ContinueStreaming("a", options).ToListAsync()) : session.Continue("a", options).Text;
            Assert.AreEqual(left, text);
            Assert.AreEqual("a" + left, tokenizer.Decode(session.TokenIds));

            // As from a model that has seen nothing else.
            int[] seen = [.. session.TokenIds, .. tokenizer.Encode(" newer")];
            int[] expected = [.. TokenGenerator.Generate(model.Engine, [seen], new() { Temperature = 0, MaxNewTokens = 8, StopAtEndOfText = false }, tokenizer.EndOfTextId, tokenCount: tokenizer.VocabularySize)[0].TokenIds];
            session.Continue(" newer", new() { Temperature = 0, MaxNewTokens = 8, StopAtEndOfText = false });
            CollectionAssert.AreEqual(seen.Concat(expected).ToArray(), session.TokenIds.ToArray());
        }
    }
}
