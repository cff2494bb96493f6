namespace MLNet.Gpt.Core.Tests.Judging;

[TestClass]
public sealed class WinRateTests
{
    [TestMethod]
    public void The_interval_is_Wilsons()
    {
        // 8 of 10, 95 %: (0.8 + 3.8414588/20 ± 1.9599640·√(0.16/10 + 3.8414588/400)) / (1 + 3.8414588/10) = 0.71671, ±0.22655: 0.49016 to 0.94332 (Wilson 1927).
        WinRate rate = WinRate.Of(8, 0, 2);
        Assert.AreEqual(0.8, rate.Rate, 1e-12);
        Assert.AreEqual(0.490162, rate.Lower, 1e-5);
        Assert.AreEqual(0.943318, rate.Upper, 1e-5);
    }

    [TestMethod]
    public void Counts_are_added_up_beyond_32_bits()
    {
        // 2³¹ − 1 wins, as many ties and 2 losses are 2³² comparisons, which 32 bits take for 0: (2³¹ − 1)·1.5 / 2³² of them are won.
        WinRate rate = WinRate.Of(int.MaxValue, int.MaxValue, 2);
        Assert.AreEqual(1L << 32, rate.Count);
        Assert.AreEqual(1.5 * int.MaxValue / (1L << 32), rate.Rate, 1e-12);
        Assert.AreEqual(2e-5, rate.Upper - rate.Lower, 2e-5); // 2·1.96·√(0.1875 / 2³²) = 2.6e-5
    }

    [TestMethod]
    public void Ties_are_half_a_win() => Assert.AreEqual(0.65, WinRate.Of(5, 3, 2).Rate, 1e-12);

    [TestMethod]
    public void Rates_of_0_and_1_have_intervals_that_stay_within_0_and_1()
    {
        // 0 of 10: the upper end is z²/(n + z²) = 3.8414588/13.8414588.
        Assert.AreEqual(0, WinRate.Of(0, 0, 10).Lower, 1e-12);
        Assert.AreEqual(0.277533, WinRate.Of(0, 0, 10).Upper, 1e-5);
        Assert.AreEqual(1, WinRate.Of(10, 0, 0).Upper, 1e-12);
    }

    [TestMethod]
    public void Scores_on_the_same_prompts_are_compared_one_by_one()
    {
        WinRate rate = WinRate.Of([1f, 2, 3, 4], [0f, 2.05f, 5, 3], tolerance: 0.1f);
        Assert.AreEqual((2, 1, 1), (rate.Wins, rate.Ties, rate.Losses));
    }

    [TestMethod]
    public void What_can_not_be_compared_is_refused()
    {
        Assert.ThrowsExactly<ArgumentException>(static () => WinRate.Of(0, 0, 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => WinRate.Of(-1, 0, 2));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(static () => WinRate.Of([1f], [1f, 2f])).Message, "1 scores are compared with 2");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(static () => WinRate.Of([1f, float.NaN], [1f, 2f])).Message, "NaN");
    }
}
