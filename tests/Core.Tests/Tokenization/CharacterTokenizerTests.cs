using System.Text;

namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class CharacterTokenizerTests
{
    [TestMethod]
    public void Each_code_point_of_the_texts_is_a_token_in_order_and_end_of_text_is_the_last()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["ba\n", "👍é", ""]);
        Assert.AreEqual(GptTokenizerKind.Character, tokenizer.Kind);
        Assert.AreEqual(6, tokenizer.VocabularySize); // \n a b é 👍 <|endoftext|>
        Assert.AreEqual(5, tokenizer.EndOfTextId);
        CollectionAssert.AreEqual(new[] { 2, 1, 0, 4, 3, 5 }, tokenizer.Encode("ba\n👍é<|endoftext|>"));
        CollectionAssert.AreEqual("👍"u8.ToArray(), tokenizer.GetTokenBytes(4).ToArray());
        Assert.AreEqual("ba\n👍é<|endoftext|>", tokenizer.Decode([2, 1, 0, 4, 3, 5]));
        Assert.AreEqual("ba\n👍é", tokenizer.Decode([2, 1, 0, 4, 3, 5], skipSpecialTokens: true));
    }

    [TestMethod]
    public void Texts_of_its_characters_decode_to_themselves()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(SampleTexts.Awkward);
        foreach (string text in SampleTexts.Awkward) Assert.AreEqual(text, tokenizer.Decode(tokenizer.Encode(text)));
    }

    [TestMethod]
    public void An_unknown_character_is_an_error_that_names_it_and_its_place()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abc👍"]);
        UnknownCharacterException exception = Assert.ThrowsExactly<UnknownCharacterException>(() => tokenizer.Encode("ab👍𝐀c"));
        Assert.AreEqual(new Rune(0x1D400), exception.Character);
        Assert.AreEqual(4, exception.Position, "a and b take one unit each, 👍 two");
        StringAssert.Contains(exception.Message, "U+1D400 ('𝐀') at position 4");
        StringAssert.Contains(exception.Message, "4 characters");
        Assert.DoesNotContain("'\n'", Assert.ThrowsExactly<UnknownCharacterException>(() => tokenizer.Encode("a\n")).Message);
    }

    [TestMethod]
    public void The_text_of_a_special_token_is_text_where_that_is_asked_for()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["<|endoftext|>"]);
        CollectionAssert.AreEqual(new[] { tokenizer.EndOfTextId }, tokenizer.Encode("<|endoftext|>"));
        Assert.HasCount(13, tokenizer.Encode("<|endoftext|>", SpecialTokenHandling.AsText));
        Assert.ThrowsExactly<UnknownCharacterException>(() => GptTokenizer.FromCharacters(["abc"]).Encode("<|endoftext|>", SpecialTokenHandling.AsText));
    }

    [TestMethod]
    public void A_lone_surrogate_is_the_replacement_character()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["a\uD800"]);
        Assert.AreEqual("\uFFFDa", tokenizer.Decode(tokenizer.Encode("\uDFFFa")));
        Assert.AreEqual("\uFFFDa👍\uFFFD\uFFFDb\uFFFD", GptTokenizer.WellFormed("\uDC00a👍\uDC00\uD83Db\uD83D"));
    }

    [TestMethod]
    public void Texts_without_characters_are_an_error()
    {
        Assert.ThrowsExactly<EmptyCorpusException>(() => GptTokenizer.FromCharacters([]));
        Assert.ThrowsExactly<EmptyCorpusException>(() => GptTokenizer.FromCharacters([""]));
        Assert.ThrowsExactly<ArgumentException>(() => GptTokenizer.FromCharacters(["a", null!]));
        Assert.ThrowsExactly<ArgumentNullException>(() => GptTokenizer.FromCharacters(null!));
    }

    // The published vocabulary of tinyshakespeare has 65 characters.
    [TestMethod]
    public void Tinyshakespeare_has_65_characters()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters([File.ReadAllText(TestData.External("tinyshakespeare.txt"))]);
        Assert.AreEqual(65 + 1, tokenizer.VocabularySize);
    }
}
