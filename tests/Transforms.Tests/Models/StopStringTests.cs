using Microsoft.Extensions.AI;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Models;

/// <summary>Stop strings whose characters are spread over several tokens: each token is one byte.</summary>
[TestClass]
public sealed class StopStringTests
{
    private static readonly GptTokenizer Bytes = GptTokenizer.TrainBytePairEncoding(["x"], new() { VocabularySize = 257 });

    // What the model writes, where it has to stop, and what is left. The last one never completes its stop string: two of six bytes are no character.
    private static readonly (byte[] Written, string[] Stops, string Text, FinishReason Reason)[] Cases =
    [
        ([.. "答え:停止。"u8], ["停止"], "答え:", FinishReason.StopString),
        ([.. " Hi✿RESULT✿"u8], ["✿"], " Hi", FinishReason.StopString),
        ([.. "cat"u8], ["a"], "c", FinishReason.StopString),
        ([.. " Hi<|im."u8], ["<|", "<|im_end|>"], " Hi", FinishReason.StopString),
        ([.. " Hi"u8, 0xE5, 0x81], ["停止"], " Hi�", FinishReason.StopToken),
        ([.. "aa停停止b"u8], ["停止"], "aa停", FinishReason.StopString),
    ];

    [TestMethod]
    public void A_stop_string_over_the_bytes_of_several_tokens_is_found_and_cut_off()
    {
        foreach ((byte[] written, string[] stops, string text, FinishReason reason) in Cases)
        {
            // With the limit far away, and just where the stop string ends.
            int[] limits = [written.Length + 5, .. reason == FinishReason.StopString ? [LengthToStop(written, stops)] : Array.Empty<int>()];
            foreach (int limit in limits)
            {
                using GptModel model = Writing([written]);
                GenerateTextOptions options = new() { Temperature = 0, StopStrings = stops, MaxNewTokens = limit };
                GeneratedText found = model.Generate(["0"], options)[0];
                Assert.AreEqual((text, reason), (found.Text, found.FinishReason));
                string[] pieces = [.. model.GenerateStreaming("0", options).ToBlockingEnumerable()];
                Assert.AreEqual(text, string.Concat(pieces));
                Assert.IsTrue(pieces.All(static piece => piece.Length > 0));
                if (reason == FinishReason.StopString) Assert.IsFalse(pieces.Any(static piece => piece.Contains('�')), "half a character is never given");
            }
        }
    }

    [TestMethod]
    public void In_one_batch_each_row_stops_at_its_own_place()
    {
        string[] stops = ["停止", "✿", "<|im_end|>"];
        using GptModel model = Writing([.. Cases.Select(static each => each.Written)]);
        GenerateTextOptions options = new() { Temperature = 0, StopStrings = stops, MaxNewTokens = 40 };
        string[] prompts = [.. Enumerable.Range(0, Cases.Length).Select(static i => ((char)('0' + i)).ToString())];
        string[] alone = [.. prompts.Select(prompt => model.Generate(prompt, options))];
        CollectionAssert.AreEqual(new[] { "答え:", " Hi", "cat", " Hi<|im.", " Hi�", "aa停" }, alone);
        CollectionAssert.AreEqual(alone, model.Generate(prompts, options).Select(static each => each.Text).ToArray());
    }

    [TestMethod]
    public async Task A_chats_stop_sequences_work_alike()
    {
        ChatTemplate template = ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" };
        foreach ((byte[] written, string[] stops, string text, _) in Cases)
        {
            using GptModel model = Writing([written], template);
            using IChatClient client = model.AsChatClient();
            ChatOptions options = new() { Temperature = 0, StopSequences = stops };
            Assert.AreEqual(text, (await client.GetResponseAsync("q", options)).Text);
            Assert.AreEqual(text, string.Concat(client.GetStreamingResponseAsync("q", options).ToBlockingEnumerable().Select(static update => update.Text)));
        }
    }

    private static int LengthToStop(byte[] written, string[] stops) => stops.Min(stop =>
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(stop);
        int at = written.AsSpan().IndexOf(bytes);
        return at < 0 ? int.MaxValue : at + bytes.Length;
    });

    /// <summary>A model that writes a script and ends; which one, the last token of the prompt tells ('0' the first); in a conversation the first.</summary>
    private static GptModel Writing(byte[][] scripts, ChatTemplate? template = null)
    {
        int[][] ids = [.. scripts.Select(static script => script.Select(static value => Enumerable.Range(0, Bytes.VocabularySize).Single(id => Bytes.GetTokenBytes(id).Span.SequenceEqual([value]))).ToArray())];
        int promptLength = template is null ? 1 : template.RenderPrompt([ConversationTurn.User("q")], Bytes).TokenIds.Count;
        return new GptModel(new HistoryModel(Bytes.VocabularySize, 128, history =>
        {
            int[] script = ids[template is null ? Bytes.GetTokenBytes(history[0]).Span[0] - '0' : 0];
            int at = history.Count - promptLength;
            float[] logits = new float[Bytes.VocabularySize];
            logits[at < script.Length ? script[at] : Bytes.EndOfTextId] = 30;
            return logits;
        }), Bytes, template);
    }
}
