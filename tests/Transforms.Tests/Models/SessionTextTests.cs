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
    [TestMethod]
    public void A_model_of_the_same_graph_with_other_weights_beside_it_is_another_one()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder, dataFile: true);
        using (GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu))
        using (GptSession session = model.BeginSession())
        {
            session.Continue("ab", new GenerateTextOptions { MaxNewTokens = 2, Temperature = 0, StopAtEndOfText = false });
            session.Save(folder["session"]);
            model.RestoreSession(folder["session"]).Dispose();
        }

        string weights = Path.Combine(package, "model.onnx.data");
        byte[] bytes = File.ReadAllBytes(weights);
        bytes[0] ^= 1; // the last bit of one weight
        File.WriteAllBytes(weights, bytes);
        using GptModel other = GptModel.FromOnnx(package, GptDevice.Cpu);
        Assert.AreEqual("model's fingerprint", Assert.ThrowsExactly<StateMismatchException>(() => other.RestoreSession(folder["session"])).Part);
    }

    // Whole files, whose parts do not go together.
    [TestMethod]
    public void A_session_whose_parts_contradict_each_other_is_refused()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        int vocabulary = model.Config.VocabularySize;
        using var decoder = (ISavableDecoder)model.Engine.BeginDecoding(1, 8);
        decoder.Append([1, 2, 3], default, LogitsScope.LastPosition, new float[vocabulary]);
        using var rows = (ISavableDecoder)model.Engine.BeginDecoding(2, 8);
        rows.Append([1, 2], default, LogitsScope.LastPosition, new float[2 * vocabulary]);
        foreach ((int[] tokens, ISavableDecoder? state, string problem) in (ReadOnlySpan<(int[], ISavableDecoder?, string)>)[
            ([1, 2], decoder, "its state has 1 rows of 3 positions for one text of 2 tokens"), ([1, 2, 3], rows, "its state has 2 rows of 1 positions"),
            ([1, vocabulary], null, $"it holds the token {vocabulary}"), ([-1], null, "it holds the token -1")])
        {
            using var stream = new MemoryStream();
            GptSessionFile.Write(stream, model.Tokenizer.Hash, tokens, [], state);
            stream.Position = 0;
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => model.RestoreSession(stream)).Message, problem);
        }

        using var whole = new MemoryStream();
        GptSessionFile.Write(whole, model.Tokenizer.Hash, [1, 2, 3], [], decoder);
        whole.Position = 0;
        using GptSession restored = model.RestoreSession(whole);
        Assert.AreEqual(3, restored.ComputedTokens);
    }

}
