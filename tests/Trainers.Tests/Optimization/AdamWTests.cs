using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Optimization;

[TestClass]
public sealed class AdamWTests
{
    private static readonly GptConfig Tiny = new() { VocabularySize = 4, ContextLength = 2, EmbeddingSize = 2, LayerCount = 1, HeadCount = 1 };

    [TestMethod]
    public void Two_steps_equal_the_hand_worked_ones()
    {
        // One weight that decays and one bias that doesn't; β1 0.9, β2 0.95, ε 0, decay 0.1, lr 0.01, no clipping; gradients 1 then 3.
        // Step 1: m = 0.1, v = 0.05; m̂ = 1, v̂ = 1; update 0.01·1/1.
        // Step 2: m = 0.9·0.1 + 0.1·3 = 0.39, m̂ = 0.39/0.19; v = 0.95·0.05 + 0.05·9 = 0.4975, v̂ = 0.4975/0.0975.
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Tiny, GptDevice.Cpu);
        using var optimizer = new AdamW(network.Parameters, new AdamWOptions { Epsilon = 1e-30, GradientClipNorm = 0, WeightDecay = 0.1 });
        using var fill = no_grad();
        network.Parameters.Master.fill_(2f);
        foreach (float gradient in (float[])[1f, 3f])
        {
            network.Parameters.GradientSum.fill_(gradient);
            optimizer.Step(0.01, network.Parameters.GradientSum.norm());
        }

        double update2 = 0.01 * (0.39 / 0.19) / Math.Sqrt(0.4975 / 0.0975);
        double weight = (((2.0 * (1 - 0.001)) - 0.01) * (1 - 0.001)) - update2;
        double bias = 2.0 - 0.01 - update2;
        Assert.AreEqual(weight, First("wte.weight"), 1e-6);
        Assert.AreEqual(bias, First("h.0.attn.c_attn.bias"), 1e-6);
        Assert.AreEqual(bias, First("h.0.ln_1.weight"), 1e-6);

        float First(string name) => network.Parameters.ViewOf(network.Parameters.Master, name).view(-1)[0].item<float>();
    }

    [TestMethod]
    public void A_resumed_count_is_the_devices_too_when_it_is_told_of_no_update_first()
    {
        // Update 21 with a gradient of 1 and empty moments; β1 0.9, β2 0.95: m̂ = 0.1/(1 − 0.9^21), v̂ = 0.05/(1 − 0.95^21). As the first update it would be 0.01·1/1.
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Tiny, GptDevice.Cpu);
        using var optimizer = new AdamW(network.Parameters, new AdamWOptions { Epsilon = 1e-30, GradientClipNorm = 0, WeightDecay = 0 }) { StepCount = 20 };
        using var fill = no_grad();
        network.Parameters.Master.fill_(2f);
        network.Parameters.GradientSum.fill_(1f);
        optimizer.Confirm(0);
        optimizer.StepIfFinite(0.01, network.Parameters.GradientSum.norm(), tensor(1f));
        optimizer.Confirm(1);
        Assert.AreEqual(21, optimizer.StepCount);
        double update = 0.01 * (0.1 / (1 - Math.Pow(0.9, 21))) / Math.Sqrt(0.05 / (1 - Math.Pow(0.95, 21)));
        Assert.AreEqual(2 - update, network.Parameters.Master[0].item<float>(), 1e-6);
    }

    [TestMethod]
    public void A_step_takes_its_numbers_whenever_the_garbage_collector_runs()
    {
        // Nothing but β1 = β2 = 0 and ε = 1: each step takes off lr·1/(1 + 1) exactly; a number that the collector has freed meanwhile would be another one.
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Tiny, GptDevice.Cpu);
        using var optimizer = new AdamW(network.Parameters, new AdamWOptions { Beta1 = 0, Beta2 = 0, Epsilon = 1, GradientClipNorm = 0, WeightDecay = 0 });
        using var fill = no_grad();
        using var ended = new CancellationTokenSource();
        var collector = new Thread(() =>
        {
            while (!ended.IsCancellationRequested)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        });
        collector.Start();
        try
        {
            for (int step = 0; step < 2_000; step++)
            {
                network.Parameters.Master.zero_();
                network.Parameters.GradientSum.fill_(1f);
                using Tensor norm = network.Parameters.GradientSum.norm();
                optimizer.Step(0.5, norm);
                Assert.AreEqual(-0.25f, network.Parameters.Master[0].item<float>(), $"step {step}");
            }
        }
        finally
        {
            ended.Cancel();
            collector.Join();
        }
    }

    [TestMethod]
    public void A_long_gradient_is_scaled_to_the_clip_norm_and_a_short_one_left_alone()
    {
        // With β1 = β2 = 0 and ε = 1 the update is lr·g/(|g| + 1), which shows the gradient that was used.
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Tiny, GptDevice.Cpu);
        using var optimizer = new AdamW(network.Parameters, new AdamWOptions { Beta1 = 0, Beta2 = 0, Epsilon = 1, GradientClipNorm = 1, WeightDecay = 0 });
        using var fill = no_grad();
        Assert.AreEqual(-0.6 / 1.6, Update(3f, 4f), 1e-6);   // (3, 4) has norm 5: scaled to (0.6, 0.8)
        Assert.AreEqual(-0.3 / 1.3, Update(0.3f, 0.4f), 1e-6);

        double Update(float a, float b)
        {
            network.Parameters.Master.zero_();
            network.Parameters.GradientSum.zero_();
            network.Parameters.GradientSum.narrow(0, 0, 1).fill_(a);
            network.Parameters.GradientSum.narrow(0, 1, 1).fill_(b);
            optimizer.Step(1, network.Parameters.GradientSum.norm());
            return network.Parameters.Master[0].item<float>();
        }
    }

    [TestMethod]
    public void Matrices_decay_and_vectors_do_not()
    {
        using var network = new GptNetwork(Tiny, GptDevice.Cpu);
        long decayed = network.Parameters.Layout.Where(static p => p.Shape.Count >= 2).Sum(static p => (p.ElementCount + 15) / 16 * 16);
        Assert.AreEqual(decayed, network.Parameters.DecayCount);
    }

    [TestMethod]
    public void The_schedule_warms_up_and_follows_the_cosine()
    {
        var options = new AdamWOptions { LearningRate = 1.0, MinLearningRate = 0.1, WarmupSteps = 9, DecaySteps = 109 };
        Assert.AreEqual(0.1, LearningRateSchedule.At(0, options, 1_000), 1e-12);
        Assert.AreEqual(0.9, LearningRateSchedule.At(8, options, 1_000), 1e-12);
        Assert.AreEqual(1.0, LearningRateSchedule.At(9, options, 1_000), 1e-12);
        Assert.AreEqual(0.55, LearningRateSchedule.At(59, options, 1_000), 1e-12);    // half way: the mean of 1.0 and 0.1
        Assert.AreEqual(0.1 + (0.9 * 0.5 * (1 + Math.Sqrt(0.5))), LearningRateSchedule.At(34, options, 1_000), 1e-12); // a quarter: cos 45°
        Assert.AreEqual(0.1, LearningRateSchedule.At(109, options, 1_000), 1e-12);
        Assert.AreEqual(0.1, LearningRateSchedule.At(5_000, options, 1_000), 1e-12);

        // Unless it is set, the least rate is a tenth of the largest, and the decay ends with the run.
        Assert.AreEqual(0.1, LearningRateSchedule.At(1_000, options with { MinLearningRate = null, DecaySteps = null }, 1_000), 1e-12);
        Assert.AreEqual(0.55, LearningRateSchedule.At(504, options with { MinLearningRate = null, DecaySteps = null }, 999), 1e-12);

        // Of 2^31 parts of the way, the first.
        Assert.AreEqual(1.0 / (1L << 31), LearningRateSchedule.At(0, options with { WarmupSteps = int.MaxValue, DecaySteps = null }, 1_000), 1e-20);
        Assert.AreEqual(1.0 / (1L << 31), LearningRateSchedule.Linear(0, 1, int.MaxValue, 1_000), 1e-20);
    }

    [TestMethod]
    [DataRow(double.PositiveInfinity)]
    [DataRow(double.NegativeInfinity)]
    [DataRow(double.NaN)]
    public void No_number_of_any_trainers_options_may_be_infinite_or_NaN(double value)
    {
        // Every number among the options, set by its name: what Validate of its own record, or of the one that it is a part of, says of it.
        var checks = new (object Options, Action<object> Validate)[]
        {
            (new AdamWOptions(), static o => ((AdamWOptions)o).Validate()), (new TaskOptimizerOptions(), static o => ((TaskOptimizerOptions)o).Validate()), (new PpoOptions(), static o => ((PpoOptions)o).Validate()),
            (new EvaluationOptions(), static o => ((EvaluationOptions)o).Validate()), (new RunOptions(), static o => ((RunOptions)o).Validate()), (new LoraOptions(), static o => ((LoraOptions)o).Validate()),
            (new SupervisedTaskOptions { Pretrained = "gpt2" }, static o => ((SupervisedTaskOptions)o).Validate()), (new RewardModelOptions { Pretrained = "gpt2" }, static o => ((RewardModelOptions)o).Validate()),
            (new DirectPreferenceOptions { Pretrained = "gpt2" }, static o => ((DirectPreferenceOptions)o).Validate()), (new LanguageModelOptions { Model = Tiny }, static o => ((LanguageModelOptions)o).Validate()),
            (Policy, static o => ((PolicyOptimizationOptions)o).Validate()), (new KlOptions(), static o => (Policy with { Kl = (KlOptions)o }).Validate()),
            (new PolicyRewardOptions { Sources = Policy.Reward.Sources }, static o => (Policy with { Reward = (PolicyRewardOptions)o }).Validate()), (new RolloutOptions(), static o => (Policy with { Rollout = (RolloutOptions)o }).Validate()),
        };
        foreach ((object options, Action<object> validate) in checks)
        {
            validate(options);
            foreach (System.Reflection.PropertyInfo property in options.GetType().GetProperties().Where(static p => p.CanWrite && (Nullable.GetUnderlyingType(p.PropertyType) ?? p.PropertyType) is var type && (type == typeof(double) || type == typeof(float))))
            {
                object before = property.GetValue(options)!, broken = (Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType) == typeof(float) ? (object)(float)value : value;
                property.SetValue(options, broken);
                if (property.Name == nameof(PpoOptions.ValueClipRange) && double.IsPositiveInfinity(value))
                {
                    validate(options); // the one that infinity switches off
                    property.SetValue(options, before);
                    continue;
                }

                var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => validate(options), $"{options.GetType().Name}.{property.Name}");
                StringAssert.Contains(error.Message, property.Name);
                property.SetValue(options, before);
            }
        }
    }

    private static PolicyOptimizationOptions Policy { get; } = new() { Pretrained = "gpt2", Reward = new() { Sources = [PolicyReward.Of(static (_, _) => 0)] } };

    [TestMethod]
    public void Options_outside_their_range_are_refused_by_name()
    {
        Refused(new AdamWOptions { LearningRate = 0 }, "LearningRate");
        Refused(new AdamWOptions { MinLearningRate = 1 }, "MinLearningRate");
        Refused(new AdamWOptions { WarmupSteps = -1 }, "WarmupSteps");
        Refused(new AdamWOptions { DecaySteps = 100, WarmupSteps = 100 }, "DecaySteps");
        Refused(new AdamWOptions { Beta1 = 1 }, "Beta1");
        Refused(new AdamWOptions { Beta2 = double.NaN }, "Beta2");
        Refused(new AdamWOptions { Epsilon = 0 }, "Epsilon");
        Refused(new AdamWOptions { Epsilon = double.PositiveInfinity }, "Epsilon");
        Refused(new AdamWOptions { LearningRate = double.PositiveInfinity }, "LearningRate");
        Refused(new AdamWOptions { WeightDecay = double.PositiveInfinity }, "WeightDecay");
        Refused(new AdamWOptions { GradientClipNorm = double.PositiveInfinity }, "GradientClipNorm");
        Refused(new AdamWOptions { WeightDecay = -1 }, "WeightDecay");
        Refused(new AdamWOptions { GradientClipNorm = -1 }, "GradientClipNorm");

        static void Refused(AdamWOptions options, string name) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate).ParamName);
    }
}
