using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Trainers.Tests.Preferences;

/// <summary>Prompts of three letters; of two responses the one is chosen that begins with the prompt's first letter.</summary>
[TestClass]
public sealed class DirectPreferenceTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);
    private static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 };
    private static readonly GptModel Before = new(new TorchCausalModel(new GptNetwork(Shape, GptDevice.Cpu, seed: 3)), Letters);
    private static readonly DirectPreferenceOptions Options = new()
    {
        Pretrained = Before,
        Epochs = 12,
        BatchSize = 16,
        Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 5, WeightDecay = 0 },
        Generation = new() { MaxNewTokens = 4, Temperature = 0 },
        Run = new() { Device = GptDevice.Cpu, Precision = GptPrecision.Float32, PeakFlops = 0, Seed = 1, LogInterval = 10 },
    };

    [ClassCleanup]
    public static void DisposePolicy() => Before.Dispose();

    [TestMethod]
    [DataRow(PreferenceObjective.Sigmoid, false)]
    [DataRow(PreferenceObjective.Identity, false)]
    [DataRow(PreferenceObjective.Hinge, false)]
    [DataRow(PreferenceObjective.Sigmoid, true)]
    public void It_learns_what_is_preferred_on_prompts_that_it_has_not_seen_over_several_seeds(PreferenceObjective objective, bool normalized)
    {
        IDataView training = Rows(480, seed: 1), test = Rows(100, seed: 2);
        foreach (int seed in objective == PreferenceObjective.Sigmoid && !normalized ? (int[])[1, 2, 3] : [1, 2])
        {
            using GptDirectPreferenceTransformer fitted = Trainer(Options with
            {
                Objective = objective, LengthNormalized = normalized, Beta = normalized ? 0.5 : 0.1, Run = Options.Run with { Seed = seed },
            }).Fit(training, test);
            DirectPreferenceResult result = fitted.Training;
            Assert.IsGreaterThan(0.85, result.Validation!.Accuracy, $"seed {seed}: {result.Validation}");
            Assert.IsLessThan(0.7, result.ReferenceAccuracy!.Value, "the policy before");
            Assert.IsLessThan(0.7, result.LengthAccuracy!.Value, "the lengths alone");
            Assert.IsLessThan(result.History.First(static p => p.ValidationLoss is not null).ValidationLoss!.Value, result.History[^1].ValidationLoss!.Value);
            TrainingProgress first = result.History[0], last = result.History[^1];
            CollectionAssert.AreEqual(new[] { "logps/chosen", "logps/rejected", "rewards/accuracies", "rewards/chosen", "rewards/margins", "rewards/rejected" }, last.Metrics!.Keys.ToArray());
            Assert.IsGreaterThan(first.Metrics!["rewards/accuracies"], last.Metrics["rewards/accuracies"]);
            Assert.AreEqual(last.Metrics["rewards/chosen"] - last.Metrics["rewards/rejected"], last.Metrics["rewards/margins"], 1e-5);
            CollectionAssert.AreNotEqual(Weights(Before), Weights(fitted.Model));

            // What the metrics say is what the two models themselves say of the responses.
            Pair[] some = [.. Ml.Data.CreateEnumerable<Pair>(test, reuseRowObject: false)];
            double margin = some.Average(pair => Implied(fitted.Model, pair, normalized)) * (normalized ? 0.5 : 0.1);
            Assert.AreEqual(margin, result.Validation.Margin, 1e-3);
        }
    }

    // Rewards r of three answers to each prompt, and all pairs as often as the Bradley-Terry model has them prefer either: with r = 0, log 2, log 4 the better one of neighbours wins 2 of 3
    // times, the best against the worst 4 of 5. The policy that DPO's loss is least for is π ∝ π_ref·exp(r/β) (Rafailov et al. 2023, equation 4): β·log(π/π_ref) differs as r does.
    [TestMethod]
    public void The_implied_rewards_are_those_that_the_preferences_were_made_with()
    {
        string[] prompts = ["a", "b", "c"];
        double[][] rewards = [[0, Math.Log(2), Math.Log(4)], [Math.Log(4), 0, Math.Log(2)], [Math.Log(2), Math.Log(4), 0]];
        string[] answers = ["d", "e", "f"];
        List<Pair> rows = [];
        for (int p = 0; p < prompts.Length; p++)
        {
            for (int i = 0; i < 3; i++)
            {
                for (int j = 0; j < 3; j++)
                {
                    if (i == j) continue;
                    int times = (int)Math.Round(15 / (1 + Math.Exp(rewards[p][j] - rewards[p][i])));
                    for (int n = 0; n < times; n++) rows.Add(new() { Prompt = prompts[p], Chosen = answers[i], Rejected = answers[j] });
                }
            }
        }

        Assert.HasCount(3 * 45, rows);
        foreach (int seed in (int[])[1, 2, 3])
        {
            using GptDirectPreferenceTransformer fitted = Trainer(Options with
            {
                Beta = 0.5, Epochs = 150, BatchSize = rows.Count, Optimizer = new() { LearningRate = 5e-3, MinLearningRate = 1e-5, WarmupSteps = 0, WeightDecay = 0 },
                Evaluation = new() { ValidationFraction = 0, Interval = 0 }, Run = Options.Run with { Seed = seed, LogInterval = 150 },
            }).Fit(Ml.Data.LoadFromEnumerable(rows));
            for (int p = 0; p < prompts.Length; p++)
            {
                double[] implied = [.. answers.Select(answer => 0.5 * (LogLikelihood(fitted.Model, prompts[p], answer) - LogLikelihood(Before, prompts[p], answer)))];
                foreach ((int i, int j) in ((int, int)[])[(0, 1), (1, 2), (0, 2)])
                    Assert.AreEqual(rewards[p][i] - rewards[p][j], implied[i] - implied[j], 0.03, $"seed {seed}, prompt {prompts[p]}, {answers[i]} against {answers[j]}");
            }
        }
    }

    [TestMethod]
    public void With_the_identity_objective_a_pair_that_all_agree_on_stops_at_the_margin()
    {
        using GptDirectPreferenceTransformer fitted = Trainer(Options with
        {
            Objective = PreferenceObjective.Identity, Beta = 0.25, Epochs = 100, Optimizer = new() { LearningRate = 2e-3, MinLearningRate = 1e-5, WarmupSteps = 0, WeightDecay = 0 },
            Evaluation = new() { ValidationFraction = 0, Interval = 0 },
        }).Fit(Ml.Data.LoadFromEnumerable([new Pair { Prompt = "a", Chosen = "b", Rejected = "cd" }]));
        Assert.AreEqual(2, Implied(fitted.Model, new() { Prompt = "a", Chosen = "b", Rejected = "cd" }, normalized: false), 0.02, "1/(2β)");
    }

    [TestMethod]
    public void An_adapter_learns_to_write_what_is_preferred_over_a_base_that_stays_as_it_was()
    {
        float[] before = Weights(Before);
        IDataView training = Rows(480, seed: 1), test = Rows(100, seed: 2);
        using GptDirectPreferenceTransformer fitted = Trainer(Options with { Lora = new() { Rank = 8, Projections = LoraProjections.All }, Optimizer = new() { LearningRate = 4e-3, WarmupSteps = 0, WeightDecay = 0 } }).Fit(training, test);
        CollectionAssert.AreEqual(before, Weights(Before));
        Assert.AreSame(((TorchCausalModel)Before.Engine).Network.Parameters, ((TorchCausalModel)fitted.Model.Engine).Network.Parameters, "one copy of the base serves both");
        Assert.IsLessThan(Shape.ParameterCount, fitted.Training.TrainedParameters);
        Assert.IsGreaterThan(0.95, fitted.Training.Validation!.Accuracy, fitted.Training.Validation.ToString());
        Assert.AreEqual(Math.Log(2), fitted.Training.History.First().Loss, 0.1, "it begins at the base");

        // The transformer writes: what it writes begins as the chosen responses do far oftener than what the policy wrote before.
        double share = Share(fitted.Transform(test)), shareBefore = Share(Ml.Gpt().Transforms.GenerateText("Response", "Prompt", Before, Options.Generation).Fit(test).Transform(test));
        Assert.IsGreaterThan(0.8, share);
        Assert.IsLessThan(0.4, shareBefore);

        static double Share(IDataView written) => Ml.Data.CreateEnumerable<Written>(written, reuseRowObject: false).Average(static row => row.Response.StartsWith(row.Prompt[0]) ? 1.0 : 0);
    }

    [TestMethod]
    public void Conversations_are_read_as_the_fitted_transformer_reads_them()
    {
        var template = new ChatTemplate { Start = "", SystemMarker = null, UserMarker = "h", AssistantMarker = "i" };
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 32).Select(static i => new Pair { Prompt = ConversationJson.Write([ConversationTurn.User($"{(char)('a' + (i % 4))}")]), Chosen = "ee", Rejected = "f" }));
        using GptDirectPreferenceTransformer fitted = Trainer(Options with
        {
            ChatTemplate = template, Epochs = 30, Optimizer = new() { LearningRate = 1e-2, WarmupSteps = 0, WeightDecay = 0 }, Beta = 0.05, Generation = Options.Generation with { PromptForm = PromptForm.Conversation },
            Evaluation = new() { ValidationFraction = 0 },
        }).Fit(rows);
        Assert.AreEqual(template, fitted.Model.ChatTemplate);
        StringAssert.StartsWith(fitted.Transform(rows).GetColumn<string>("Response").First(), "ee");
    }

    [TestMethod]
    public void A_conversations_responses_end_with_the_templates_end_of_turn()
    {
        GptTokenizer bytes = GptTokenizer.TrainBytePairEncoding(["a"], new() { VocabularySize = 258, SpecialTokens = [GptTokenizer.EndOfText, "<|im_end|>"] });
        var template = new ChatTemplate { Start = "", SystemMarker = null, UserMarker = "h", AssistantMarker = "i", EndOfTurn = "<|im_end|>" };
        IDataView rows = Ml.Data.LoadFromEnumerable<Pair>([new() { Prompt = ConversationJson.Write([ConversationTurn.User("a")]), Chosen = "ee", Rejected = "" }]);
        PreferencePair pair = new PreferencePairs(bytes, Shape.ContextLength, ModelCompanions.None, template, Options).Read(rows, new RankedColumns("Prompt", "Chosen", "Rejected", null, null)).Single();
        Assert.AreEqual("ee<|im_end|>", bytes.Decode(pair.Chosen.TokenIds.Where((_, i) => pair.Chosen.IsTarget[i])));
        Assert.AreEqual("<|im_end|>", bytes.Decode(pair.Rejected.TokenIds.Where((_, i) => pair.Rejected.IsTarget[i])));
    }

    // The second of two updates over all pairs reports on the policy that the first one left: a run of that one update alone has it.
    [TestMethod]
    public void Reports_tell_what_the_policy_and_its_reference_themselves_say_of_the_responses()
    {
        Pair[] pairs = [.. Ml.Data.CreateEnumerable<Pair>(Rows(12, seed: 4), reuseRowObject: false), new() { Prompt = "ab ", Chosen = "c", Rejected = "cjjj" }];
        DirectPreferenceOptions options = Options with
        {
            Beta = 0.3, BatchSize = pairs.Length, Optimizer = new() { LearningRate = 2e-3, MinLearningRate = 2e-3, WarmupSteps = 0, WeightDecay = 0 }, Evaluation = new() { ValidationFraction = 0, Interval = 0 },
            Run = Options.Run with { LogInterval = 1 },
        };
        using GptDirectPreferenceTransformer one = Trainer(options with { Epochs = 1 }).Fit(Ml.Data.LoadFromEnumerable(pairs)), two = Trainer(options with { Epochs = 2 }).Fit(Ml.Data.LoadFromEnumerable(pairs));
        IReadOnlyDictionary<string, double> metrics = two.Training.History[1].Metrics!;
        double[] chosen = [.. pairs.Select(pair => LogLikelihood(one.Model, pair.Prompt, pair.Chosen))], rejected = [.. pairs.Select(pair => LogLikelihood(one.Model, pair.Prompt, pair.Rejected))];
        double[] chosenRewards = [.. pairs.Select((pair, i) => 0.3 * (chosen[i] - LogLikelihood(Before, pair.Prompt, pair.Chosen)))], rejectedRewards = [.. pairs.Select((pair, i) => 0.3 * (rejected[i] - LogLikelihood(Before, pair.Prompt, pair.Rejected)))];
        double accuracy = chosenRewards.Zip(rejectedRewards).Average(static pair => pair.First > pair.Second ? 1.0 : 0);
        Assert.IsTrue(accuracy is > 0 and < 1, $"{accuracy}");
        foreach ((string name, double expected) in (ReadOnlySpan<(string, double)>)
            [
                ("logps/chosen", chosen.Average()), ("logps/rejected", rejected.Average()), ("rewards/chosen", chosenRewards.Average()), ("rewards/rejected", rejectedRewards.Average()), ("rewards/margins", chosenRewards.Average() - rejectedRewards.Average()),
                ("rewards/accuracies", accuracy),
            ])
            Assert.AreEqual(expected, metrics[name], 1e-4, name);
        Assert.AreEqual(chosenRewards.Zip(rejectedRewards).Average(static pair => Math.Log(1 + Math.Exp(pair.Second - pair.First))), two.Training.History[1].Loss, 1e-4);
    }

    [TestMethod]
    public void All_pairs_of_a_prompt_are_on_one_side()
    {
        PreferencePair[] pairs = [.. Enumerable.Range(0, 60).Select(static i => new PreferencePair(i, i % 12, SupervisedExample.Of(i, [1], [2]), SupervisedExample.Of(i, [1], [3])))];
        (IReadOnlyList<PreferencePair> training, IReadOnlyList<PreferencePair> validation) = PreferencePairs.Split(pairs, 0.25, seed: 5);
        Assert.HasCount(15, validation);
        Assert.HasCount(45, training);
        Assert.IsEmpty(training.Select(static pair => pair.Prompt).Intersect(validation.Select(static pair => pair.Prompt)));
        CollectionAssert.AreEqual(training.Select(static pair => pair.Row).Order().ToArray(), training.Select(static pair => pair.Row).ToArray());
    }

    [TestMethod]
    public void Both_responses_follow_the_same_part_of_a_prompt_that_is_cut()
    {
        PreferencePair pair = Read(new Pair { Prompt = "abcdefghijab", Chosen = "ab", Rejected = "abcdefgh" }, Options, out int truncated);
        // A context of 16 has 17 tokens with the last one, which is only predicted: 9 of the longer response and its end, 8 of the prompt.
        Assert.AreEqual(1, truncated);
        Assert.HasCount(17, pair.Rejected.TokenIds);
        CollectionAssert.AreEqual(Letters.Encode("efghijab", SpecialTokenHandling.AsText), pair.Chosen.TokenIds[..8]);
        CollectionAssert.AreEqual(pair.Chosen.TokenIds[..8], pair.Rejected.TokenIds[..8]);
        Assert.AreEqual(3, pair.Chosen.TargetCount);
    }

    [TestMethod]
    [DataRow("a", "b", "b", PreferenceDataProblem.AllTied)]
    [DataRow("abcdefgh", "abcdefghi", "b", PreferenceDataProblem.TooLong)]
    [DataRow("a", "b", "abcdefghijabcdef", PreferenceDataProblem.TooLong)]
    public void A_row_that_cannot_be_learnt_from_is_named(string prompt, string chosen, string rejected, PreferenceDataProblem problem)
    {
        PreferenceDataException error = Assert.ThrowsExactly<PreferenceDataException>(() => Trainer(Options with { Overflow = PromptOverflow.Error }).Fit(Ml.Data.LoadFromEnumerable(
            [new Pair { Prompt = "a", Chosen = "b", Rejected = "c" }, new Pair { Prompt = prompt, Chosen = chosen, Rejected = rejected }])));
        Assert.AreEqual(problem, error.Problem);
        Assert.AreEqual(1L, error.Row);
    }

    [TestMethod]
    public void Data_and_columns_that_do_not_serve_are_refused()
    {
        Assert.AreEqual(PreferenceDataProblem.Empty, Assert.ThrowsExactly<PreferenceDataException>(() => Trainer(Options).Fit(Ml.Data.LoadFromEnumerable(Array.Empty<Pair>()))).Problem);
        Assert.AreEqual("Rejected", Assert.ThrowsExactly<ColumnMismatchException>(() => Trainer(Options).Fit(Ml.Data.LoadFromEnumerable([new { Prompt = "a", Chosen = "b" }]))).ColumnName);
        Assert.ThrowsExactly<PreferenceDataException>(() => Trainer(Options with { Evaluation = new() { ValidationFraction = 0, EarlyStoppingPatience = 1 } }).Fit(Rows(10, seed: 1)));
        PreferenceDataException conversation = Assert.ThrowsExactly<PreferenceDataException>(() => Trainer(Options with { Generation = new() { PromptForm = PromptForm.Conversation }, ChatTemplate = new() { Start = "", SystemMarker = null, UserMarker = "h", AssistantMarker = "i" } }).Fit(Rows(10, seed: 1)));
        Assert.AreEqual(PreferenceDataProblem.InvalidConversation, conversation.Problem);
        Assert.AreEqual(0L, conversation.Row);
    }

    [TestMethod]
    public void Options_outside_their_range_are_refused()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new DirectPreferenceOptions().Validate()).Message, "Pretrained is not set");
        foreach (DirectPreferenceOptions bad in (DirectPreferenceOptions[])[Options with { Beta = 0 }, Options with { Beta = double.NaN }, Options with { LabelSmoothing = 0.5 }, Options with { Epochs = 0 }, Options with { BatchSize = 0 }, Options with { Objective = (PreferenceObjective)7 }, Options with { Overflow = (PromptOverflow)7 }])
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => bad.Validate());
        foreach (DirectPreferenceOptions bad in (DirectPreferenceOptions[])[Options with { LabelSmoothing = 0.1, Objective = PreferenceObjective.Hinge }, Options with { ChatTemplate = ChatTemplate.Default }, Options with { Generation = new() { StopAtEndOfText = false } }])
            Assert.ThrowsExactly<ArgumentException>(() => bad.Validate());
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Trainers.DirectPreference("Response", "Prompt", "Chosen", "Chosen", Options));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => Trainer(Options with { Generation = new() { StopTokenIds = [99] } }).Fit(Rows(10, seed: 1)));
    }

    // The reference's likelihoods take a pass over all pairs. Cancelled when the last row has been read, that pass would end as cancelled.
    [TestMethod]
    public void A_run_of_other_options_is_refused_before_the_reference_is_computed()
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-preference-").FullName;
        DirectPreferenceOptions options = Options with { Epochs = 1, Run = Options.Run with { Folder = Path.Combine(folder, "run") } };
        Pair[] pairs = [.. Ml.Data.CreateEnumerable<Pair>(Rows(32, seed: 1), reuseRowObject: false)];
        Trainer(options).Fit(Ml.Data.LoadFromEnumerable(pairs)).Dispose();
        using var stop = new CancellationTokenSource();
        DirectPreferenceTrainer resumed = Trainer(options with { Beta = 0.2, Run = options.Run with { Resume = true, CancellationToken = stop.Token } });
        ResumeMismatchException error = Assert.ThrowsExactly<ResumeMismatchException>(() => resumed.Fit(Ml.Data.LoadFromEnumerable(AndStop())));
        CollectionAssert.AreEqual(new[] { "Beta" }, error.Differences.ToArray());
        Assert.IsTrue(stop.IsCancellationRequested);
        Directory.Delete(folder, recursive: true);

        IEnumerable<Pair> AndStop()
        {
            foreach (Pair pair in pairs) yield return pair;
            stop.Cancel();
        }
    }

    private static DirectPreferenceTrainer Trainer(DirectPreferenceOptions options) => Ml.Gpt().Trainers.DirectPreference("Response", "Prompt", "Chosen", "Rejected", options);

    private static PreferencePair Read(Pair row, DirectPreferenceOptions options, out int truncated)
    {
        var reader = new PreferencePairs(Letters, Shape.ContextLength, ModelCompanions.None, null, options);
        PreferencePair pair = reader.Read(Ml.Data.LoadFromEnumerable([row]), new("Prompt", "Chosen", "Rejected", null, null)).Single();
        truncated = reader.TruncatedCount;
        return pair;
    }

    /// <summary>The margin in nats that a policy has put between a pair's responses, by its own scores.</summary>
    private static double Implied(GptModel model, Pair pair, bool normalized) =>
        (LogLikelihood(model, pair.Prompt, pair.Chosen, normalized) - LogLikelihood(Before, pair.Prompt, pair.Chosen, normalized))
        - (LogLikelihood(model, pair.Prompt, pair.Rejected, normalized) - LogLikelihood(Before, pair.Prompt, pair.Rejected, normalized));

    private static double LogLikelihood(GptModel model, string prompt, string response, bool normalized = false)
    {
        SequenceScore score = ContinuationScorer.Score(model.Engine, [new ContinuationRequest(Letters.Encode(prompt, SpecialTokenHandling.AsText), [[.. Letters.Encode(response, SpecialTokenHandling.AsText), Letters.EndOfTextId]])], Letters.EndOfTextId)[0][0];
        return score.LogLikelihood / (normalized ? score.TokenCount : 1);
    }

    private static IDataView Rows(int count, int seed)
    {
        var random = new Random(seed);
        return Ml.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ =>
        {
            char[] letters = [.. Enumerable.Range(0, 8).OrderBy(_ => random.Next()).Take(3).Select(static letter => (char)('a' + letter))];
            return new Pair { Prompt = new string(letters) + " ", Chosen = letters[0] + Rest(), Rejected = Other(letters[0]) + Rest() };
        }).ToList());

        char Other(char first)
        {
            char other = (char)('a' + random.Next(7));
            return other < first ? other : (char)(other + 1);
        }

        string Rest() => new('j', random.Next(1, 4));
    }

    private static float[] Weights(GptModel model)
    {
        GptNetwork network = ((TorchCausalModel)model.Engine).Network;
        return [.. GptParameterLayout.Of(network.Config).SelectMany(info =>
        {
            var values = new float[info.ElementCount];
            network.Read(info.Name, values);
            return values;
        })];
    }

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Chosen { get; set; } = "";

        public string Rejected { get; set; } = "";
    }

    private sealed class Written
    {
        public string Prompt { get; set; } = "";

        public string Response { get; set; } = "";
    }
}
