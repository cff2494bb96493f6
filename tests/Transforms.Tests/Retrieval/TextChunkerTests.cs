using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Transforms.Tests.Retrieval;

[TestClass]
public sealed class TextChunkerTests
{
    private static readonly GptTokenizer Gpt2 = PublishedRanks.Gpt2;

    private const string Prose = """
        A first sentence. Is this a second one? Yes! (So it is.) "Quoted." Dr. Who is not known, and 3.14 is no border.

        A heading without a stop

        最初の文。二番目の文！ The emoji 👩‍👩‍👧 stays whole, and so does é… The end
        """;

    [TestMethod]
    public void Sentences_end_at_stops_before_white_space_and_at_empty_lines()
    {
        string[] sentences = [.. TextChunker.Sentences(Prose).Select(static span => Prose[span.Start..span.End])];
        CollectionAssert.AreEqual(new[]
        {
            "A first sentence.", "Is this a second one?", "Yes!", "(So it is.)", "\"Quoted.\"", "Dr.", "Who is not known, and 3.14 is no border.", "A heading without a stop", "最初の文。", "二番目の文！",
            "The emoji 👩‍👩‍👧 stays whole, and so does é…", "The end",
        }, sentences);
    }

    [TestMethod]
    public void Whole_sentences_fill_a_chunk_and_the_last_ones_come_again()
    {
        // Letters: a token for each character. Sentences of 3 characters, 4 with the space between.
        GptTokenizer letters = TestModels.Letters;
        string[] Chunks(int max, int overlap) => [.. TextChunker.Split("aa. bb. cc. dd.", letters, new() { MaxTokens = max, OverlapTokens = overlap }).Select(static chunk => chunk.Text)];
        CollectionAssert.AreEqual(new[] { "aa. bb.", "cc. dd." }, Chunks(8, 0));
        CollectionAssert.AreEqual(new[] { "aa. bb.", "bb. cc.", "cc. dd." }, Chunks(8, 3));
        CollectionAssert.AreEqual(new[] { "aa. bb.", "cc. dd." }, Chunks(8, 2), "A sentence that does not fit the overlap is not repeated.");
        CollectionAssert.AreEqual(new[] { "aa. bb. cc. dd." }, Chunks(15, 4));
        CollectionAssert.AreEqual(new[] { "aa", ".", "bb", ".", "cc", ".", "dd", "." }, Chunks(2, 0), "A sentence that is too long is cut.");
        Assert.IsEmpty(TextChunker.Split(" \n ", letters));
    }

    [TestMethod]
    [DataRow(ChunkUnit.Sentences)]
    [DataRow(ChunkUnit.Tokens)]
    public void Chunks_hold_every_character_keep_to_their_length_and_tell_where_they_begin(ChunkUnit unit)
    {
        foreach ((int max, int overlap) in new[] { (1, 0), (3, 0), (7, 2), (16, 15), (40, 10), (500, 0) })
        {
            IReadOnlyList<TextChunk> chunks = TextChunker.Split(Prose, Gpt2, new() { MaxTokens = max, OverlapTokens = overlap, Unit = unit });
            bool[] covered = new bool[Prose.Length];
            foreach (TextChunk chunk in chunks)
            {
                Assert.AreEqual(Prose.Substring(chunk.Start, chunk.Text.Length), chunk.Text);
                Assert.IsFalse(char.IsLowSurrogate(chunk.Text[0]) || char.IsHighSurrogate(chunk.Text[^1]));
                Assert.AreEqual(Gpt2.Encode(chunk.Text, SpecialTokenHandling.AsText).Length, chunk.TokenCount);

                // One character of several tokens can't be cut.
                Assert.IsTrue(chunk.TokenCount <= max || chunk.Text.EnumerateRunes().Count() == 1, $"'{chunk.Text}' has {chunk.TokenCount} tokens, not {max}.");
                covered.AsSpan(chunk.Start, chunk.Text.Length).Fill(true);
            }

            for (int i = 0; i < Prose.Length; i++) Assert.IsTrue(covered[i] || char.IsWhiteSpace(Prose[i]), $"{i}: '{Prose[i]}'");
            if (unit == ChunkUnit.Tokens && overlap == 0) Assert.AreEqual(Prose, string.Concat(chunks.Select(static chunk => chunk.Text)));
        }
    }

    [TestMethod]
    public void Halves_of_surrogate_pairs_are_characters_like_others()
    {
        // A token for each byte: halves are encoded as U+FFFD, which has three, and the pair among them has four.
        GptTokenizer bytes = GptTokenizer.TrainBytePairEncoding(["x"], new() { VocabularySize = 257 });
        const string Text = "a\uDC00\uDC00\uD83D\uDC00\uDFFFb";
        TextChunk[] chunks = [.. TextChunker.Split(Text, bytes, new() { MaxTokens = 4, OverlapTokens = 0, Unit = ChunkUnit.Tokens })];
        CollectionAssert.AreEqual(new[] { 4, 3, 4, 4 }, chunks.Select(static chunk => chunk.TokenCount).ToArray());
        CollectionAssert.AreEqual(new[] { 0, 2, 3, 5 }, chunks.Select(static chunk => chunk.Start).ToArray());
        Assert.AreEqual(Text, string.Concat(chunks.Select(static chunk => chunk.Text)));
    }

    [TestMethod]
    public void A_chunk_that_would_only_repeat_the_one_before_is_none()
    {
        // 3 + 1 + 3 = 7 tokens fit; "bb." may come again (3 of 6 tokens), but not beside the 9 of the next sentence, with a space 13 of 10.
        string[] Chunks(string text, int max, int overlap, ChunkUnit unit = ChunkUnit.Sentences) => [.. TextChunker.Split(text, TestModels.Letters, new() { MaxTokens = max, OverlapTokens = overlap, Unit = unit }).Select(static chunk => chunk.Text)];
        CollectionAssert.AreEqual(new[] { "aa. bb.", "cccccccc.", "dd." }, Chunks("aa. bb. cccccccc. dd.", 10, 6));

        // Of two sentences that may come again the one that leaves room does: "b. c." (5) beside "ddddd." (6) has 12 of 11, "c." 9.
        CollectionAssert.AreEqual(new[] { "a. b. c.", "c. ddddd." }, Chunks("a. b. c. ddddd.", 11, 6));

        // Chunks go on, whatever the text: each reaches beyond the one before.
        foreach ((int max, int overlap) in new[] { (3, 2), (7, 6), (16, 15), (40, 20) })
        {
            IReadOnlyList<TextChunk> chunks = TextChunker.Split(Prose, Gpt2, new() { MaxTokens = max, OverlapTokens = overlap });
            foreach ((TextChunk before, TextChunk next) in chunks.Zip(chunks.Skip(1)))
                Assert.IsGreaterThan(before.Start + before.Text.Length, next.Start + next.Text.Length, $"'{next.Text}' says nothing that '{before.Text}' does not.");
        }
    }

    [TestMethod]
    public void A_column_of_texts_becomes_a_column_of_chunks_also_when_it_was_saved()
    {
        using var folder = new TemporaryFolder();
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable(Text.Row.Make(["aa. bb. cc.", "", "zz"]));
        ITransformer chunk = ml.Gpt().Transforms.ChunkText("Chunks", "Text", TestModels.Letters, new() { MaxTokens = 8, OverlapTokens = 0 }).Fit(data);
        ml.Model.Save(chunk, data.Schema, folder["chunk.zip"]);
        foreach (ITransformer transformer in new[] { chunk, ml.Model.Load(folder["chunk.zip"], out _) })
        {
            string[][] chunks = [.. transformer.Transform(data).GetColumn<ReadOnlyMemory<char>[]>("Chunks").Select(static row => row.Select(static text => text.ToString()).ToArray())];
            CollectionAssert.AreEqual(new[] { "aa. bb.", "cc." }, chunks[0]);
            Assert.IsEmpty(chunks[1]);
            CollectionAssert.AreEqual(new[] { "zz" }, chunks[2]);
        }
    }

    [TestMethod]
    public void Options_out_of_range_are_refused()
    {
        foreach (ChunkTextOptions options in new ChunkTextOptions[] { new() { MaxTokens = 0 }, new() { OverlapTokens = -1 }, new() { MaxTokens = 5, OverlapTokens = 5 }, new() { Unit = (ChunkUnit)9 } })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate);
    }
}
