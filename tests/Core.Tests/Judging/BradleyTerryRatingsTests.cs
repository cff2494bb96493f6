using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Judging;

[TestClass]
public sealed class BradleyTerryRatingsTests
{
    [TestMethod]
    public void Three_players_whose_wins_fit_exactly_get_the_strengths_4_2_1()
    {
        // a beat b 2 of 3, b beat c 2 of 3, a beat c 4 of 5: P = 4/6, 2/3, 4/5 explain every count, so they are the maximum.
        // log₁₀ of 4, 2, 1 less their mean log₁₀ 2, times 400: ±120.41200 about 1000.
        BradleyTerryRatings ratings = BradleyTerryRatings.Fit(ThreePlayers());
        CollectionAssert.AreEqual(new[] { "a", "b", "c" }, ratings.Players.Select(static p => p.Player).ToArray());
        Assert.AreEqual(1120.4120, ratings.Players[0].Rating, 1e-4);
        Assert.AreEqual(1000, ratings.Players[1].Rating, 1e-4);
        Assert.AreEqual(879.5880, ratings.Players[2].Rating, 1e-4);
        Assert.AreEqual(2.0 / 3, ratings.Players[0].WinProbability(ratings.Players[1]), 1e-9);
        Assert.AreEqual(4.0 / 5, ratings.Players[0].WinProbability(ratings.Players[2]), 1e-9);
        CollectionAssert.AreEqual(new[] { 8, 6, 8 }, ratings.Players.Select(static p => p.Comparisons).ToArray());
    }

    [TestMethod]
    public void Three_players_intervals_come_from_the_information_worked_out_by_hand()
    {
        // Weights n·p·(1 − p): w_ab = 3·2/9 = 2/3, w_bc = 2/3, w_ac = 5·4/25 = 4/5. Contrasts that part the Laplacian by symmetry: (1, 0, −1)/√2 with
        // eigenvalue 2/3 + 2·4/5 = 34/15, (1, −2, 1)/√6 with eigenvalue 3·2/3 = 2.
        // var(b) = (4/6)/2 = 1/3; var(a) = var(c) = (1/2)/(34/15) + (1/6)/2 = 0.22058824 + 0.08333333 = 0.30392157. z = 1.95996398, 400/ln 10 = 173.717793.
        BradleyTerryRatings ratings = BradleyTerryRatings.Fit(ThreePlayers());
        Assert.AreEqual(1.95996398 * 173.717793 * Math.Sqrt(0.30392157), ratings.Players[0].Upper - ratings.Players[0].Rating, 1e-3);
        Assert.AreEqual(1.95996398 * 173.717793 * Math.Sqrt(1 / 3.0), ratings.Players[1].Rating - ratings.Players[1].Lower, 1e-3);
        Assert.AreEqual(1.95996398 * 173.717793 * Math.Sqrt(0.30392157), ratings.Players[2].Upper - ratings.Players[2].Rating, 1e-3);
    }

    [TestMethod]
    public void Ratings_and_errors_of_five_players_equal_those_of_PyTorchs_optimizer_and_Hessian()
    {
        JsonElement reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "fixtures", "alignment_losses.json"))).RootElement.GetProperty("bradley-terry");
        string[] names = reference.GetProperty("players").Deserialize<string[]>()!;
        double[][] won = reference.GetProperty("won").Deserialize<double[][]>()!;
        double[] expected = reference.GetProperty("ratings").Deserialize<double[]>()!, errors = reference.GetProperty("errors").Deserialize<double[]>()!;

        // Half points are ties: the smaller of the two shares' fractions.
        var comparisons = new List<Comparison>();
        for (int i = 0; i < names.Length; i++)
        {
            for (int j = 0; j < names.Length; j++)
            {
                for (int win = 0; win < Math.Floor(won[i][j]); win++) comparisons.Add(new(names[i], names[j], 1));
                if (i < j && won[i][j] % 1 != 0) comparisons.Add(new(names[i], names[j], 0.5));
            }
        }

        BradleyTerryRatings ratings = BradleyTerryRatings.Fit(comparisons, level: 0.6826894921);   // one standard error on each side
        for (int i = 0; i < names.Length; i++)
        {
            PlayerRating player = ratings.Players.Single(p => p.Player == names[i]);
            Assert.AreEqual(expected[i], player.Rating, 1e-4, names[i]);
            Assert.AreEqual(errors[i], player.Upper - player.Rating, 1e-4, names[i]);
        }
    }

    [TestMethod]
    public void Intervals_hold_their_level_over_simulated_tournaments()
    {
        // 400 tournaments of four players with known strengths: a 90 % interval should hold the truth in 90 % of them, within four standard errors (±3 %) for 1,600 draws.
        double[] truth = [0.8, 0.2, -0.3, -0.7];
        var random = new Random(11);
        int inside = 0, all = 0;
        for (int round = 0; round < 400; round++)
        {
            List<Comparison> comparisons = [];
            for (int i = 0; i < 4; i++)
            {
                for (int j = i + 1; j < 4; j++)
                {
                    double p = 1 / (1 + Math.Exp(truth[j] - truth[i]));
                    for (int game = 0; game < 40; game++) comparisons.Add(new($"{i}", $"{j}", random.NextDouble() < p ? 1 : 0));
                }
            }

            foreach (PlayerRating player in BradleyTerryRatings.Fit(comparisons, 0.9).Players)
            {
                double rating = 1000 + (400 / Math.Log(10) * truth[player.Player[0] - '0']);
                all++;
                if (player.Lower <= rating && rating <= player.Upper) inside++;
            }
        }

        Assert.AreEqual(0.9, (double)inside / all, 0.03);
    }

    // Each of n prompts ranks three responses, each of the six rankings equally often: p = ½ throughout, the information n·p·(1 − p) = n/4 a pair is 3n/4 times the projection P on Σ θ = 0, and
    // Wald's variance (4/3n)·⅔. A prompt's gradient (wins less their expectation) is (1, 0, −1) in some order, so that Σ g·gᵀ = n·P, and the sandwich with n/(n − 1) (4/3n)²·n·⅔·n/(n − 1):
    // 4/3 of Wald's times n/(n − 1), for a response that beats one other is likely to beat the next.
    [TestMethod]
    public void Comparisons_that_share_responses_are_not_taken_for_independent()
    {
        Comparison[][] prompts = [.. Enumerable.Range(0, 12).Select(static i => (int[])((int[][])[[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])[i % 6])
            .Select(static rank => (Comparison[])[new("a", "b", rank[0] < rank[1] ? 1 : 0), new("a", "c", rank[0] < rank[2] ? 1 : 0), new("b", "c", rank[1] < rank[2] ? 1 : 0)])];
        foreach (PlayerRating player in BradleyTerryRatings.Fit(prompts.SelectMany(static prompt => prompt)).Players)
            Assert.AreEqual(1.95996398 * 173.717793 * Math.Sqrt(4.0 / (3 * 12) * 2 / 3), player.Upper - player.Rating, 1e-4, player.ToString());
        foreach (PlayerRating player in BradleyTerryRatings.FitGroups(prompts, 0.95).Players)
        {
            Assert.AreEqual(1000, player.Rating, 1e-9);
            Assert.AreEqual(1.95996398 * 173.717793 * Math.Sqrt(4.0 / (3 * 12) * 2 / 3 * 4 / 3 * 12 / 11), player.Upper - player.Rating, 1e-4, player.ToString());
        }

        // What scatters less than wins and losses, or does not scatter at all, keeps Wald's.
        Comparison[][] ties = [.. Enumerable.Repeat((Comparison[])[new("a", "b", 0.5), new("a", "c", 0.5), new("b", "c", 0.5)], 12)];
        foreach (PlayerRating player in BradleyTerryRatings.FitGroups(ties, 0.95).Players)
            Assert.AreEqual(1.95996398 * 173.717793 * Math.Sqrt(4.0 / (3 * 12) * 2 / 3), player.Upper - player.Rating, 1e-4, player.ToString());
    }

    [TestMethod]
    public void A_player_that_never_lost_is_an_error_that_names_both_groups()
    {
        RatingsUndeterminedException exception = Assert.ThrowsExactly<RatingsUndeterminedException>(() => BradleyTerryRatings.Fit([new("a", "b", 1), new("b", "c", 1), new("c", "b", 1), new("a", "c", 1)]));
        CollectionAssert.AreEqual(new[] { "a" }, exception.Unbeaten.ToArray());
        CollectionAssert.AreEquivalent(new[] { "b", "c" }, exception.Others.ToArray());
        StringAssert.Contains(exception.Message, "'a' never lost to, or never met, 'b', 'c'");
    }

    [TestMethod]
    public void Groups_that_never_met_are_an_error()
    {
        Assert.ThrowsExactly<RatingsUndeterminedException>(() => BradleyTerryRatings.Fit([new("a", "b", 0.5), new("c", "d", 0.5)]));
    }

    [TestMethod]
    public void Comparisons_that_are_none_are_refused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => BradleyTerryRatings.Fit([]));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => BradleyTerryRatings.Fit([new("a", "a", 1)])).Message, "compared with itself");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => BradleyTerryRatings.Fit([new("a", "b", double.NaN)])).Message, "NaN");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => BradleyTerryRatings.Fit([new("a", "b", 0.5)], level: 1));
    }

    private static List<Comparison> ThreePlayers() =>
    [
        new("a", "b", 1), new("a", "b", 1), new("b", "a", 1),
        new("b", "c", 1), new("c", "b", 0), new("c", "b", 1),
        new("a", "c", 1), new("a", "c", 1), new("c", "a", 0), new("a", "c", 1), new("a", "c", 0),
    ];
}
