using System.Text;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

[TestClass]
public sealed class Utf8RangesTests
{
    [TestMethod]
    [DataRow(0x41, 0x41)]
    [DataRow(0, 0x7F)]
    [DataRow(0x70, 0x90)]       // one byte and two
    [DataRow(0x80, 0x7FF)]
    [DataRow(0x3FF, 0x805)]     // two bytes and three
    [DataRow(0x800, 0xD7FF)]
    [DataRow(0xE123, 0xE456)]   // ragged at both ends
    [DataRow(0xFFF0, 0x10010)]  // three bytes and four
    [DataRow(0x1F600, 0x1F64F)]
    [DataRow(0x1003F, 0x11001)]
    [DataRow(0x10FFFE, 0x10FFFF)]
    [DataRow(0xE000, 0x10FFFF)]
    public void The_boxes_hold_the_UTF8_of_each_character_once_and_nothing_else(int first, int last)
    {
        (byte First, byte Last)[][] boxes = [.. Utf8Ranges.Of(first, last)];
        Assert.AreEqual(last - first + 1L, boxes.Sum(static box => box.Aggregate(1L, static (product, range) => product * (range.Last - range.First + 1))));
        Span<byte> utf8 = stackalloc byte[4];
        for (int codePoint = first; codePoint <= last; codePoint += codePoint < first + 2_000 || codePoint > last - 2_000 ? 1 : 997)
        {
            byte[] bytes = utf8[..new Rune(codePoint).EncodeToUtf8(utf8)].ToArray();
            Assert.AreEqual(1, boxes.Count(box => box.Length == bytes.Length && box.Zip(bytes).All(static pair => pair.Second >= pair.First.First && pair.Second <= pair.First.Last)), $"U+{codePoint:X4}");
        }
    }

    [TestMethod]
    public void Aligned_ranges_are_few_boxes()
    {
        Assert.HasCount(1, Utf8Ranges.Of(0, 0x7F));
        Assert.HasCount(1, Utf8Ranges.Of(0x80, 0x7FF));
        Assert.HasCount(1, Utf8Ranges.Of(0x1000, 0x1FFF));

        // RFC 3629's table, without the surrogates: 1 of one byte, 1 of two, 4 of three (E0; E1 to EC; ED; EE and EF), 3 of four (F0; F1 to F3; F4).
        Assert.HasCount(9, CodePointSet.All.Ranges.SelectMany(static range => Utf8Ranges.Of(range.First, range.Last)));
    }
}
