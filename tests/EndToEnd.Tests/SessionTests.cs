using System.Buffers.Binary;
using System.Security.Cryptography;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Generations that are saved and go on later, on both engines and with both kinds of caches of ONNX Runtime's.</summary>
[TestClass]
public sealed class SessionTests
{
    private static readonly GptTokenizer Tokenizer = GptTokenizer.FromCharacters(["!abcdefghijklmnopqrstuvwxyzSUA:\n "]);

    private static readonly GenerateTextOptions Some = new() { MaxNewTokens = 6, StopAtEndOfText = false, Temperature = 0.8f };

    [TestMethod]
    [DataRow(GptAttentionPattern.Dense)]
    [DataRow(GptAttentionPattern.AlternatingDenseAndBanded)]
    public void A_restored_batch_computes_the_same_bits_as_the_one_that_was_saved(GptAttentionPattern attention)
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(attention), onnx = Onnx(torch, folder);
        foreach (ICausalModel engine in (ICausalModel[])[torch.Engine, onnx.Engine])
        {
            int vocabulary = engine.Config.VocabularySize;
            float[] logits = new float[3 * vocabulary], restoredLogits = new float[logits.Length];
            using var decoder = (ISavableDecoder)engine.BeginDecoding(2, 20);
            decoder.Append([1, 2, 3, 4, 0, 5, 6, 7], [1, 1, 1, 1, 0, 1, 1, 1], LogitsScope.LastPosition, logits.AsSpan(0, 2 * vocabulary));
            decoder.Append([8, 9], default, LogitsScope.LastPosition, logits.AsSpan(0, 2 * vocabulary));
            decoder.SelectRows([1, 0, 1]);
            using var stream = new MemoryStream();
            stream.Write("before"u8);
            decoder.Save(stream);
            stream.Write("behind"u8);
            stream.Position = 6;
            using ISavableDecoder restored = ((IResumableModel)engine).ResumeDecoding(stream, 30);
            Assert.AreEqual(6, stream.Length - stream.Position, "the stream stands behind the state");
            Assert.AreEqual((3, 5, 30), (restored.RowCount, restored.Length, restored.Capacity));
            foreach (int[] next in (int[][])[[1, 2, 3], [4, 5, 6], [7, 8, 9]])
            {
                decoder.Append(next, default, LogitsScope.LastPosition, logits);
                restored.Append(next, default, LogitsScope.LastPosition, restoredLogits);
                CollectionAssert.AreEqual(logits, restoredLogits, engine.GetType().Name);
            }

            // It is a state like any other: it forks, is cut back, joins, and is saved again.
            restored.Truncate(6);
            decoder.Truncate(6);
            using IForkableDecoder fork = restored.Fork(12);
            decoder.Append([1, 1, 1], default, LogitsScope.LastPosition, logits);
            fork.Append([1, 1, 1], default, LogitsScope.LastPosition, restoredLogits);
            CollectionAssert.AreEqual(logits, restoredLogits);
            using var again = new MemoryStream();
            ((ISavableDecoder)fork).Save(again);
            fork.Truncate(3);
        }
    }

    [TestMethod]
    [DataRow(GptAttentionPattern.Dense)]
    [DataRow(GptAttentionPattern.AlternatingDenseAndBanded)]
    public void A_text_and_a_conversation_go_on_in_a_later_model_as_if_nothing_had_been(GptAttentionPattern attention)
    {
        using var folder = new TemporaryFolder();
        string file = folder["state"];
        using GptModel torch = Torch(attention);
        string package = folder["onnx"];
        torch.ExportOnnx(package);
        foreach (Func<GptModel> open in (Func<GptModel>[])[() => GptModel.FromOnnx(package, GptDevice.Cpu), () => Torch(attention)])
        {
            // 1. The same calls, once in one go and once with a night between them.
            string[] texts = new string[2], answers = new string[2];
            for (int night = 0; night < 2; night++)
            {
                GptModel model = open();
                GptSession text = model.BeginSession(), chat = model.BeginSession([ConversationTurn.System("be")]);
                string before = text.Continue("once upon", Some).Text + "|" + chat.Ask("ab", Some).Text;
                if (night == 1)
                {
                    text.Save(file);
                    chat.Save(file + "2");
                    text.Dispose();
                    chat.Dispose();
                    model.Dispose();
                    model = open();
                    (text, chat) = (model.RestoreSession(file), model.RestoreSession(file + "2"));
                }

                int computed = text.ComputedTokens;
                Assert.AreEqual("once upon".Length + 5, computed, "the last token has not been computed");
                texts[night] = before + "|" + text.Continue("", Some).Text + "|" + text.Continue(" a time", Some with { Temperature = 0 }).Text + "|" + text.Continue("x", Some with { PromptLookupTokens = 4 }).Text;
                answers[night] = chat.Ask("c", Some).Text + "|" + string.Join('|', chat.Turns.Select(static turn => turn.Content));
                Assert.HasCount(5, chat.Turns);
                using (text) using (chat) model.Dispose();
            }

            Assert.AreEqual(texts[0], texts[1]);
            Assert.AreEqual(answers[0], answers[1]);
        }
    }

    [TestMethod]
    public void Each_call_computes_what_the_whole_text_gives()
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(GptAttentionPattern.Dense), onnx = Onnx(torch, folder);
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            GenerateTextOptions greedy = Some with { Temperature = 0 };
            using GptSession session = model.BeginSession();
            string text = "ab";
            foreach (string added in (string[])["ab", "cd", "", "x"])
            {
                if (text != added) text += added;
                string whole = model.Generate(text, greedy);
                Assert.AreEqual(whole, session.Continue(added, greedy).Text, model.Engine.GetType().Name);
                text += whole;
            }

            // A copy goes on by itself; guesses and a conversation's rules change nothing in what comes.
            using GptSession copy = session.Fork();
            string next = model.Generate(text + "q", greedy);
            Assert.AreEqual(next, copy.Continue("q", greedy with { PromptLookupTokens = 5 }).Text);
            Assert.AreEqual(next, session.Continue("q", greedy).Text);
            using GptSession chat = model.BeginSession();
            string first = model.Chat([ConversationTurn.User("ab")], greedy).Text;
            Assert.AreEqual(first, chat.Ask("ab", greedy).Text);
            ConversationTurn[] turns = [ConversationTurn.User("ab"), ConversationTurn.Assistant(first), ConversationTurn.User("c")];
            Assert.AreEqual(model.Chat(turns, greedy).Text, chat.Ask("c", greedy).Text);
            Assert.IsGreaterThan(0, chat.ComputedTokens);
            Assert.ThrowsExactly<InvalidOperationException>(() => chat.Continue("a"));
            Assert.ThrowsExactly<InvalidOperationException>(() => session.Ask("a"));
        }
    }

    [TestMethod]
    public void A_session_goes_back_to_an_earlier_place_and_on_from_there()
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(GptAttentionPattern.AlternatingDenseAndBanded), onnx = Onnx(torch, folder);
        GenerateTextOptions greedy = Some with { Temperature = 0 };
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            // 1. A text, into the middle of what was appended and of what was generated.
            using GptSession text = model.BeginSession();
            text.Continue("abcdef", greedy);
            text.Continue("gh", greedy);
            int[] all = [.. text.TokenIds];
            foreach (int length in (int[])[all.Length, all.Length - 2, 8, 3])
            {
                text.RewindToToken(length);
                CollectionAssert.AreEqual(all[..length], text.TokenIds.ToArray());
                Assert.AreEqual(Math.Min(length, all.Length - 1), text.ComputedTokens, "nothing of it is computed again");
                text.Save(folder["back"]);
                using GptSession restored = model.RestoreSession(folder["back"]), fork = text.Fork();
                string expected = model.Generate(Tokenizer.Decode(all[..length]) + "x", greedy);
                Assert.AreEqual(expected, restored.Continue("x", greedy).Text, model.Engine.GetType().Name);
                Assert.AreEqual(expected, fork.Continue("x", greedy with { PromptLookupTokens = 3 }).Text);
            }

            text.RewindToToken(0);
            Assert.AreEqual(model.Generate("b", greedy), text.Continue("b", greedy).Text);
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => text.RewindToToken(text.TokenIds.Count + 1));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => text.RewindToToken(-1));
            Assert.ThrowsExactly<InvalidOperationException>(() => text.RewindToTurn(0));

            // 2. A conversation: the first exchange stays, and what it came to is not computed again.
            using GptSession chat = model.BeginSession([ConversationTurn.System("be")]);
            string first = chat.Ask("ab", greedy).Text;
            chat.Ask("cd", greedy);
            chat.RewindToTurn(3);
            Assert.AreEqual("be|ab|" + first, string.Join('|', chat.Turns.Select(static turn => turn.Content)));
            CollectionAssert.AreEqual(ChatTemplate.Default.Render(chat.Turns, Tokenizer).TokenIds.ToArray(), chat.TokenIds.ToArray());
            Assert.AreEqual(chat.TokenIds.Count, chat.ComputedTokens);
            ConversationTurn[] turns = [ConversationTurn.System("be"), ConversationTurn.User("ab"), ConversationTurn.Assistant(first), ConversationTurn.User("e")];
            Assert.AreEqual(model.Chat(turns, greedy).Text, chat.Ask("e", greedy).Text);
            chat.RewindToTurn(1);
            Assert.AreEqual("be", chat.Turns.Single().Content);
            Assert.IsGreaterThan("System:be".Length, chat.ComputedTokens, "what the system says is not computed again");
            Assert.AreEqual(first, chat.Ask("ab", greedy).Text);
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => chat.RewindToTurn(4));
            Assert.ThrowsExactly<InvalidOperationException>(() => chat.RewindToToken(1));
            chat.RewindToTurn(0);
            Assert.HasCount(0, chat.TokenIds);
            Assert.AreEqual(model.Chat([ConversationTurn.User("ab")], greedy).Text, chat.Ask("ab", greedy).Text);
        }
    }

    [TestMethod]
    public async Task A_call_that_ends_early_leaves_the_session_as_it_was()
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(GptAttentionPattern.Dense), onnx = Onnx(torch, folder);
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            using GptSession session = model.BeginSession(), other = model.BeginSession();
            session.Continue("ab", Some);
            other.Continue("ab", Some);
            int[] before = [.. session.TokenIds];
            foreach (int tokens in (int[])[20, 2])
            {
                // Left at the first piece, while more are generated, or when the last one has been for long.
                await foreach (string _ in session.ContinueStreaming("cd", Some with { MaxNewTokens = tokens }))
                {
                    if (tokens == 2) await Task.Delay(200);
                    break;
                }
            }

            using var cancelled = new CancellationTokenSource();
            await cancelled.CancelAsync();
            Assert.Throws<OperationCanceledException>(() => session.Continue("ef", Some, cancelled.Token));
            Assert.ThrowsExactly<PromptTooLongException>(() => session.Continue(new string('a', 120), Some));
            Assert.ThrowsExactly<UnsupportedOptionException>(() => session.Continue("a", new() { BeamCount = 2, Temperature = 0 }));
            Assert.ThrowsExactly<ArgumentException>(() => session.Continue("a", Some with { SamplesPerPrompt = 2 }));
            CollectionAssert.AreEqual(before, session.TokenIds.ToArray());
            session.Save(folder["early"]);
            using GptSession restored = model.RestoreSession(folder["early"]);
            GenerateTextOptions greedy = Some with { Temperature = 0 };
            string expected = other.Continue("gh", greedy).Text;
            Assert.AreEqual(expected, session.Continue("gh", greedy).Text);
            Assert.AreEqual(expected, restored.Continue("gh", greedy).Text);
            List<string> pieces = [];
            await foreach (string piece in session.ContinueStreaming("i", greedy)) pieces.Add(piece);
            Assert.AreEqual(other.Continue("i", greedy).Text, string.Concat(pieces));

            // What never was: a session without a token can be saved too.
            using GptSession fresh = model.BeginSession();
            fresh.Save(folder["fresh"]);
            using GptSession begun = model.RestoreSession(folder["fresh"]);
            Assert.AreEqual(model.Generate("ab", greedy), begun.Continue("ab", greedy).Text);
        }
    }

    [TestMethod]
    public void A_session_of_another_model_or_number_format_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(GptAttentionPattern.Dense), onnx = Onnx(torch, folder), stranger = Torch(GptAttentionPattern.Dense, seed: 9), wider = Torch(GptAttentionPattern.Dense, layers: 3);
        string saved = folder["torch"], savedOnnx = folder["state"];
        using (GptSession session = torch.BeginSession())
        {
            session.Continue("abc", Some);
            session.Save(saved);
        }

        using (GptSession session = onnx.BeginSession())
        {
            session.Continue("abc", Some);
            session.Save(savedOnnx);
        }

        Assert.AreEqual("model's fingerprint", Assert.ThrowsExactly<StateMismatchException>(() => stranger.RestoreSession(saved)).Part);
        Assert.AreEqual("model's fingerprint", Assert.ThrowsExactly<StateMismatchException>(() => torch.RestoreSession(savedOnnx)).Part);
        Assert.AreEqual("model's fingerprint", Assert.ThrowsExactly<StateMismatchException>(() => onnx.RestoreSession(saved)).Part);
        var shape = Assert.ThrowsExactly<StateMismatchException>(() => wider.RestoreSession(saved));
        Assert.AreEqual(("shape", "3 layers with 4 heads of 16", "2 layers with 4 heads of 16"), (shape.Part, shape.Expected, shape.Found));
        using var narrow = new GptModel(new TorchCausalModel(GptNetwork.FromWeights(((TorchCausalModel)torch.Engine).Network, GptDevice.Cpu, GptPrecision.BFloat16, trainable: false)), Tokenizer, ChatTemplate.Default);
        var format = Assert.ThrowsExactly<StateMismatchException>(() => narrow.RestoreSession(saved));
        Assert.AreEqual(("number format", "BFloat16", "Float32"), (format.Part, format.Expected, format.Found));
        using (GptSession session = narrow.BeginSession())
        {
            // In bfloat16 it is saved and restored as well.
            session.Continue("abc", Some);
            session.Save(folder["narrow"]);
            using GptSession restored = narrow.RestoreSession(folder["narrow"]);
            Assert.AreEqual(session.Continue("d", Some).Text, restored.Continue("d", Some).Text);
        }

        using var renamed = new GptModel(new TorchCausalModel(GptNetwork.FromWeights(((TorchCausalModel)torch.Engine).Network, GptDevice.Cpu, trainable: false)), GptTokenizer.FromCharacters(["?abcdefghijklmnopqrstuvwxyzSUA:\n "]), ChatTemplate.Default);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => renamed.RestoreSession(saved));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => torch.RestoreSession(folder["nothing"]));
        using GptSession same = torch.RestoreSession(saved);
        Assert.AreEqual(9, same.TokenIds.Count);
    }

    [TestMethod]
    public void A_damaged_or_shortened_file_is_refused_whatever_byte_is_hit()
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(GptAttentionPattern.Dense), onnx = Onnx(torch, folder);
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            using GptSession session = model.BeginSession();
            session.Continue("a", Some with { MaxNewTokens = 2 });
            using var whole = new MemoryStream();
            session.Save(whole);
            byte[] valid = whole.ToArray();
            model.RestoreSession(new MemoryStream(valid)).Dispose();
            for (int at = 0; at < valid.Length; at += at < 700 ? 1 : 61)
            {
                byte[] damaged = [.. valid];
                damaged[at] ^= 0x10;
                Assert.ThrowsExactly<CorruptFileException>(() => model.RestoreSession(new MemoryStream(damaged)), $"byte {at}");
                Assert.ThrowsExactly<CorruptFileException>(() => model.RestoreSession(new MemoryStream(valid[..at])), $"{at} bytes");
            }

            File.WriteAllBytes(folder["more"], [.. valid, 0]);
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => model.RestoreSession(folder["more"])).Message, "1 bytes follow");
            Assert.ThrowsExactly<ArgumentException>(() => model.RestoreSession(new System.IO.Compression.DeflateStream(new MemoryStream(valid), System.IO.Compression.CompressionMode.Decompress)));
            Assert.ThrowsExactly<ArgumentException>(() => session.Save(new MemoryStream(valid, writable: false)));
        }
    }

    // What has ended by itself has been computed to its last token: the one that ends it came behind that.
    [TestMethod]
    public void A_text_that_ended_by_itself_is_computed_to_its_last_token()
    {
        using GptModel torch = Torch(GptAttentionPattern.Dense);
        using GptSession session = torch.BeginSession();
        int stop = torch.GenerateSequences([Tokenizer.Encode("ab")], Some with { Temperature = 0, MaxNewTokens = 4 })[0].TokenIds[3];
        GeneratedText text = session.Continue("ab", Some with { Temperature = 0, MaxNewTokens = 9, StopTokenIds = [stop] });
        Assert.AreEqual(FinishReason.StopToken, text.FinishReason);
        Assert.AreEqual(2 + text.TokenCount, session.TokenIds.Count);
        Assert.AreEqual(session.TokenIds.Count, session.ComputedTokens);
    }

    [TestMethod]
    public void A_row_beyond_the_context_and_too_little_room_are_told()
    {
        using GptModel torch = Torch(GptAttentionPattern.Dense);
        using var decoder = (ISavableDecoder)torch.Engine.BeginDecoding(1, 8);
        decoder.Append([1, 2, 3, 4, 5], default, LogitsScope.LastPosition, new float[torch.Config.VocabularySize]);
        using var stream = new MemoryStream();
        decoder.Save(stream);
        var engine = (IResumableModel)torch.Engine;
        stream.Position = 0;
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => engine.ResumeDecoding(stream, 4));
        using GptModel shorter = Torch(GptAttentionPattern.Dense, context: 4);
        byte[] bytes = stream.ToArray();

        // The same file, but for the fingerprint: that of a model whose context has four tokens.
        using var shorterStream = new MemoryStream();
        using (var small = (ISavableDecoder)shorter.Engine.BeginDecoding(1, 4))
        {
            small.Append([1], default, LogitsScope.LastPosition, new float[torch.Config.VocabularySize]);
            small.Save(shorterStream);
        }

        shorterStream.ToArray().AsSpan(40, 32).CopyTo(bytes.AsSpan(40));
        SHA256.HashData(bytes.AsSpan(0, bytes.Length - 32)).CopyTo(bytes.AsSpan(bytes.Length - 32));
        var tooLong = Assert.ThrowsExactly<PromptTooLongException>(() => ((IResumableModel)shorter.Engine).ResumeDecoding(new MemoryStream(bytes), 8));
        Assert.AreEqual((5, 4), (tooLong.TokenCount, tooLong.Limit));

        // The version stands where the page on formats says.
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), 2);
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => engine.ResumeDecoding(new MemoryStream(bytes), 8)).Message, "version is 2");
    }

    // A stop string ends a text in the middle of a pass over guesses: the decoder then holds a guess where the last token should be.
    [TestMethod]
    public void A_text_that_a_stop_string_ended_among_guesses_goes_on_from_its_own_tokens()
    {
        using var folder = new TemporaryFolder();
        using GptModel torch = Torch(GptAttentionPattern.Dense), onnx = Onnx(torch, folder);
        const string Prompt = "abcdefghijklmnopqrstuvwxyz";
        GenerateTextOptions greedy = Some with { Temperature = 0, TopLogProbabilities = 0 };
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            int stopped = 0;
            foreach (int seed in Enumerable.Range(0, 30))
            {
                using GptSession session = model.BeginSession();
                GeneratedText first = session.Continue(Prompt, Some with { MaxNewTokens = 12, Temperature = 3, Seed = seed, PromptLookupTokens = 4, StopStrings = ["a", "e", "i", "o", "u", "n", "s"] });
                if (first.FinishReason != FinishReason.StopString) continue;
                stopped++;
                string text = Tokenizer.Decode(session.TokenIds) + "q";
                GeneratedText whole = model.Generate([text], greedy)[0], next = session.Continue("q", greedy);
                Assert.AreEqual(whole.Text, next.Text, $"{model.Engine.GetType().Name}, seed {seed}");
                foreach ((TokenLogProbability expected, TokenLogProbability found) in whole.LogProbabilities!.Zip(next.LogProbabilities!))
                    Assert.AreEqual(expected.LogProbability, found.LogProbability, 1e-4, $"{model.Engine.GetType().Name}, seed {seed}");
            }

            Assert.IsGreaterThan(10, stopped, "too few were ended by a stop string to show anything");
        }
    }

    private static GptModel Torch(GptAttentionPattern attention, int layers = 2, int context = 96, int seed = 1) => new(
        new TorchCausalModel(new GptNetwork(Config(attention) with { LayerCount = layers, ContextLength = context }, GptDevice.Cpu, seed)), Tokenizer, ChatTemplate.Default);

    private static GptConfig Config(GptAttentionPattern attention) => new()
    {
        VocabularySize = Tokenizer.VocabularySize, ContextLength = 96, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4, InitializerRange = 0.3f, AttentionPattern = attention, AttentionBandWidth = 3,
    };

    private static GptModel Onnx(GptModel torch, TemporaryFolder folder)
    {
        torch.ExportOnnx(folder["onnx"]);
        return GptModel.FromOnnx(folder["onnx"], GptDevice.Cpu);
    }
}
