namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class RandomBitsTests
{
    // The published SplitMix64 of the seed 1234567: its outputs are the mixed multiples of the golden gamma above the seed.
    [TestMethod]
    public void A_step_is_that_of_SplitMix64()
    {
        Assert.AreEqual(6_457_827_717_110_365_317UL, RandomBits.Mix(1_234_567));
        Assert.AreEqual(3_203_168_211_198_807_973UL, RandomBits.Mix(unchecked(1_234_567 + 0x9E3779B97F4A7C15)));
    }

    [TestMethod]
    public void Bits_are_mapped_in_their_order_to_numbers_below_the_count_and_to_fractions_below_1()
    {
        Assert.AreEqual((0UL, 5UL, 9UL), (RandomBits.Below(0, 10), RandomBits.Below(1UL << 63, 10), RandomBits.Below(ulong.MaxValue, 10)));
        Assert.AreEqual((0.0, Math.Pow(2, -53), 0.5, 1 - Math.Pow(2, -53)), (RandomBits.Fraction(2_047), RandomBits.Fraction(2_048), RandomBits.Fraction(1UL << 63), RandomBits.Fraction(ulong.MaxValue)));
    }
}
