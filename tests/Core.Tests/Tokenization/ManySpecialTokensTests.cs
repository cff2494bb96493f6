using System.Text;
using CsCheck;
using MLNet.Gpt.Core.Tests.Checkpoint;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class ManySpecialTokensTests
{
    private const int Hits = 20_000;

    private static readonly string[] s_many = [GptTokenizer.EndOfText, .. Enumerable.Range(0, 20_000).Select(index => $"<extra_id_{index}>"), "new_1", "new_12", "new_123"];

    [TestMethod]
    [TestCategory("Long")]
    public void Each_of_twenty_thousand_special_tokens_is_found_and_written()
    {
        GptTokenizer tokenizer = Train(s_many);
        string[] names = [.. Enumerable.Range(0, Hits).Select(index => $"<extra_id_{index * 7_919 % 20_000}>")]; // each once, in no order
        string text = string.Concat(names.Select(name => name + " word"));
        int[] word = tokenizer.Encode(" word");
        int[] expected = [.. names.SelectMany(name => word.Prepend(tokenizer.SpecialTokens[name]))];
        CollectionAssert.AreEqual(expected, tokenizer.Encode(text));
        Assert.AreEqual(text, tokenizer.Decode(expected));
        Assert.AreEqual(string.Concat(Enumerable.Repeat(" word", Hits)), tokenizer.Decode(expected, skipSpecialTokens: true));
    }

    [TestMethod]
    public void The_longest_of_several_special_tokens_at_one_place_is_found()
    {
        GptTokenizer tokenizer = Train(s_many);
        CollectionAssert.AreEqual((int[])[tokenizer.SpecialTokens["new_123"], .. tokenizer.Encode("4")], tokenizer.Encode("new_1234"));
        CollectionAssert.AreEqual((int[])[tokenizer.SpecialTokens["new_12"], .. tokenizer.Encode("x")], tokenizer.Encode("new_12x"));
        CollectionAssert.AreEqual((int[])[.. tokenizer.Encode("new_"), tokenizer.SpecialTokens["new_1"]], tokenizer.Encode("new_new_1"));
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Twenty_thousand_special_tokens_are_saved_and_loaded_with_a_model_too()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = Train(s_many);
        tokenizer.Save(folder["tokenizer"]);
        GptTokenizer loaded = GptTokenizer.Load(folder["tokenizer"]);
        Assert.AreEqual(tokenizer.Hash, loaded.Hash);

        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2 with { VocabularySize = tokenizer.VocabularySize }), tokenizer);
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        CollectionAssert.AreEqual(tokenizer.Encode("a<extra_id_19999>new_123"), checkpoint.Tokenizer!.Encode("a<extra_id_19999>new_123"));
    }

    // The definition: at each place the longest token that begins there, and else the next place.
    [TestMethod]
    public void Any_special_tokens_are_found_leftmost_and_longest()
    {
        Gen<string> text = Gen.Int[0, 3].Array[1, 5].Select(units => string.Concat(units.Select(unit => "ab<👍"[unit])));
        Gen.Select(text.Array[1, 12], Gen.Int[0, 4].Array[0, 60]).Always(
            (generated, units) =>
            {
                string[] tokens = [.. generated.Distinct()];
                string source = string.Concat(units.Select(unit => "ab<👍"[unit]));
                var matcher = new SpecialTokenMatcher([.. tokens.Select((token, id) => KeyValuePair.Create(token, id))]);
                var expected = new StringBuilder();
                for (int place = 0; place < source.Length;)
                {
                    string? found = tokens.Where(token => string.CompareOrdinal(source, place, token, 0, token.Length) == 0).MaxBy(token => token.Length);
                    expected.Append(found is null ? source[place] : $"[{found}]");
                    place += found?.Length ?? 1;
                }

                var actual = new StringBuilder();
                for (ReadOnlySpan<char> rest = source; !rest.IsEmpty;)
                {
                    bool found = matcher.TryFind(rest, out int index, out int length, out int id);
                    Assert.AreEqual(found, id >= 0);
                    actual.Append(rest[..index]).Append(found ? $"[{tokens[id]}]" : "");
                    rest = rest[(index + length)..];
                }

                Assert.AreEqual(expected.ToString(), actual.ToString());
            },
            iter: 3_000);
    }

    private static GptTokenizer Train(string[] specialTokens) =>
        GptTokenizer.TrainBytePairEncoding(["some word and another word"], new() { VocabularySize = 300 + specialTokens.Length, MinimumFrequency = 1, SpecialTokens = specialTokens });
}
