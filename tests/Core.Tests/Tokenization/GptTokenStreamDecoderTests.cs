using System.Text;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class GptTokenStreamDecoderTests
{
    private static readonly GptTokenizer s_tokenizer = SampleTexts.TrainSmall("<|user|>");

    [TestMethod]
    public void A_character_appears_with_the_token_that_completes_it()
    {
        GptTokenStreamDecoder decoder = s_tokenizer.CreateStreamDecoder();
        int[] single = [.. Enumerable.Range(0, s_tokenizer.VocabularySize).Where(id => s_tokenizer.GetTokenBytes(id).Length == 1).OrderBy(id => s_tokenizer.GetTokenBytes(id).Span[0])];
        string[] parts = [.. Encoding.UTF8.GetBytes("a👍é").Select(value => decoder.Append(single[value]))];
        CollectionAssert.AreEqual(new[] { "a", "", "", "", "👍", "", "é" }, parts);
        Assert.AreEqual("", decoder.Flush());
    }

    [TestMethod]
    public void The_parts_of_any_text_joined_are_the_text_and_no_part_holds_half_a_character()
    {
        var random = new Random(4);
        foreach (string text in SampleTexts.Awkward.Concat(Enumerable.Range(0, 200).Select(length => SampleTexts.Random(random, length))))
        {
            GptTokenStreamDecoder decoder = s_tokenizer.CreateStreamDecoder();
            var joined = new StringBuilder();
            foreach (int id in s_tokenizer.Encode(text))
            {
                string part = decoder.Append(id);
                Assert.IsTrue(text.AsSpan(joined.Length).StartsWith(part));
                Assert.IsFalse(part.Length > 0 && char.IsHighSurrogate(part[^1]));
                joined.Append(part);
            }

            Assert.AreEqual("", decoder.Flush());
            Assert.AreEqual(text, joined.ToString());
        }
    }

    [TestMethod]
    public void Any_sequence_of_tokens_gives_what_decoding_it_at_once_gives()
    {
        var random = new Random(5);
        for (int length = 0; length < 400; length++)
        {
            int[] ids = [.. Enumerable.Range(0, length).Select(_ => random.Next(s_tokenizer.VocabularySize))];
            foreach (bool skip in (bool[])[false, true])
            {
                GptTokenStreamDecoder decoder = s_tokenizer.CreateStreamDecoder(skip);
                Assert.AreEqual(s_tokenizer.Decode(ids, skip), string.Concat(ids.Select(decoder.Append)) + decoder.Flush());
            }
        }
    }

    [TestMethod]
    public void A_text_cut_short_ends_with_the_replacement_character_and_a_new_one_may_begin()
    {
        GptTokenStreamDecoder decoder = s_tokenizer.CreateStreamDecoder();
        int first = Enumerable.Range(0, s_tokenizer.VocabularySize).First(id => s_tokenizer.GetTokenBytes(id).Span.SequenceEqual((ReadOnlySpan<byte>)[0xF0]));
        Assert.AreEqual("", decoder.Append(first));
        Assert.AreEqual("\uFFFD", decoder.Flush());
        Assert.AreEqual("", decoder.Flush());
        Assert.AreEqual("a", decoder.Append(s_tokenizer.Encode("a")[0]));
    }

    [TestMethod]
    public void Special_tokens_are_written_or_left_out()
    {
        int[] ids = s_tokenizer.Encode("a<|user|>b<|endoftext|>");
        GptTokenStreamDecoder all = s_tokenizer.CreateStreamDecoder();
        GptTokenStreamDecoder text = s_tokenizer.CreateStreamDecoder(skipSpecialTokens: true);
        CollectionAssert.AreEqual(new[] { "a", "<|user|>", "b", "<|endoftext|>" }, ids.Select(all.Append).ToArray());
        CollectionAssert.AreEqual(new[] { "a", "", "b", "" }, ids.Select(text.Append).ToArray());
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => all.Append(s_tokenizer.VocabularySize));
    }
}
