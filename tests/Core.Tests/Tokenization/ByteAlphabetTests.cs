namespace MLNet.Gpt.Core.Tests.Tokenization;

[TestClass]
public sealed class ByteAlphabetTests
{
    // GPT-2's encoder.py says: the printable bytes stand for themselves, and each other one, in order, for the next character from U+0100 on.
    [TestMethod]
    public void Each_byte_has_the_character_of_GPT2s_table()
    {
        int next = 0x100;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE and <= 0xFF;
            var character = (char)(printable ? value : next++);
            Assert.AreEqual(character, ByteAlphabet.ToCharacter((byte)value));
            CollectionAssert.AreEqual(new[] { (byte)value }, ByteAlphabet.ToBytes([character]));
        }

        Assert.AreEqual(0x144, next);
        CollectionAssert.AreEqual(Enumerable.Range(0, 256).Select(static value => (byte)value).OrderBy(ByteAlphabet.ToCharacter).ToArray(), ByteAlphabet.InCharacterOrder);
    }

    [TestMethod]
    public void Texts_of_any_length_are_written_and_read_and_other_characters_are_not_of_the_alphabet()
    {
        foreach (int length in new[] { 0, 1, 255, 256, 257, 1_000 })
        {
            byte[] bytes = [.. Enumerable.Range(0, length).Select(static i => (byte)(i * 7))];
            string text = ByteAlphabet.ToText(bytes);
            Assert.AreEqual(length, text.Length);
            CollectionAssert.AreEqual(bytes, ByteAlphabet.ToBytes(text));
        }

        Assert.AreEqual("Ġa", ByteAlphabet.ToText(" a"u8));
        foreach (char foreign in " \n\u007F\u00A0\u00AD\u0144\uFFFF") Assert.IsNull(ByteAlphabet.ToBytes($"a{foreign}"), $"U+{(int)foreign:X4}");
    }
}
