using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Scaling;

[TestClass]
public sealed class LossScalingLawTests
{
    // Hoffmann et al. 2022, equation 10: E = 1.69, A = 406.4, B = 410.7, α = 0.34, β = 0.28.
    private static readonly LossScalingLaw Chinchilla = new(1.69, 406.4, 0.34, 410.7, 0.28);

    [TestMethod]
    public void Chinchillas_coefficients_are_recovered_from_noiseless_points_of_its_curve()
    {
        LossScalingLaw law = LossScalingLaw.Fit(Runs(Chinchilla, [7e7, 3e8, 1e9, 4e9], [5e9, 3e10, 2e11]));

        // 12 equations without noise: what is left is the minimiser's. The exponents to 4 digits, A and B (which are exp(α·log N) away from
        // the runs) to 3.
        Assert.AreEqual(1.69, law.IrreducibleLoss, 1e-4);
        Assert.AreEqual(0.34, law.Alpha, 1e-4);
        Assert.AreEqual(0.28, law.Beta, 1e-4);
        Assert.AreEqual(406.4, law.A, 406.4 * 1e-3);
        Assert.AreEqual(410.7, law.B, 410.7 * 1e-3);
        LossPrediction prediction = law.Predict(7e10, 1.4e12);
        Assert.AreEqual(Chinchilla.Loss(7e10, 1.4e12), prediction.Loss, 1e-6);
        Assert.IsTrue(prediction.Upper - prediction.Lower < 1e-4, prediction.ToString());
        Assert.IsTrue(prediction.Contains(Chinchilla.Loss(7e10, 1.4e12)), prediction.ToString());
    }

    [TestMethod]
    public void The_loss_of_Chinchilla_itself_is_the_curves()
    {
        // 406.4 / 70e9^0.34 = 0.0837, 410.7 / 1.4e12^0.28 = 0.1630: 1.69 + 0.0837 + 0.1630.
        Assert.AreEqual(1.9367, Chinchilla.Loss(70e9, 1.4e12), 5e-4);
    }

    [TestMethod]
    public void The_optimum_for_Gophers_compute_is_the_published_40_billion_parameters()
    {
        // Hoffmann et al. 2022, section 3.3, with the exponents before rounding, 0.3392 and 0.2849; table 2: a = 0.46, b = 0.54.
        var law = new LossScalingLaw(1.6934, 406.4, 0.3392, 410.7, 0.2849);
        ComputeAllocation gopher = law.Allocate(5.76e23);
        Assert.AreEqual(40e9, gopher.ParameterCount, 1e9);
        Assert.AreEqual(5.76e23, 6 * gopher.ParameterCount * gopher.TokenCount, 1e18);
        ComputeAllocation tenfold = law.Allocate(5.76e24);
        Assert.AreEqual(0.46, Math.Log10(tenfold.ParameterCount / gopher.ParameterCount), 0.005);
        Assert.AreEqual(0.54, Math.Log10(tenfold.TokenCount / gopher.TokenCount), 0.005);
    }

    [TestMethod]
    public void No_other_division_of_the_compute_has_a_lower_loss()
    {
        ComputeAllocation best = Chinchilla.Allocate(1e21);
        Assert.AreEqual(Chinchilla.Loss(best.ParameterCount, best.TokenCount), best.Loss, 1e-12);
        foreach (double factor in (double[])[0.5, 0.9, 0.99, 1.01, 1.1, 2])
            Assert.IsTrue(Chinchilla.Loss(best.ParameterCount * factor, best.TokenCount / factor) > best.Loss, $"{factor}");
    }

    public static IEnumerable<object[]> ReferenceCases()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestData.Fixture("scaling_laws.json")));
        foreach (JsonElement element in document.RootElement.EnumerateArray()) yield return [element.GetProperty("name").GetString()!];
    }

    // tests/reference/scaling_laws.py: damped Gauss-Newton from random starts, intervals by bisection.
    [TestMethod]
    [DynamicData(nameof(ReferenceCases))]
    [TestCategory("Long")]
    public void Predictions_and_intervals_are_those_of_the_reference(string name)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(TestData.Fixture("scaling_laws.json")));
        JsonElement reference = document.RootElement.EnumerateArray().Single(e => e.GetProperty("name").GetString() == name);
        double[][] sizes = [.. reference.GetProperty("sizes").EnumerateArray().Select(Numbers)];
        double[] losses = Numbers(reference.GetProperty("losses")), at = Numbers(reference.GetProperty("at"));
        LossPrediction prediction;
        double error, deviation;
        if (at.Length == 1)
        {
            ComputeScalingLaw law = ComputeScalingLaw.Fit(sizes.Zip(losses, static (c, loss) => (c[0], loss)));
            prediction = law.Predict(at[0]);
            deviation = law.ResidualDeviation;
            error = Huber(sizes.Zip(losses, (c, loss) => Math.Log(law.Loss(c[0]) / loss)));
        }
        else
        {
            LossScalingLaw law = LossScalingLaw.Fit(sizes.Zip(losses, static (s, loss) => new ScalingRun(s[0], s[1], loss)));
            prediction = law.Predict(at[0], at[1]);
            deviation = law.ResidualDeviation;
            error = Huber(sizes.Zip(losses, (s, loss) => Math.Log(law.Loss(s[0], s[1]) / loss)));
        }

        // Not above the reference's minimum: the Huber loss has many valleys, and a lower one would be the reference's fault.
        double expected = reference.GetProperty("huber").GetDouble();
        Assert.IsTrue(error < expected * (1 + 1e-5), $"{name}: {error} against {expected}");
        Assert.AreEqual(reference.GetProperty("deviation").GetDouble(), deviation, 1e-4 * deviation, name);

        // A ten-thousandth of the interval's width: what the bisections leave.
        double lower = reference.GetProperty("lower").GetDouble(), upper = reference.GetProperty("upper").GetDouble();
        Assert.AreEqual(lower, prediction.Lower, 1e-4 * (upper - lower), name);
        Assert.AreEqual(upper, prediction.Upper, 1e-4 * (upper - lower), name);

        // Absolute values leave the minimum flat along the kinks: a hundredth of the interval.
        Assert.AreEqual(reference.GetProperty("loss").GetDouble(), prediction.Loss, 1e-2 * (upper - lower), name);
        Assert.AreEqual(0.95, prediction.Level);
        Assert.AreEqual(losses.Length - 1 - (2 * at.Length), prediction.DegreesOfFreedom);
    }

    [TestMethod]
    [TestCategory("Long")]
    public void An_interval_covers_new_runs_about_as_often_as_its_level_says()
    {
        // 20 experiments of 9 runs with 1 % scatter. An 80 % interval that holds misses 4 ± 1.8 of 20: none, or more than 9, with a
        // probability of 1.4 % in all, and the seed is fixed.
        var random = new Random(20);
        var truth = new LossScalingLaw(1.2, 30, 0.3, 120, 0.35);
        int missed = 0;
        for (int i = 0; i < 20; i++)
        {
            ScalingRun[] runs = [.. Runs(truth, [1e5, 3e5, 8e5, 2e6], [3e5, 2e6]).Append(new(3e5, 8e5, truth.Loss(3e5, 8e5))).Select(Scatter)];
            double measured = Scatter(new(6e6, 6e6, truth.Loss(6e6, 6e6))).Loss;
            try
            {
                if (!LossScalingLaw.Fit(runs).Predict(6e6, 6e6, 0.8).Contains(measured)) missed++;
            }
            catch (ScalingFitException e)
            {
                Assert.AreEqual(ScalingFitProblem.LossDoesNotFall, e.Problem, e.Message);
                missed++;
            }
        }

        Assert.IsTrue(missed is >= 1 and <= 9, $"{missed} of 20 missed");

        ScalingRun Scatter(ScalingRun run) =>
            run with { Loss = run.Loss * Math.Exp(0.01 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())) };
    }

    [TestMethod]
    public void A_higher_level_gives_a_wider_interval_about_the_same_loss()
    {
        LossScalingLaw law = LossScalingLaw.Fit(Runs(Chinchilla, [7e7, 3e8, 1e9, 4e9], [5e9, 3e10, 2e11]).Select(static (run, i) => run with { Loss = run.Loss * (i % 2 == 0 ? 1.003 : 0.997) }));
        LossPrediction narrow = law.Predict(1e10, 1e11, 0.5), wide = law.Predict(1e10, 1e11, 0.99);
        Assert.AreEqual(narrow.Loss, wide.Loss);
        Assert.IsTrue(wide.Lower < narrow.Lower && narrow.Lower < narrow.Loss && narrow.Loss < narrow.Upper && narrow.Upper < wide.Upper, $"{narrow}; {wide}");
    }

    [TestMethod]
    public void Runs_that_cannot_tell_a_law_are_refused_with_what_is_missing()
    {
        ScalingRun[] good = [.. Runs(Chinchilla, [7e7, 3e8, 1e9], [5e9, 3e10, 2e11])];
        Refused(ScalingFitProblem.TooFewRuns, good.Take(5), "5 runs", "Add 1");
        Refused(ScalingFitProblem.InvalidRun, good.Append(good[0] with { Loss = double.NaN }), "run 9", "NaN");
        Refused(ScalingFitProblem.InvalidRun, good.Append(good[0] with { Loss = 0 }), "Loss 0");
        Refused(ScalingFitProblem.InvalidRun, good.Append(good[0] with { TokenCount = -1 }), "TokenCount -1");
        Refused(ScalingFitProblem.ParametersDoNotVary, Runs(Chinchilla, [7e7, 1e9], [5e9, 3e10, 2e11]), "2 different model sizes N", "α");
        Refused(ScalingFitProblem.ParametersDoNotVary, Runs(Chinchilla, [7e7, 7.01e7, 1e9], [5e9, 3e10, 2e11]), "2 different model sizes N");
        Refused(ScalingFitProblem.TokensDoNotVary, Runs(Chinchilla, [7e7, 3e8, 1e9, 4e9], [5e9, 3e10]), "2 different token counts D", "β");
        Refused(ScalingFitProblem.ParametersAndTokensVaryTogether, Enumerable.Range(0, 8).Select(static i => new ScalingRun(1e7 * Math.Pow(2, i), 2e8 * Math.Pow(2, i), 4 - (0.2 * i))), "correlation of 1");
        Refused(ScalingFitProblem.LossDoesNotFall, good.Select(static r => r with { Loss = 1 + (1e3 * Math.Pow(r.TokenCount, -0.3)) + (1e-3 * Math.Pow(r.ParameterCount, 0.3)) }), "α");
        Check(() => ComputeScalingLaw.Fit(Enumerable.Repeat(good[0], 4)), ScalingFitProblem.ComputeDoesNotVary, ["1 different amounts of compute C", "γ"]);
        Check(() => ComputeScalingLaw.Fit(good.Take(3)), ScalingFitProblem.TooFewRuns, ["3 runs"]);

        static void Refused(ScalingFitProblem problem, IEnumerable<ScalingRun> runs, params string[] parts) => Check(() => LossScalingLaw.Fit(runs), problem, parts);
    }

    [TestMethod]
    public void Numbers_out_of_range_and_a_law_without_runs_are_refused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new LossScalingLaw(-1, 1, 1, 1, 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => new LossScalingLaw(1, 1, 0, 1, 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => Chinchilla.Loss(0, 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(static () => Chinchilla.Allocate(double.PositiveInfinity));
        Assert.ThrowsExactly<InvalidOperationException>(static () => Chinchilla.Predict(1e9, 1e9));
        LossScalingLaw law = LossScalingLaw.Fit(Runs(Chinchilla, [7e7, 3e8, 1e9], [5e9, 3e10, 2e11]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => law.Predict(1e9, 1e9, 1));
    }

    private static void Check(Func<object> fit, ScalingFitProblem problem, string[] parts)
    {
        ScalingFitException e = Assert.ThrowsExactly<ScalingFitException>(fit);
        Assert.AreEqual(problem, e.Problem, e.Message);
        foreach (string part in parts) Assert.Contains(part, e.Message);
    }

    private static IEnumerable<ScalingRun> Runs(LossScalingLaw law, double[] parameters, double[] tokens) =>
        parameters.SelectMany(n => tokens.Select(d => new ScalingRun(n, d, law.Loss(n, d))));

    // In units of δ = 1e-3.
    private static double Huber(IEnumerable<double> residuals) =>
        residuals.Select(static r => Math.Abs(r) / 1e-3).Sum(static u => u <= 1 ? u * u / 2 : u - 0.5);

    private static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(static e => e.GetDouble())];

    [TestMethod]
    public void An_allocation_is_told_in_one_line() =>
        Assert.AreEqual("3.185E+06 parameters on 5.232E+07 tokens, 1E+15 operations: loss 1.6003", new ComputeAllocation(1e15, 3_185_431.7, 52_321_531.7, 1.60029).ToString());
}
