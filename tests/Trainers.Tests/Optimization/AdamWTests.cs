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
    }

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
        Refused(new AdamWOptions { WeightDecay = -1 }, "WeightDecay");
        Refused(new AdamWOptions { GradientClipNorm = -1 }, "GradientClipNorm");

        static void Refused(AdamWOptions options, string name) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate).ParamName);
    }
}
