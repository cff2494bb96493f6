using System.Text;
using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class TokenTrieTests
{
    [TestMethod]
    public void Each_token_lies_at_the_end_of_its_bytes_and_special_tokens_nowhere()
    {
        GptTokenizer[] tokenizers = [GrammarText.Bytes(), SampleTexts.TrainSmall("<|x|>"), GptTokenizer.FromCharacters(["abcé漢😀{}"])];
        foreach (GptTokenizer tokenizer in tokenizers)
        {
            var trie = TokenTrie.Of(tokenizer);
            Assert.AreEqual(tokenizer.VocabularySize, trie.VocabularySize);
            Assert.AreSame(trie, TokenTrie.Of(tokenizer));
            Dictionary<int, string> found = Walk(trie);
            bool characters = tokenizer.Kind == GptTokenizerKind.Character;
            Assert.AreEqual(characters, trie.Alphabet is not null);
            Assert.AreEqual(found.Values.Max(static token => token.Length / 2), trie.MaxDepth);
            for (int id = 0; id < tokenizer.VocabularySize; id++)
            {
                Assert.AreEqual(!tokenizer.IsSpecialToken(id), found.TryGetValue(id, out string? token), $"token {id}");
                ReadOnlySpan<byte> bytes = trie.BytesOf(id);
                Assert.AreEqual(token ?? "", Convert.ToHexString(bytes));
                if (token is not null) Assert.AreEqual(Convert.ToHexString(tokenizer.GetTokenBytes(id).Span), token);
            }

            Assert.AreEqual(0, trie.BytesOf(-1).Length);
            Assert.AreEqual(0, trie.BytesOf(trie.VocabularySize).Length);
        }
    }

    [TestMethod]
    public void The_tree_of_a_few_tokens()
    {
        // a, ab, abc, b: the nodes a, ab, abc, b, of which the tree of a ends at b.
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["ba", "é"]);
        var trie = TokenTrie.Of(tokenizer);
        CollectionAssert.AreEqual(new byte[] { 0x61, 0x62, 0xC3, 0xA9 }, trie.Bytes);
        CollectionAssert.AreEqual(new byte[] { 1, 1, 1, 2 }, trie.Depths);
        CollectionAssert.AreEqual(new[] { 1, 2, 4, 4 }, trie.Ends);
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, trie.TokenIds);
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 2, 3 }, trie.FirstTokens);
        Assert.AreEqual(2, trie.MaxDepth);
        Assert.AreEqual("97,98,233,233", trie.Alphabet!.Key);

        trie = TokenTrie.Of(GrammarText.Bytes());
        int a = Array.IndexOf(trie.Bytes, (byte)'a');
        CollectionAssert.AreEqual("abcb"u8.ToArray(), trie.Bytes[a..(a + 4)]);
        CollectionAssert.AreEqual(new byte[] { 1, 2, 3, 1 }, trie.Depths[a..(a + 4)]);
        CollectionAssert.AreEqual(new[] { a + 3, a + 3, a + 3, a + 4 }, trie.Ends[a..(a + 4)]);
        CollectionAssert.AreEqual(new[] { 'a', 256, 257, 'b' }, trie.TokenIds[trie.FirstTokens[a]..trie.FirstTokens[a + 4]]);
        Assert.HasCount(258, trie.Bytes);
    }

    [TestMethod]
    public void A_token_of_more_than_255_bytes_is_left_out()
    {
        // Each byte, then 2 to 256 times 'a'.
        using var folder = new TemporaryFolder();
        IEnumerable<byte[]> tokens = Enumerable.Range(0, 256).Select(static value => new[] { (byte)value }).Concat(Enumerable.Range(2, 255).Select(static count => Enumerable.Repeat((byte)'a', count).ToArray()));
        var trie = TokenTrie.Of(GptTokenizer.FromTiktoken(folder.Write("a.tiktoken", string.Concat(tokens.Select(static (token, rank) => $"{Convert.ToBase64String(token)} {rank}\n")))));
        Assert.AreEqual(255, trie.MaxDepth);
        Dictionary<int, string> found = Walk(trie);
        Assert.IsTrue(found.ContainsKey(256 + 253) && !found.ContainsKey(256 + 254));
        Assert.AreEqual(256, trie.BytesOf(256 + 254).Length, "It can still be read.");
    }

    [TestMethod]
    public void A_vocabulary_may_lack_the_bytes_that_UTF8_never_has()
    {
        // C0, C1 and F5 to FF; without any other a vocabulary of bytes is refused before it comes here.
        using var folder = new TemporaryFolder();
        IEnumerable<byte> bytes = Enumerable.Range(0, 0xF5).Where(static value => value is not (0xC0 or 0xC1)).Select(static value => (byte)value);
        var trie = TokenTrie.Of(GptTokenizer.FromTiktoken(folder.Write("b.tiktoken", string.Concat(bytes.Select(static (value, rank) => $"{Convert.ToBase64String([value])} {rank}\n")))));
        Assert.IsNull(trie.Alphabet);
        Assert.HasCount(0xF5 - 2, trie.Bytes);
    }

    [TestMethod]
    public void A_vocabulary_without_single_bytes_is_used_by_its_characters()
    {
        var trie = TokenTrie.Of(GptTokenizer.FromCharacters(["xé漢😀é"]));
        Assert.AreEqual("120,120,233,233,28450,28450,128512,128512", trie.Alphabet!.Key);

        // All bytes of ASCII alone are characters too.
        string ascii = new([.. Enumerable.Range(0, 128).Select(static value => (char)value)]);
        Assert.AreEqual("0,127", TokenTrie.Of(GptTokenizer.FromCharacters([ascii])).Alphabet!.Key);
    }

    // Walks the tree as the fields describe it: each token's bytes in hexadecimal digits.
    private static Dictionary<int, string> Walk(TokenTrie trie)
    {
        Dictionary<int, string> found = [];
        var path = new List<byte>();
        Assert.HasCount(trie.Bytes.Length + 1, trie.FirstTokens);
        for (int node = 0; node < trie.Bytes.Length; node++)
        {
            path.RemoveRange(trie.Depths[node] - 1, path.Count - trie.Depths[node] + 1);
            path.Add(trie.Bytes[node]);
            int end = node + 1;
            while (end < trie.Bytes.Length && trie.Depths[end] > trie.Depths[node]) end++;
            Assert.AreEqual(end, trie.Ends[node], $"the end of node {node}");
            for (int i = trie.FirstTokens[node]; i < trie.FirstTokens[node + 1]; i++) found.Add(trie.TokenIds[i], Convert.ToHexString([.. path]));
        }

        return found;
    }
}
