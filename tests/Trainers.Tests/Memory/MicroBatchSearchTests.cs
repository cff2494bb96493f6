using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Memory;

[TestClass]
public sealed class MicroBatchSearchTests
{
    [TestMethod]
    public void The_largest_divisor_that_fits_is_found_whatever_the_limit()
    {
        foreach (int batch in (int[])[1, 7, 12, 64, 480, 97])
        {
            int[] divisors = [.. Enumerable.Range(1, batch).Where(d => batch % d == 0)];
            for (int limit = 0; limit <= batch + 1; limit++)
            {
                var tried = new List<int>();
                int found = MicroBatchSearch.Largest(batch, size => { tried.Add(size); return size <= limit; });
                Assert.AreEqual(divisors.LastOrDefault(d => d <= limit), found, $"batch {batch}, limit {limit}");
                CollectionAssert.AllItemsAreUnique(tried);
            }
        }
    }

    [TestMethod]
    public void A_batch_of_any_size_is_divided_and_rows_that_no_counter_holds_are_not_taken_for_few()
    {
        // 2^31 - 1 is a prime.
        Assert.AreEqual(1, MicroBatchSearch.Largest(int.MaxValue, static size => size <= 1_000));
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        var memory = new TrainingMemory(network.Config, GptPrecision.Float32, GptDevice.Cpu) { Dropout = DropoutOptions.Everywhere(0.1f) };
        using var search = new MicroBatchSearch(network, [network.Parameters], memory, static _ => { }) { Available = static () => 1L << 30 };
        Assert.AreEqual(1, search.Find(int.MaxValue, 2, 16, static _ => { }));
        Assert.AreEqual(1, search.Find(int.MaxValue, 3, 16, static _ => { }));
    }

    [TestMethod]
    public void Sizes_are_tried_upwards_so_that_little_is_asked_for_in_vain()
    {
        var tried = new List<int>();
        Assert.AreEqual(24, MicroBatchSearch.Largest(480, size => { tried.Add(size); return size <= 24; }));
        // Doubling: 1 2 4 8 16 32, the last of which fails; then between 16 and 32 the divisors 20, 24, 30.
        CollectionAssert.AreEqual((int[])[1, 2, 4, 8, 16, 32, 24, 30], tried);
    }

    [TestMethod]
    public void Two_trial_runs_correct_an_estimate_in_both_directions()
    {
        static long Estimate(int size) => size * 100L << 20;
        // 2 and 6 rows took 70 and 190 MiB: 30 a row, not 100, and 10 besides.
        Func<int, double> lower = MicroBatchSearch.Corrected(Estimate, 2, 70 << 20, 6, 190 << 20);
        Assert.AreEqual(610L << 20, lower(20), 1);
        // 150 MiB a row.
        Func<int, double> higher = MicroBatchSearch.Corrected(Estimate, 2, 300 << 20, 6, 900 << 20);
        Assert.AreEqual(3000L << 20, higher(20), 1);
        // Runs that seem to take nothing are not believed: a quarter of the estimate stays.
        Func<int, double> nothing = MicroBatchSearch.Corrected(Estimate, 2, 0, 6, 0);
        Assert.AreEqual(350L << 20, nothing(20), 1);
    }

    // A row takes 3 MiB for each MiB of the estimate, or a third of one; 4 GiB may be taken, of which the search uses 0.8.
    [TestMethod]
    [DataRow(3.0)]
    [DataRow(1 / 3.0)]
    public void A_wrong_estimate_is_corrected_by_what_rows_really_take(double factor)
    {
        if (!AvailableMemory.TryResetPeak()) Assert.Inconclusive("This system does not reset the peak of a process's memory.");
        const int Batch = 1 << 13, Length = 128;
        const long Available = 4L << 30;
        using GptNetwork network = new(TrainingFixture.Config with { ContextLength = Length }, GptDevice.Cpu, TrainingFixture.Seed);
        var memory = new TrainingMemory(network.Config, GptPrecision.Float32, GptDevice.Cpu);
        long row = (long)(factor * (memory.Estimate(2_000, Length).ActivationBytes - memory.Estimate(1_000, Length).ActivationBytes) / 1_000);
        using var search = new MicroBatchSearch(network, [network.Parameters], memory, static _ => { }) { Available = static () => Available };
        int found = search.Find(Batch, 1, Length, size => torch.ones(size * row, torch.ScalarType.Int8));
        // Sizes are powers of two.
        double fits = 0.8 * Available / row;
        Assert.IsLessThanOrEqualTo(1.1 * fits, found, "it would not fit");
        Assert.IsGreaterThan(fits / 2.4, found, "half of it would be left");
    }

    [TestMethod]
    public void The_search_leaves_weights_gradients_and_the_random_generator_as_they_were_and_takes_a_small_batch_whole()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { MicroBatchSize = MicroBatchSize.Auto, Stages = [new(3, 8, 6)], Run = fixture.Options.Run with { AverageDecay = 0.9 } };
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        float[] weights = [.. network.Parameters.Master.data<float>()];
        torch.manual_seed(3);
        using (torch.NewDisposeScope())
        {
            byte[] random = [.. torch.get_rng_state().data<byte>()];
            IReadOnlyList<int> found = StageMicroBatches.Find(network, options, new(TrainingFixture.Config, GptPrecision.Float32, GptDevice.Cpu) { Averaged = true }, fixture.Log.Add);
            CollectionAssert.AreEqual((int[])[6, 4], found.ToArray());
            CollectionAssert.AreEqual(random, torch.get_rng_state().data<byte>().ToArray());
        }

        CollectionAssert.AreEqual(weights, network.Parameters.Master.data<float>().ToArray());
        Assert.IsTrue(network.Parameters.GradientSum.data<float>().ToArray().All(static g => g == 0));
        Assert.IsFalse(network.Training);
        Assert.IsTrue(fixture.Log.Contains("micro-batch: 6 of 6 rows of 8 tokens at once"), string.Join('\n', fixture.Log));
    }

    [TestMethod]
    public void A_model_that_no_memory_holds_is_refused_with_the_numbers()
    {
        using var fixture = new TrainingFixture();
        var config = new GptConfig { VocabularySize = 24, ContextLength = 1 << 20, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 };
        // Attention's probabilities of one row, which dropout needs: 2 heads × 2^20 × 2^20 × 4 bytes = 8 TiB a layer.
        using GptNetwork network = new(config, GptDevice.Cpu, TrainingFixture.Seed);
        var error = Assert.ThrowsExactly<TrainingOutOfMemoryException>(() => StageMicroBatches.Find(network, fixture.Options with { Model = config, MicroBatchSize = MicroBatchSize.Auto }, new(config, GptPrecision.Float32, GptDevice.Cpu) { Dropout = new() { Attention = 0.1f } }, fixture.Log.Add));
        Assert.AreEqual(1, error.MicroBatchSize);
        Assert.AreEqual(1 << 20, error.SequenceLength);
        Assert.IsGreaterThan(2L << 43, error.ActivationBytes);
        Assert.IsGreaterThan(0, error.AvailableBytes!.Value);
        Assert.AreEqual(16 * config.ParameterCount, error.ParameterBytes);
    }

    [TestMethod]
    public void A_resumed_run_takes_the_recorded_sizes()
    {
        LanguageModelOptions options = new() { MicroBatchSize = MicroBatchSize.Auto, BatchSize = 12, Stages = [new(3, 256, 48)] };
        CollectionAssert.AreEqual((int[])[16, 4], TrainingPlan.Recorded(options, "16 4")!.ToArray());
        Assert.AreEqual("16 4", TrainingPlan.Of(options, [16, 4]).MicroBatchSizes);
        Assert.IsNull(TrainingPlan.Recorded(options, "16"));
        Assert.IsNull(TrainingPlan.Recorded(options, "16 5"));
        Assert.IsNull(TrainingPlan.Recorded(options, null));
    }
}
