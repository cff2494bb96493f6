using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

/// <summary>Responses of up to six letters; the reward is the share of them that are an "a", and a response should end.</summary>
[TestClass]
public sealed class PolicyOptimizationTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly string Folder = Directory.CreateTempSubdirectory("mlnet-gpt-policy-").FullName;
    private static readonly PolicyReward ShareOfA = PolicyReward.Of(static (_, response) => response.Count(static c => c == 'a') / 6.0);
    private static readonly IDataView Prompts = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(static i => new Row { Prompt = string.Concat($"{i:D2}".Select(static d => (char)('a' + d - '0'))) }));
    private static readonly PolicyOptimizationOptions Options = PolicyFixture.Plain with
    {
        BatchSize = 32,
        Rollout = new() { Minibatches = 1, InnerEpochs = 2, MaxNewTokens = 6 },
        Reward = new() { Sources = [ShareOfA], MissingEndPenalty = 0.1 },
        Episodes = 32 * 30,
        Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 0, WeightDecay = 0 },
    };

    private static GptModel start = null!;

    [ClassInitialize]
    public static void Begin(TestContext context) => start = new(new TorchCausalModel(new GptNetwork(PolicyFixture.Shape, GptDevice.Cpu, seed: 3)), PolicyFixture.Letters);

    [ClassCleanup]
    public static void Clean()
    {
        start.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    [TestMethod]
    [DataRow(PolicyAlgorithm.Ppo, false)]
    [DataRow(PolicyAlgorithm.Ppo, true)]
    [DataRow(PolicyAlgorithm.Grpo, false)]
    [DataRow(PolicyAlgorithm.Rloo, false)]
    public void It_learns_what_is_rewarded_over_several_seeds_and_leaves_the_start_as_it_was(PolicyAlgorithm algorithm, bool adapter)
    {
        string before = Fingerprint.HashOf(((TorchCausalModel)start.Engine).Network);
        foreach (int seed in (int[])[1, 2, 3])
        {
            using GptPolicyTransformer trained = Fit(Options with { Algorithm = algorithm, Lora = adapter ? new() { Rank = 8, Alpha = 32 } : null, Run = Options.Run with { Seed = seed } });
            double reward = Reward(trained.Model), chance = Reward(start);
            Assert.IsLessThan(0.2, chance);
            Assert.IsGreaterThan(chance + 0.3, reward, $"{algorithm}, seed {seed}");
            PolicyOptimizationResult result = trained.Training;
            Assert.AreEqual((60, 30, 960L, 40), (result.Steps, result.Rollouts, result.Episodes, result.Prompts));
            Assert.IsGreaterThan(0, result.Kl);
            IReadOnlyDictionary<string, double> first = result.History[0].Metrics!, last = result.History[^1].Metrics!;
            string score = algorithm == PolicyAlgorithm.Grpo ? "reward" : "objective/scores";
            Assert.IsGreaterThan(first[score] + 0.2, last[score]);
            Assert.AreEqual(960, last["episode"]);
            Assert.AreEqual(result.History[^1].LearningRate, last["lr"]);
        }

        Assert.AreEqual(before, Fingerprint.HashOf(((TorchCausalModel)start.Engine).Network));
    }

    [TestMethod]
    [DataRow(0.0, false)]
    [DataRow(0.9, false)]
    [DataRow(0.0, true)]
    public void While_the_value_model_warms_up_the_policy_stays_as_it_is_bit_for_bit(double averageDecay, bool deferred)
    {
        var warmup = Warmup(rollouts: 3, warmup: 3, Options with { Run = Options.Run with { AverageDecay = averageDecay, LogInterval = 100 }, Rollout = Options.Rollout with { Minibatches = 2 } }, deferred);
        CollectionAssert.AreEqual(warmup.Before, warmup.After);
        Assert.AreEqual(0, warmup.PolicySteps);
        Assert.AreEqual(12, warmup.ValueSteps, "3 rollouts of 2 minibatches, twice");
        Assert.IsGreaterThan(0f, warmup.ValueMoved);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void After_the_warm_up_the_policys_first_update_is_its_optimizers_first(bool deferred)
    {
        // Adam's first step is rate·g/(|g| + ε): the rate, wherever the gradient is not tiny. With the counts of 6 updates but the moments of one it were
        // rate·(0.1/(1 - 0.9⁷))/√(0.05/(1 - 0.95⁷)) = 0.47 of it.
        PolicyOptimizationOptions options = Options with { Optimizer = new() { LearningRate = 1e-3, MinLearningRate = 1e-3, WarmupSteps = 0, WeightDecay = 0, GradientClipNorm = 0 }, Rollout = Options.Rollout with { InnerEpochs = 1 }, Run = Options.Run with { LogInterval = 100 } };
        var run = Warmup(rollouts: 7, warmup: 6, options, deferred);
        Assert.AreEqual((1, 7), (run.PolicySteps, run.ValueSteps));
        Assert.AreEqual(1e-3, run.Before.Zip(run.After, static (x, y) => Math.Abs(x - y)).Max(), 1e-6);
    }

    [TestMethod]
    public void A_run_resumed_behind_its_warm_up_ends_with_the_same_weights()
    {
        PolicyOptimizationOptions options = Options with { Episodes = 32 * 4, Ppo = new() { ValueWarmupRollouts = 2 }, Optimizer = new() { LearningRate = 1e-3, WarmupSteps = 0 }, Run = Options.Run with { LogInterval = 1 } };
        using GptPolicyTransformer whole = Fit(options);
        foreach (int stop in (int[])[3, 5])
        {
            string folder = Path.Combine(Folder, $"warm-up-{stop}");
            using var cancel = new CancellationTokenSource();
            Fit(options with { Run = options.Run with { Folder = folder, CancellationToken = cancel.Token, Progress = p => { if (p.Step == stop) cancel.Cancel(); } } }).Dispose();
            using GptPolicyTransformer rest = Fit(options with { Run = options.Run with { Folder = folder, Resume = true } });
            Assert.AreEqual(8, rest.Training.Steps);
            Assert.AreEqual(Fingerprint.HashOf(((TorchCausalModel)whole.Model.Engine).Network), Fingerprint.HashOf(((TorchCausalModel)rest.Model.Engine).Network), $"stopped after {stop}");
        }
    }

    /// <summary>A run with weight decay; the policy's weights before and after it, the updates of both optimizers, and the farthest that a weight of the value model's head went.</summary>
    private static (float[] Before, float[] After, int PolicySteps, int ValueSteps, float ValueMoved) Warmup(int rollouts, int warmup, PolicyOptimizationOptions options, bool deferred)
    {
        string folder = Directory.CreateDirectory(Path.Combine(Folder, Guid.NewGuid().ToString("N"))).FullName;
        PolicyOptimizationOptions changed = options with { Run = options.Run with { ImmediateUpdates = !deferred }, Episodes = rollouts * options.RolloutSize, Ppo = new() { ValueWarmupRollouts = warmup }, Optimizer = options.Optimizer! with { WeightDecay = warmup == rollouts ? 0.1 : 0 } };
        using var fixture = new PolicyFixture(changed);
        float[] before = [.. fixture.Model.Network.Parameters.Master.data<float>()], head = [.. fixture.Model.Value!.Extra.Master.data<float>()];
        using PretrainedWeights pretrained = fixture.Options.Pretrained!.Open();
        var run = new RunFolder(folder, 1, PolicyFingerprint.Of(fixture.Options, null, fixture.Model, pretrained, fixture.Rewards, fixture.Prompts, null, rollouts, 1));
        new PolicyOptimizationLoop(fixture.Model, fixture.Rollouts, fixture.Rewards, fixture.Prompts, [], null, fixture.Options, null, 1, run, static _ => { }).Run(null);
        using var sets = new TrainableSets(fixture.Model.Sets, fixture.Options.Optimizer!);
        TrainingCheckpoint.Open(RunCheckpoints.FindLast(folder)!).Restore(sets, options.Run.AverageDecay > 0 ? [.. fixture.Model.Sets.Select(static set => TorchSharp.torch.empty_like(set.Master))] : null);
        return (before, [.. fixture.Model.Network.Parameters.Master.data<float>()], sets.Sets[0].Optimizer.StepCount, sets.Sets[^1].Optimizer.StepCount, head.Zip(fixture.Model.Value.Extra.Master.data<float>(), static (x, y) => Math.Abs(x - y)).Max());
    }

    [TestMethod]
    public void Reports_have_TRLs_names()
    {
        RunOptions run = Options.Run with { LogInterval = 1 };
        using GptPolicyTransformer ppo = Fit(Options with { Episodes = 64, Run = run, Reward = new() { Sources = [ShareOfA with { Name = "a" }, PolicyReward.OfAll(static r => [.. r.Select(static _ => 1.0)], -0.5) with { Name = "toll" }] }, PretrainingMix = new() { Texts = Prompts, TextColumnName = "Prompt", BatchSize = 2 } });
        CollectionAssert.AreEqual(new[]
        {
            "episode", "eps", "kl_coefficient", "loss/policy_avg", "loss/pretraining", "loss/value_avg", "lr", "objective/entropy", "objective/kl", "objective/non_score_reward", "objective/rlhf_reward", "objective/scores", "policy/approxkl_avg",
            "policy/clipfrac_avg", "policy/entropy_avg", "rewards/a/mean", "rewards/toll/mean", "val/clipfrac_avg", "val/num_eos_tokens", "val/ratio", "val/ratio_var",
        }, ppo.Training.History[0].Metrics!.Keys.ToArray());
        IReadOnlyDictionary<string, double> first = ppo.Training.History[0].Metrics!;
        Assert.AreEqual(1, first["val/ratio"], 1e-6);
        Assert.AreEqual(0, first["val/ratio_var"], 1e-6);
        Assert.AreEqual(0, first["policy/approxkl_avg"]);
        Assert.AreEqual(0, first["objective/kl"]);
        Assert.AreEqual(1, first["rewards/toll/mean"]);
        Assert.AreEqual(first["rewards/a/mean"] - 0.5, first["objective/scores"], 1e-6);
        Assert.IsGreaterThan(0, first["policy/entropy_avg"]);
        Assert.IsGreaterThan(0, first["eps"]);

        // Two updates on each rollout of 32.
        CollectionAssert.AreEqual(new double[] { 32, 32, 64, 64 }, ppo.Training.History.Select(static report => report.Metrics!["episode"]).ToArray());
        foreach (TrainingProgress report in ppo.Training.History)
        {
            Assert.AreEqual(report.LearningRate, report.Metrics!["lr"]);
            Assert.AreEqual(report.Metrics["episode"], report.Metrics["eps"] * report.Elapsed.TotalSeconds, 1e-6);
        }

        // The loss of a report is what its parts add up to.
        Assert.AreEqual(first["loss/policy_avg"] + (0.1 * first["loss/value_avg"]) + (27.8 * first["loss/pretraining"]), ppo.Training.History[0].Loss, 1e-3);
        using GptPolicyTransformer grpo = Fit(Options with { Algorithm = PolicyAlgorithm.Grpo, Episodes = 64, Run = run });
        CollectionAssert.AreEqual(new[] { "clip_ratio/high_mean", "clip_ratio/low_mean", "completions/clipped_ratio", "completions/mean_length", "entropy", "episode", "eps", "frac_reward_zero_std", "kl", "kl_coefficient", "lr", "reward", "reward_std" },
            grpo.Training.History[0].Metrics!.Keys.ToArray());
        IReadOnlyDictionary<string, double> group = grpo.Training.History[0].Metrics!;
        Assert.AreEqual(0, group["kl"], 1e-7);
        Assert.IsTrue(group["completions/mean_length"] is > 1 and < 6 && group["completions/clipped_ratio"] is > 0 and < 1);
    }

    [TestMethod]
    public void The_fitted_policy_writes_responses_and_is_saved_and_loaded_over_ONNX()
    {
        using GptPolicyTransformer trained = Fit(Options with { Generation = new() { MaxNewTokens = 6, Temperature = 0 } });
        string file = Path.Combine(Folder, "policy.zip"), package = Path.Combine(Folder, "package"), checkpoint = Path.Combine(Folder, "checkpoint");
        string[] expected = Responses(trained);
        Assert.IsGreaterThan(0.5, expected.Average(static text => text.Count(static c => c == 'a') / 6.0));
        Ml.Model.Save(trained, Prompts.Schema, file);
        ITransformer loaded = new MLContext().Model.Load(file, out _);
        CollectionAssert.AreEqual(expected, Responses(loaded));
        (loaded as IDisposable)?.Dispose();
        trained.Model.ExportOnnx(package);
        using GptModel onnx = GptModel.FromOnnx(package, GptDevice.Cpu);
        Assert.AreEqual(expected[5], onnx.Generate("af", new() { MaxNewTokens = 6, Temperature = 0 }));
        trained.Model.SaveCheckpoint(checkpoint);
        using GptModel opened = GptModel.FromCheckpoint(checkpoint, GptDevice.Cpu);
        Assert.AreEqual(expected[5], opened.Generate("af", new() { MaxNewTokens = 6, Temperature = 0 }));

        static string[] Responses(ITransformer transformer) => [.. transformer.Transform(Prompts).GetColumn<string>("Response")];
    }

    [TestMethod]
    public void The_pretraining_mix_keeps_what_reward_alone_forgets()
    {
        // The corpus alternates b and c; the start has learnt it, and the reward wants "a" in its place.
        var texts = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 60).Select(static i => new Row { Prompt = string.Concat(Enumerable.Repeat(i % 2 == 0 ? "bc" : "cb", 10 + (i % 5))) }));
        using GptLanguageModelTransformer language = Ml.Gpt().Trainers.LanguageModel("Prompt", new()
        {
            Model = PolicyFixture.Shape, Tokenizer = PolicyFixture.Letters, MaxSteps = 60, BatchSize = 8, Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 5 }, Evaluation = new() { ValidationFraction = 0 }, Run = Options.Run,
        }).Fit(texts);
        PolicyOptimizationOptions options = Options with { Pretrained = language.Model, Kl = new() { Coefficient = 0 } };
        IDataView prompts = Ml.Data.LoadFromEnumerable(new[] { new Row { Prompt = "b" }, new Row { Prompt = "cb" }, new Row { Prompt = "bcb" } });
        using GptPolicyTransformer alone = Ml.Gpt().Trainers.PolicyOptimization("Prompt", options).Fit(prompts);
        using GptPolicyTransformer mixed = Ml.Gpt().Trainers.PolicyOptimization("Prompt", options with { PretrainingMix = new() { Texts = texts, TextColumnName = "Prompt", BatchSize = 4 } }).Fit(prompts);
        double before = Loss(language.Model), lost = Loss(alone.Model), kept = Loss(mixed.Model);
        Assert.IsGreaterThan(before + 0.5, lost, "reward alone");
        Assert.IsLessThan(before + 0.05, kept, "with the mix");

        static double Loss(GptModel model) => -model.Score(["bcbcbcbcbcbcbc", "cbcbcbcbcbcbcb"]).Average(static score => score.LogLikelihood / score.TokenCount);
    }

    [TestMethod]
    public void A_limit_of_the_KL_ends_the_run_before_it_learns_more_and_an_adaptive_coefficient_follows_its_target()
    {
        using GptPolicyTransformer limited = Fit(Options with { Kl = new() { Coefficient = 0, Limit = 0.5 }, Optimizer = Options.Optimizer! with { LearningRate = 5e-4 } });
        Assert.IsTrue(limited.Training.StoppedAtKlLimit);
        Assert.IsGreaterThan(0.5, limited.Training.Kl);
        Assert.IsTrue(limited.Training.Steps is > 2 and < 60, $"{limited.Training.Steps} updates");
        Assert.AreEqual(2 * (limited.Training.Rollouts - 1), limited.Training.Steps, "the last rollout was not learnt from");
        Assert.IsTrue(limited.Training.History.All(static report => report.Metrics!["objective/kl"] <= 0.5));

        // 32 responses a rollout over a horizon of 320: a factor of at most 1 ± 0.02.
        PolicyOptimizationOptions ten = Options with { Episodes = 320, Run = Options.Run with { LogInterval = 1 } };
        using GptPolicyTransformer low = Fit(ten with { Kl = new() { Coefficient = 0.1, Target = 1e-6, Horizon = 320 } }), high = Fit(ten with { Kl = new() { Coefficient = 0.1, Target = 1e6, Horizon = 320 } });
        Assert.AreEqual(0.1 * Math.Pow(0.98, 9), high.Training.KlCoefficient, 1e-9);
        Assert.AreEqual(0.1 * 0.98 * Math.Pow(1.02, 8), low.Training.KlCoefficient, 1e-9, "the first rollout's KL is 0, the others' are above the target");
        foreach (GptPolicyTransformer adaptive in (GptPolicyTransformer[])[low, high])
        {
            foreach (TrainingProgress report in adaptive.Training.History) Assert.AreEqual(-report.Metrics!["kl_coefficient"] * report.Metrics["objective/kl"], report.Metrics["objective/non_score_reward"], 1e-6, "β as it is then is what the rewards have");
            Assert.AreEqual(adaptive.Training.KlCoefficient, adaptive.Training.History[^1].Metrics!["kl_coefficient"], 1e-6);
        }
    }

    [TestMethod]
    public void A_reward_model_scores_and_begins_the_value_model_and_its_checkpoint_opens_again()
    {
        IDataView graded = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 120).Select(static i => new { Prompt = $"{(char)('a' + (i % 10))}", Good = i % 3 == 0 ? "aaa" : "aba", Bad = i % 2 == 0 ? "bcd" : "ebf" }));
        using GptRewardModelTransformer reward = Ml.Gpt().Trainers.RewardModelFromPairs("Prompt", "Good", "Bad", new()
        {
            Pretrained = start, Epochs = 4, BatchSize = 16, Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 0, WeightDecay = 0 }, Run = Options.Run with { Folder = Path.Combine(Folder, "reward") },
        }).Fit(graded);
        string folder = Path.Combine(Folder, "reward-checkpoint");
        reward.Model.SaveCheckpoint(folder);
        using (GptRewardModel opened = GptRewardModel.FromCheckpoint(folder, GptDevice.Cpu)) Assert.AreEqual(reward.Model.Score("a", "aba").Reward, opened.Score("a", "aba").Reward);
        using (GptRewardModel ofRun = GptRewardModel.FromCheckpoint(reward.Training.LastCheckpoint!, GptDevice.Cpu)) Assert.IsTrue(float.IsFinite(ofRun.Score("a", "aba").Reward));
        Assert.ThrowsExactly<CorruptFileException>(() => GptRewardModel.FromCheckpoint(Saved(start), GptDevice.Cpu));

        // The folder on TorchSharp begins the value model as itself; the package on ONNX Runtime can't. Rewards are the same.
        var logged = new List<string>();
        var ml = new MLContext(seed: 1);
        ml.Log += (_, e) => logged.Add(e.Message);
        using GptPolicyTransformer torch = ml.Gpt().Trainers.PolicyOptimization("Prompt", Options with { Pretrained = start, Episodes = 32, Reward = new() { Sources = [folder] } }).Fit(Prompts);
        Assert.IsTrue(logged.Any(static line => line.Contains("the value model begins as the reward model", StringComparison.Ordinal)));
        using GptPolicyTransformer package = ml.Gpt().Trainers.PolicyOptimization("Prompt", Options with { Pretrained = start, Episodes = 32, Reward = new() { Sources = [Path.Combine(Folder, "reward", "model")] } }).Fit(Prompts);
        Assert.AreEqual(torch.Training.Score, package.Training.Score, 1e-4);
        Assert.AreNotEqual(torch.Training.History[^1].Metrics!["loss/value_avg"], package.Training.History[^1].Metrics!["loss/value_avg"]);

        // Which package it was is known to the run.
        string other = Path.Combine(Folder, "other-reward");
        reward.Model.ExportOnnx(other, new() { Weights = WeightFormat.Float16 });
        PolicyOptimizationOptions begun = Options with { Pretrained = start, Episodes = 32, Reward = new() { Sources = [Path.Combine(Folder, "reward", "model")] }, Run = Options.Run with { Folder = Path.Combine(Folder, "policy") } };
        ml.Gpt().Trainers.PolicyOptimization("Prompt", begun).Fit(Prompts).Dispose();
        StringAssert.Contains(Assert.ThrowsExactly<ResumeMismatchException>(() => ml.Gpt().Trainers.PolicyOptimization("Prompt", begun with { Reward = new() { Sources = [other] }, Run = begun.Run with { Resume = true } }).Fit(Prompts)).Message, "Reward.");
        using GptPolicyTransformer trained = Fit(Options with { Reward = new() { Sources = [reward.Model], MissingEndPenalty = 1, Normalization = RewardNormalization.Standardize, ClipRange = 3 } });
        Assert.IsGreaterThan(trained.Training.History[0].Metrics!["objective/scores"] + 1, trained.Training.Score);

        static string Saved(GptModel model)
        {
            string path = Path.Combine(Folder, "no-reward");
            model.SaveCheckpoint(path);
            return path;
        }
    }

    [TestMethod]
    public void A_validation_set_gives_the_objective_and_the_best_weights_are_returned()
    {
        using GptPolicyTransformer trained = Fit(Options with { Evaluation = new() { ValidationFraction = 0.25, Interval = 20, ReturnBest = true } });
        double[] losses = [.. trained.Training.History.Where(static report => report.ValidationLoss is not null).Select(static report => report.ValidationLoss!.Value)];
        Assert.HasCount(3, losses);
        Assert.AreEqual((30, 10), (trained.Training.Prompts, trained.Training.ValidationPrompts));
        Assert.IsLessThan(-0.25, losses.Min(), "the start scores below 0.2");
        Assert.AreEqual(-losses[^1], trained.Training.ValidationObjective!.Value, 1e-9);
    }

    [TestMethod]
    public void A_reward_that_throws_or_is_not_finite_names_the_response_and_the_run_goes_on_when_it_is_mended()
    {
        using GptPolicyTransformer whole = Fit(Options with { Episodes = 160 });
        foreach (Exception? thrown in (Exception?[])[new InvalidOperationException("no judge"), new TaskCanceledException("no judge in time"), null])
        {
            string folder = Path.Combine(Folder, $"broken-{thrown?.GetType().Name}");
            int calls = 0;
            PolicyReward broken = PolicyReward.Of((_, response) => ++calls == 70 ? thrown is null ? double.NaN : throw thrown : response.Count(static c => c == 'a') / 6.0);
            PolicyOptimizationOptions options = Options with { Episodes = 160, Run = Options.Run with { Folder = folder } };
            var error = Assert.ThrowsExactly<PolicyRewardException>(() => Fit(options with { Reward = options.Reward with { Sources = [broken] } }));
            Assert.AreEqual("function", error.RewardName);
            Assert.AreEqual(thrown, error.InnerException);
            Assert.IsNotNull(error.Response);
            StringAssert.Contains(error.Message, thrown is null ? "NaN" : "no judge");
            StringAssert.EndsWith(error.LastCheckpoint, "step-00000004");   // two rollouts of 32, two updates each
            using GptPolicyTransformer rest = Fit(options with { Run = options.Run with { Resume = true } });
            Assert.AreEqual(Fingerprint.HashOf(((TorchCausalModel)whole.Model.Engine).Network), Fingerprint.HashOf(((TorchCausalModel)rest.Model.Engine).Network));
            TrainingProgress last = rest.Training.History[^1];
            Assert.AreEqual(160 - 64, last.Metrics!["eps"] * last.Elapsed.TotalSeconds, 1e-6, "the episodes of this process");
        }

        StringAssert.Contains(Assert.ThrowsExactly<PolicyRewardException>(() => Fit(Options with { Reward = new() { Sources = [PolicyReward.OfAll(static _ => [1.0])] } })).Message, "1 rewards for 32 responses");
    }

    [TestMethod]
    public void A_prompt_that_a_reward_model_has_no_room_for_is_an_error_before_anything_is_trained()
    {
        // 10 and 11 letters fit the policy's 16 positions beside a response of 6, whose last token has none; in a reward model of 16 positions every token has one, and the read-out token too where there is one.
        IDataView prompts = Ml.Data.LoadFromEnumerable(new[] { new Row { Prompt = "abcdefghij" }, new Row { Prompt = "abcdefghija" } });
        TrainingExampleException Refused(int context, RewardReadout readout, PromptOverflow overflow)
        {
            using var judge = new GptRewardModel(new TorchRewardModel(new RewardNetwork(new GptNetwork(PolicyFixture.Shape with { ContextLength = context }, GptDevice.Cpu, seed: 4), new() { Readout = readout, Overflow = overflow }, trainable: false), PolicyFixture.Letters), PolicyFixture.Letters);
            return Assert.ThrowsExactly<TrainingExampleException>(() => Ml.Gpt().Trainers.PolicyOptimization("Prompt", Options with
            {
                Pretrained = start, Algorithm = PolicyAlgorithm.Rloo, Episodes = 32, Reward = new() { Sources = [(PolicyReward)judge with { Name = "judge" }] },
            }).Fit(prompts));
        }

        TrainingExampleException error = Refused(16, RewardReadout.LastToken, PromptOverflow.Error);
        Assert.AreEqual(1L, error.Row);
        StringAssert.Contains(error.Message, "has 11 tokens, and leaves no room for a response of 6: 10 fit the 16 positions of the reward model 'judge' beside it");
        error = Refused(16, RewardReadout.ReadoutToken, PromptOverflow.Error);
        Assert.AreEqual(0L, error.Row);
        StringAssert.Contains(error.Message, "9 fit the 16 positions");

        // One that cuts prompts needs room for a token of them.
        error = Refused(6, RewardReadout.LastToken, PromptOverflow.KeepTail);
        StringAssert.Contains(error.Message, "Rollout.MaxNewTokens = 6 tokens leaves no room for a prompt in the 6 positions of the reward model 'judge'");
        StringAssert.Contains(error.Message, "Lower it to 5 or less");
    }

    [TestMethod]
    public void Prompts_without_room_other_tokenizers_and_other_shapes_are_typed_errors()
    {
        IDataView mixed = Ml.Data.LoadFromEnumerable(new[] { new Row { Prompt = "a" }, new Row { Prompt = "abcdefghijab" } });
        var error = Assert.ThrowsExactly<TrainingExampleException>(() => Ml.Gpt().Trainers.PolicyOptimization("Prompt", Options with { Pretrained = start }).Fit(mixed));
        Assert.AreEqual(1L, error.Row);
        StringAssert.Contains(error.Message, "has 12 tokens, and leaves no room for a response of 6: 11 fit the context of 16");
        using (GptPolicyTransformer cut = Ml.Gpt().Trainers.PolicyOptimization("Prompt", Options with { Pretrained = start, Episodes = 32, Rollout = Options.Rollout with { PromptOverflow = PromptOverflow.KeepTail } }).Fit(mixed))
            Assert.AreEqual(1, cut.Training.TruncatedPrompts);
        Assert.ThrowsExactly<TrainingExampleException>(() => Fit(Options with { Rollout = Options.Rollout with { MaxNewTokens = 17 } }));
        Assert.ThrowsExactly<TrainingExampleException>(() => Ml.Gpt().Trainers.PolicyOptimization("Prompt", Options with { Pretrained = start }).Fit(Ml.Data.LoadFromEnumerable(Array.Empty<Row>())));
        Assert.ThrowsExactly<TrainingExampleException>(() => Fit(Options with { Evaluation = new() { EarlyStoppingPatience = 1 } }));
        Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Trainers.PolicyOptimization("Missing", Options with { Pretrained = start }).Fit(Prompts));
        Assert.AreEqual(99, Assert.ThrowsExactly<TokenOutOfRangeException>(() => Fit(Options with { Generation = new() { StopTokenIds = [99] } })).TokenId);

        GptTokenizer others = GptTokenizer.FromCharacters(["abcdefghik "]);
        using GptModel other = new(new TorchCausalModel(new GptNetwork(PolicyFixture.Shape, GptDevice.Cpu, seed: 3)), others);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => Fit(Options with { Reference = other }));
        using GptModel wide = new(new TorchCausalModel(new GptNetwork(PolicyFixture.Shape with { EmbeddingSize = 64 }, GptDevice.Cpu, seed: 3)), PolicyFixture.Letters);
        var shape = Assert.ThrowsExactly<TensorMismatchException>(() => Fit(Options with { Reference = wide }));
        StringAssert.Contains(shape.Message, "[12, 64]");

        // Blocks of which the policy has none, behind its own: GPT-1's form has no last normalisation that would tell.
        GptConfig first = PolicyFixture.Shape with { BlockForm = GptBlockForm.PostNorm };
        using GptModel shallow = new(new TorchCausalModel(new GptNetwork(first, GptDevice.Cpu, seed: 3)), PolicyFixture.Letters), deep = new(new TorchCausalModel(new GptNetwork(first with { LayerCount = first.LayerCount + 1 }, GptDevice.Cpu, seed: 3)), PolicyFixture.Letters);
        shape = Assert.ThrowsExactly<TensorMismatchException>(() => Fit(Options with { Pretrained = shallow, Reference = deep }));
        Assert.AreEqual("nothing", shape.Expected);
        StringAssert.StartsWith(shape.TensorName, $"h.{first.LayerCount}.");
        shape = Assert.ThrowsExactly<TensorMismatchException>(() => Fit(Options with { Pretrained = deep, Reference = shallow }));
        Assert.AreEqual("nothing", shape.Found);
        using GptRewardModel foreign = new(new TorchRewardModel(new RewardNetwork(new GptNetwork(PolicyFixture.Shape, GptDevice.Cpu), new(), trainable: false), others), others);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => Fit(Options with { Reward = new() { Sources = [foreign] } }));
        using GptModel same = new(new TorchCausalModel(new GptNetwork(PolicyFixture.Shape, GptDevice.Cpu, seed: 4)), PolicyFixture.Letters);
        using GptPolicyTransformer referred = Fit(Options with { Reference = same, Episodes = 32 });
        Assert.AreNotEqual(0, referred.Training.Kl, "another model of this shape may be the reference");
    }

    [TestMethod]
    public void Options_outside_their_range_or_without_effect_are_refused()
    {
        PolicyOptimizationOptions good = Options with { Pretrained = start };
        good.Validate();
        foreach (PolicyOptimizationOptions preset in (PolicyOptimizationOptions[])[PolicyOptimizationOptions.InstructGpt, PolicyOptimizationOptions.Trl]) (preset with { Pretrained = start, Reward = good.Reward }).Validate();
        Assert.AreEqual(512, PolicyOptimizationOptions.InstructGpt.RolloutSize);
        PolicyOptimizationOptions[] bad =
        [
            Options, good with { Reward = new() }, good with { Algorithm = PolicyAlgorithm.Rloo, Ppo = new() }, good with { Grpo = new() }, good with { Kl = new() { InReward = false } }, good with { Lora = new(), Reference = start },
            good with { Algorithm = PolicyAlgorithm.Grpo, Rollout = good.Rollout with { SamplesPerPrompt = 1 } }, good with { Rollout = good.Rollout with { SamplesPerPrompt = 5 } }, good with { PretrainingMix = new() },
            good with { Kl = new() { Target = 1, Coefficient = 0 } }, good with { Generation = new() { StopAtEndOfText = false } }, good with { ChatTemplate = ChatTemplate.Default }, good with { Reward = new() { Sources = [ShareOfA, ShareOfA] } },
        ];
        foreach (PolicyOptimizationOptions options in bad) Assert.ThrowsExactly<ArgumentException>(() => options.Validate());
        PolicyOptimizationOptions[] outside =
        [
            good with { BatchSize = 0 }, good with { Episodes = 0 }, good with { ClipRange = 1 }, good with { ClipRangeHigh = 0 }, good with { DualClip = 1 }, good with { EntropyCoefficient = -1 }, good with { Algorithm = (PolicyAlgorithm)9 },
            good with { Rollout = good.Rollout with { Temperature = 0 } }, good with { Rollout = good.Rollout with { MaxNewTokens = 0 } }, good with { Rollout = good.Rollout with { InnerEpochs = 0 } }, good with { Kl = new() { Coefficient = -1 } },
            good with { Kl = new() { Limit = 0 } }, good with { Ppo = new() { GaeLambda = 1.1 } }, good with { Ppo = new() { ValueCoefficient = 0 } }, good with { Reward = good.Reward with { ClipRange = 0 } }, good with { Reward = new() { Sources = [ShareOfA with { Weight = 0 }] } },
        ];
        foreach (PolicyOptimizationOptions options in outside) Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => options.Validate());
    }

    [TestMethod]
    public void Conversations_are_prompts_as_well()
    {
        ChatTemplate template = ChatTemplate.Default;
        GptTokenizer tokenizer = GptTokenizer.FromCharacters([$"abcdefghij {template.Start}{template.SystemMarker}{template.UserMarker}{template.AssistantMarker}{template.AfterTurn}"]);
        using GptModel model = new(new TorchCausalModel(new GptNetwork(PolicyFixture.Shape with { VocabularySize = tokenizer.VocabularySize, ContextLength = 64 }, GptDevice.Cpu, seed: 3)), tokenizer);
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 8).Select(static i => new Row { Prompt = $$"""[{"role":"user","content":"{{(char)('a' + i)}}"}]""" }));
        PolicyOptimizationOptions options = Options with { Pretrained = model, Episodes = 32, Generation = new() { PromptForm = PromptForm.Conversation, MaxNewTokens = 4 } };
        using GptPolicyTransformer trained = Ml.Gpt().Trainers.PolicyOptimization("Prompt", options).Fit(rows);
        Assert.AreEqual(template, trained.Model.ChatTemplate);
        Assert.HasCount(8, trained.Transform(rows).GetColumn<string>("Response").ToArray());
        IDataView broken = Ml.Data.LoadFromEnumerable(new[] { new Row { Prompt = "no conversation" } });
        Assert.AreEqual(0L, Assert.ThrowsExactly<TrainingExampleException>(() => Ml.Gpt().Trainers.PolicyOptimization("Prompt", options).Fit(broken)).Row);
        using GptRewardModel reward = new(new TorchRewardModel(new RewardNetwork(new GptNetwork(model.Config, GptDevice.Cpu), new(), trainable: false), tokenizer), tokenizer);
        Assert.ThrowsExactly<ChatTemplateException>(() => Ml.Gpt().Trainers.PolicyOptimization("Prompt", options with { Reward = new() { Sources = [reward] } }).Fit(rows));
    }

    private static GptPolicyTransformer Fit(PolicyOptimizationOptions options) => Ml.Gpt().Trainers.PolicyOptimization("Prompt", options with { Pretrained = options.Pretrained ?? start }).Fit(Prompts);

    /// <summary>The mean reward of drawn responses.</summary>
    private static double Reward(GptModel model) =>
        model.Generate([.. Prompts.GetColumn<string>("Prompt")], new() { MaxNewTokens = 6, SamplesPerPrompt = 4, Seed = 77 }).Average(static text => text.Text.Count(static c => c == 'a') / 6.0);

    private sealed class Row
    {
        public string Prompt { get; set; } = "";
    }
}
