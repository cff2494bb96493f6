using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Trainers.Tests.Instructions;

[TestClass]
public sealed class SupervisedFineTuningTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Tokenizer = GptTokenizer.FromCharacters(["abcdefgh=UA:\n"]);
    private static readonly GptConfig Config = new() { VocabularySize = Tokenizer.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 };
    private static readonly GptModel Base = new(new TorchCausalModel(new GptNetwork(Config, GptDevice.Cpu, seed: 9)), Tokenizer);

    private static readonly SupervisedFineTuningOptions Options = new()
    {
        Pretrained = Base,
        Epochs = 3,
        BatchSize = 8,
        MicroBatchSize = 3,
        Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 0 },
        Generation = new() { MaxNewTokens = 6, Temperature = 0 },
        Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu, LogInterval = 1, CheckpointInterval = 4 },
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("mlnet-gpt-sft-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [ClassCleanup]
    public static void DisposeBase() => Base.Dispose();

    [TestMethod]
    public void Each_example_comes_once_an_epoch_and_the_last_update_takes_what_is_left()
    {
        using GptSupervisedFineTuningTransformer fitted = Fit(Options with { Evaluation = Options.Evaluation with { ValidationFraction = 0.1 } });
        // 30 examples, 3 held out: 27 in updates of 8, 8, 8 and 3, three times over. Each completion has 3 letters and its end: 4 tokens.
        Assert.AreEqual(27, fitted.Training.Examples);
        Assert.AreEqual(3, fitted.Training.ValidationExamples);
        Assert.AreEqual(12, fitted.Training.Steps);
        Assert.AreEqual(27 * 4 * 3, fitted.Training.History[^1].Tokens);
        Assert.AreEqual(Config.ParameterCount, fitted.Training.TrainedParameters);
        Assert.IsLessThan(fitted.Training.History[0].Loss - 0.5, fitted.Training.TrainingLoss);
    }

    [TestMethod]
    public void Micro_batches_of_unlike_completions_have_the_loss_and_gradient_of_the_whole_batch()
    {
        // Completions of 1 to 8 letters and their end: a mean of the micro-batches' means would weigh the tokens of short ones more.
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(1, 8).Select(static n => new Pair { Prompt = "ab=", Completion = "abcdefgh"[..n] }).ToArray());
        TrainingProgress[] first = [.. ((MicroBatchSize[])[MicroBatchSize.WholeBatch, 3, 1]).Select(size =>
        {
            using GptSupervisedFineTuningTransformer fitted = Trainer(Options with { Epochs = 1, MicroBatchSize = size, Evaluation = new() { ValidationFraction = 0 }, Run = Options.Run with { Dropout = DropoutOptions.None } }).Fit(rows);
            return fitted.Training.History[0];
        })];
        foreach (TrainingProgress parts in first[1..])
        {
            Assert.AreEqual(first[0].Loss, parts.Loss, 1e-5);
            Assert.AreEqual(1, parts.GradientNorm / first[0].GradientNorm, 1e-4);
        }
    }

    [TestMethod]
    public void A_report_weighs_every_token_alike_whichever_update_it_was_in()
    {
        // 10 examples in updates of 4, 4 and 2: the last one of an epoch has fewer tokens than the others, and a mean of the updates' means would weigh them more.
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 10).Select(static n => new Pair { Prompt = "ab=", Completion = "abcdefgh"[..(1 + (n % 8))] }).ToArray());
        SupervisedFineTuningOptions options = Options with { Epochs = 2, BatchSize = 4, Evaluation = new() { ValidationFraction = 0 }, Run = Options.Run with { Dropout = DropoutOptions.None, Seed = 5 } };
        using GptSupervisedFineTuningTransformer each = Trainer(options).Fit(rows), some = Trainer(options with { Run = options.Run with { LogInterval = 4 } }).Fit(rows);
        IReadOnlyList<TrainingProgress> updates = each.Training.History, reports = some.Training.History;
        CollectionAssert.AreEqual(new[] { (4, 4), (6, 2) }, reports.Select(static report => (report.Step, report.Updates)).ToArray());
        Assert.IsTrue(updates.All(static report => report.Updates == 1));
        long before = 0;
        (double Sum, long Tokens)[] sums = [.. updates.Select(report =>
        {
            long tokens = report.Tokens - before;
            before = report.Tokens;
            return (report.Loss * tokens, tokens);
        })];
        Assert.AreNotEqual(sums[0].Tokens, sums[2].Tokens);
        Assert.AreEqual(sums[..4].Sum(static one => one.Sum) / sums[..4].Sum(static one => one.Tokens), reports[0].Loss, 1e-9);
        Assert.AreEqual(sums[4..].Sum(static one => one.Sum) / sums[4..].Sum(static one => one.Tokens), reports[1].Loss, 1e-9);
    }

    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(false, true)]
    public void A_run_resumed_from_any_checkpoint_ends_with_the_same_losses_and_weights(bool lora, bool packing)
    {
        SupervisedFineTuningOptions options = Options with { Lora = lora ? new() { Projections = LoraProjections.All, Dropout = 0.1f } : null, Packing = packing, Evaluation = Options.Evaluation with { ReturnBest = true } };
        using GptSupervisedFineTuningTransformer whole = Fit(options with { Run = options.Run with { Folder = Path.Combine(_folder, "whole") } });
        foreach (int stop in (int[])[3, 8])
        {
            string run = Path.Combine(_folder, $"stopped-{stop}");
            using var cancel = new CancellationTokenSource();
            using (GptSupervisedFineTuningTransformer part = Fit(options with { Run = options.Run with { Folder = run, CancellationToken = cancel.Token, Progress = p => { if (p.Step == stop) cancel.Cancel(); } } }))
            {
                Assert.IsTrue(part.Training.Cancelled);
                Assert.AreEqual(stop, part.Training.Steps);
            }

            using GptSupervisedFineTuningTransformer rest = Fit(options with { Run = options.Run with { Folder = run, Resume = true } });
            CollectionAssert.AreEqual(whole.Training.History.Select(static p => (p.Step, p.Loss, p.ValidationLoss)).ToArray(), rest.Training.History.Select(static p => (p.Step, p.Loss, p.ValidationLoss)).ToArray());
            CollectionAssert.AreEqual(Weights(whole.Model), Weights(rest.Model));
        }
    }

    [TestMethod]
    public void A_run_is_resumed_with_its_own_options_and_data_only()
    {
        string run = Path.Combine(_folder, "run");
        Fit(Options with { Run = Options.Run with { Folder = run } }).Dispose();
        Assert.ThrowsExactly<RunExistsException>(() => Fit(Options with { Run = Options.Run with { Folder = run } }));
        var rank = Assert.ThrowsExactly<ResumeMismatchException>(() => Fit(Options with { Lora = new(), Run = Options.Run with { Folder = run, Resume = true } }));
        CollectionAssert.Contains(rank.Differences.ToArray(), "Lora");
        var data = Assert.ThrowsExactly<ResumeMismatchException>(() => Trainer(Options with { Run = Options.Run with { Folder = run, Resume = true } }).Fit(Pairs(20)));
        CollectionAssert.Contains(data.Differences.ToArray(), "Training examples");
    }

    [TestMethod]
    public void Early_stopping_ends_the_run_and_returns_the_best_weights()
    {
        // A rate at which the loss soon rises.
        using GptSupervisedFineTuningTransformer fitted = Fit(Options with { Optimizer = new() { LearningRate = 0.3, MinLearningRate = 0.3, WarmupSteps = 0 }, Epochs = 20, Evaluation = Options.Evaluation with { Interval = 1, EarlyStoppingPatience = 3 } });
        Assert.IsTrue(fitted.Training.StoppedEarly);
        Assert.AreEqual(fitted.Training.BestStep + 3, fitted.Training.Steps);
        Assert.IsLessThan(fitted.Training.ValidationLoss!.Value, fitted.Training.BestValidationLoss!.Value);
        if (fitted.Training.BestStep == 0) CollectionAssert.AreEqual(Weights(Base), Weights(fitted.Model));
    }

    [TestMethod]
    public void An_adapter_is_trained_beside_a_base_that_stays_as_it_was_and_is_shared()
    {
        var network = ((TorchCausalModel)Base.Engine).Network;
        byte[] before = SHA256.HashData(network.Parameters.Master.bytes);
        string run = Path.Combine(_folder, "run");
        using GptSupervisedFineTuningTransformer fitted = Fit(Options with { Lora = new() { Rank = 4, Projections = LoraProjections.All }, Run = Options.Run with { Folder = run } });
        CollectionAssert.AreEqual(before, SHA256.HashData(network.Parameters.Master.bytes));
        Assert.AreSame(network.Parameters, ((TorchCausalModel)fitted.Model.Engine).Network.Parameters);
        // 2 layers of 4·(32 + 96) + 4·(32 + 32) + 4·(32 + 128) + 4·(128 + 32).
        Assert.AreEqual(2 * 4 * (128 + 64 + 160 + 160), fitted.Training.TrainedParameters);
        Assert.IsLessThan(fitted.Training.History[0].Loss, fitted.Training.TrainingLoss);
        using GptModel again = Base.WithAdapter(fitted.Training.LastCheckpoint!);
        CollectionAssert.AreEqual(Weights(fitted.Model), Weights(again));
        foreach (string file in (string[])["metrics.jsonl", "loss.svg", "checkpoints/step-00000012/adapter_config.json", "checkpoints/best/adapter_model.safetensors"])
            Assert.IsTrue(File.Exists(Path.Combine(run, file)), file);
    }

    [TestMethod]
    public void An_adapter_trained_over_a_model_with_an_adapter_gives_the_trained_models_numbers_over_that_model()
    {
        SupervisedFineTuningOptions options = Options with { Lora = new() { Rank = 4, Projections = LoraProjections.All }, Optimizer = new() { LearningRate = 1e-2, WarmupSteps = 0 } };
        string one = Path.Combine(_folder, "one"), two = Path.Combine(_folder, "two"), merged = Path.Combine(_folder, "merged");
        using (GptSupervisedFineTuningTransformer first = Fit(options)) first.Model.SaveAdapter(one);
        using GptModel adapted = Base.WithAdapter(one);
        float[] weights = Weights(adapted);
        using GptSupervisedFineTuningTransformer second = Fit(options with { Pretrained = adapted, Run = options.Run with { Seed = 8 } });
        second.Model.SaveAdapter(two);
        adapted.SaveCheckpoint(merged);
        using GptModel again = adapted.WithAdapter(two), checkpoint = GptModel.FromCheckpoint(merged, GptDevice.Cpu), over = checkpoint.WithAdapter(two);
        foreach (GptModel model in (GptModel[])[again, over])
        {
            CollectionAssert.AreEqual(Weights(second.Model), Weights(model));
            Assert.AreEqual(second.Model.Score("ab=").LogLikelihood, model.Score("ab=").LogLikelihood);
        }

        Assert.AreNotEqual(adapted.Score("ab=").LogLikelihood, again.Score("ab=").LogLikelihood);
        CollectionAssert.AreEqual(weights, Weights(adapted), "the model that it is attached to stays as it was");
        long before = TorchSharp.torch.Tensor.TotalCount;
        adapted.WithAdapter(two).Dispose();
        Assert.AreEqual(before, TorchSharp.torch.Tensor.TotalCount);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void A_run_leaves_no_tensor_behind(bool lora)
    {
        SupervisedFineTuningOptions options = Options with { Lora = lora ? new() : null, Packing = lora, Evaluation = Options.Evaluation with { ReturnBest = true } };
        Fit(options).Dispose();
        long before = TorchSharp.torch.Tensor.TotalCount;
        Fit(options).Dispose();
        Assert.AreEqual(before, TorchSharp.torch.Tensor.TotalCount);
    }

    [TestMethod]
    public void A_frozen_base_may_be_bfloat16()
    {
        using GptSupervisedFineTuningTransformer fitted = Fit(Options with { Lora = new() { Rank = 4, Projections = LoraProjections.All }, Run = Options.Run with { Precision = GptPrecision.BFloat16 } });
        Assert.IsLessThan(fitted.Training.History[0].Loss, fitted.Training.TrainingLoss);
    }

    [TestMethod]
    public void A_checkpoint_folder_and_a_model_train_alike_and_keep_the_dropout_of_their_own()
    {
        string folder = Path.Combine(_folder, "base");
        Base.SaveCheckpoint(folder);
        using GptSupervisedFineTuningTransformer fromModel = Fit(Options), fromFolder = Fit(Options with { Pretrained = folder });
        CollectionAssert.AreEqual(Weights(fromModel.Model), Weights(fromFolder.Model));
        Assert.AreEqual(0f, fromModel.Model.Config.ResidualDropout);
    }

    [TestMethod]
    public void Conversations_train_on_the_assistants_turns_and_generation_ends_with_a_turn()
    {
        var template = new ChatTemplate { Start = "", SystemMarker = null, UserMarker = "U:", AssistantMarker = "A:" };
        IDataView conversations = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 24).Select(static i => new Conversation
        {
            Text = ConversationJson.Write([ConversationTurn.User($"{(char)('a' + (i % 3))}"), ConversationTurn.Assistant($"{(char)('d' + (i % 3))}")]),
        }));
        using GptSupervisedFineTuningTransformer fitted = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Text", Options with { ChatTemplate = template, Epochs = 60, Optimizer = new() { LearningRate = 1e-2, WarmupSteps = 0 }, Run = Options.Run with { Dropout = DropoutOptions.None }, Generation = new() { MaxNewTokens = 6, Temperature = 0 } }).Fit(conversations);
        Assert.AreEqual(template, fitted.Model.ChatTemplate);
        foreach ((string user, string assistant) in ((string, string)[])[("a", "d"), ("b", "e"), ("c", "f")])
        {
            Assert.AreEqual(assistant, fitted.Model.Generate($"U:{user}{GptTokenizer.EndOfText}A:", new() { MaxNewTokens = 6, Temperature = 0 }));
            Assert.AreEqual(assistant, fitted.Model.Chat([ConversationTurn.User(user)], new() { MaxNewTokens = 6, Temperature = 0 }).Text);
            IDataView asked = Ml.Data.LoadFromEnumerable([new Conversation { Text = ConversationJson.Write([ConversationTurn.User(user)]) }]);
            Assert.AreEqual(assistant, fitted.Transform(asked).GetColumn<string>("Answer").Single());
        }
    }

    [TestMethod]
    public void Options_that_do_not_fit_together_are_refused()
    {
        Refused(Options with { Pretrained = null }, "Pretrained");
        Refused(Options with { Epochs = 0 }, "Epochs");
        Refused(Options with { BatchSize = 0 }, "BatchSize");
        Refused(Options with { Run = Options.Run with { Dropout = new() { Residual = 1 } } }, "Dropout.Residual");
        Refused(Options with { Evaluation = Options.Evaluation with { ValidationFraction = 1 } }, "ValidationFraction");
        Refused(Options with { Evaluation = Options.Evaluation with { Interval = 0, EarlyStoppingPatience = 1 } }, "Interval");
        Refused(Options with { Overflow = (ExampleOverflow)9 }, "Overflow");
        Refused(Options with { SpecialTokens = SpecialTokenHandling.AsText }, "SpecialTokens");
        Refused(Options with { Run = Options.Run with { Resume = true } }, "Folder");
        Refused(Options with { ChatTemplate = ChatTemplate.Default }, "options");
        Refused(Options with { Generation = new() { PromptForm = PromptForm.Conversation } }, "options");
        Refused(Options with { Generation = new() { StopAtEndOfText = false } }, "options");

        static void Refused(SupervisedFineTuningOptions options, string name) =>
            Assert.AreEqual(name, Assert.Throws<ArgumentException>(() => Trainer(options)).ParamName);
    }

    [TestMethod]
    public void A_missing_column_is_named()
    {
        Assert.AreEqual("Completion", Assert.ThrowsExactly<ColumnMismatchException>(
            () => Trainer(Options).Fit(Ml.Data.LoadFromEnumerable([new Conversation { Text = "a" }]))).ColumnName.Replace("Prompt", "Completion", StringComparison.Ordinal));
    }

    private static SupervisedFineTuningTrainer Trainer(SupervisedFineTuningOptions options) => Ml.Gpt().Trainers.SupervisedFineTuning("Written", "Prompt", "Completion", options with { Run = options.Run with { Seed = 5 } });

    private static GptSupervisedFineTuningTransformer Fit(SupervisedFineTuningOptions options) => Trainer(options).Fit(Pairs(30));

    /// <summary>Three letters, and the letters after them.</summary>
    private static IDataView Pairs(int count)
    {
        var random = new Random(3);
        return Ml.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, 3).Select(_ => random.Next(7)).ToArray()).Select(static letters => new Pair
        {
            Prompt = string.Concat(letters.Select(static l => (char)('a' + l))) + "=",
            Completion = string.Concat(letters.Select(static l => (char)('b' + l))),
        }).ToList());
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

        public string Completion { get; set; } = "";
    }

    private sealed class Conversation
    {
        public string Text { get; set; } = "";
    }
}
