namespace MLNet.Gpt.Core.Tests.Checkpoint;

[TestClass]
public sealed class BFloat16Tests
{
    // float32's bits; bfloat16 has the upper 16 of them, and the lower ones decide: 8000 is the tie, which goes to the even neighbour.
    [TestMethod]
    [DataRow(0x3F80_0000u, 0x3F80)]
    [DataRow(0x3F80_7FFFu, 0x3F80)]
    [DataRow(0x3F80_8000u, 0x3F80)]
    [DataRow(0x3F80_8001u, 0x3F81)]
    [DataRow(0x3F81_8000u, 0x3F82)]
    [DataRow(0x3F81_7FFFu, 0x3F81)]
    [DataRow(0xBF81_8000u, 0xBF82)]
    [DataRow(0x7F7F_FFFFu, 0x7F80)] // the largest number is nearer to the next power of two, which is infinity
    [DataRow(0x7F80_0000u, 0x7F80)]
    [DataRow(0xFF80_0000u, 0xFF80)]
    [DataRow(0x7F80_0001u, 0x7FC0)] // a number that is none stays one, though its upper bits are infinity's
    [DataRow(0xFFA1_0000u, 0xFFE1)]
    [DataRow(0x0000_0001u, 0x0000)]
    [DataRow(0x8000_0000u, 0x8000)]
    public void Numbers_are_rounded_to_the_nearest_and_ties_to_even(uint bits, int expected)
    {
        var result = new ushort[3];
        BFloat16.Round([0.5f, BitConverter.UInt32BitsToSingle(bits), 2], result);
        CollectionAssert.AreEqual(new ushort[] { 0x3F00, (ushort)expected, 0x4000 }, result);
    }

    [TestMethod]
    public void Every_bfloat16_is_the_float32_with_sixteen_more_zeros_and_comes_back()
    {
        ushort[] all = [.. Enumerable.Range(0, 65_536).Select(static bits => (ushort)bits)], back = new ushort[65_536];
        var wide = new float[65_536];
        BFloat16.Widen(all, wide);
        for (int i = 0; i < all.Length; i++) Assert.AreEqual((uint)i * 65_536, BitConverter.SingleToUInt32Bits(wide[i]));
        BFloat16.Round(wide, back);
        for (int i = 0; i < all.Length; i++) Assert.AreEqual(float.IsNaN(wide[i]) ? i | 0x40 : i, back[i]);
    }
}
