namespace MLNet.Gpt.Core.Tests.Judging;

[TestClass]
public sealed class EloRatingsTests
{
    [TestMethod]
    public void Two_comparisons_move_ratings_as_worked_out_by_hand()
    {
        // K = 32: a beats b from equal ratings, ±16. Then b beats a: E_b = 1/(1 + 10^(32/400)) = 0.45407806, b gains 32·0.54592194 = 17.469502.
        EloRatings ratings = EloRatings.Of([new("a", "b", 1), new("b", "a", 1)], new() { K = 32, BootstrapRounds = 0 });
        Assert.AreEqual(1001.4695, ratings.Players[0].Rating, 1e-3);
        Assert.AreEqual("b", ratings.Players[0].Player);
        Assert.AreEqual(998.5305, ratings.Players[1].Rating, 1e-3);
        Assert.IsTrue(double.IsNaN(ratings.Players[0].Lower));
    }

    [TestMethod]
    public void Four_hundred_points_are_odds_of_ten_to_one() => Assert.AreEqual(10 / 11.0, EloRatings.Expected(1400, 1000), 1e-12);

    [TestMethod]
    public void Many_comparisons_at_a_small_K_approach_the_Bradley_Terry_ratings()
    {
        // a beats b in 3 of 4: odds 3 to 1 are 400·log₁₀ 3 = 190.85 points.
        Comparison[] comparisons = [.. Enumerable.Range(0, 8_000).Select(static i => new Comparison("a", "b", i % 4 == 3 ? 0 : 1))];
        EloRatings ratings = EloRatings.Of(comparisons, new() { K = 1, BootstrapRounds = 50 });
        Assert.AreEqual(190.85, ratings.Players[0].Rating - ratings.Players[1].Rating, 3);
        Assert.IsTrue(ratings.Players[0].Lower <= ratings.Players[0].Rating && ratings.Players[0].Rating <= ratings.Players[0].Upper, ratings.Players[0].ToString());
    }

    [TestMethod]
    public void The_interval_narrows_with_more_comparisons_and_is_the_same_each_time()
    {
        EloRatings few = EloRatings.Of(Of(40)), again = EloRatings.Of(Of(40)), many = EloRatings.Of(Of(4_000), new() { K = 0.04 });
        CollectionAssert.AreEqual(few.Players.ToArray(), again.Players.ToArray());

        // K·n is the same, so that the ratings move as far; the scatter of a sum of n steps of size 1/n falls with √n: a tenth.
        Assert.AreEqual(0.1, Width(many) / Width(few), 0.03);

        static Comparison[] Of(int count) => [.. Enumerable.Range(0, count).Select(static i => new Comparison("a", "b", i % 4 == 3 ? 0 : 1))];
        static double Width(EloRatings ratings) => ratings.Players[0].Upper - ratings.Players[0].Lower;
    }

    [TestMethod]
    public void Options_outside_their_range_are_refused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new EloOptions { K = 0 }.Validate());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new EloOptions { InitialRating = double.NaN }.Validate());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new EloOptions { BootstrapRounds = -1 }.Validate());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new EloOptions { Level = 0 }.Validate());
    }
}
