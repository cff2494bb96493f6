using System.Reflection;
using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>A run goes on with the options that it began with: of each option of each trainer it is told here whether another value is refused, or changes nothing of what is learnt.</summary>
[TestClass]
public sealed class ResumeOptionsTests
{
    private static readonly MLContext Ml = new();
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);
    private static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 8, LayerCount = 2, HeadCount = 2 };
    private static readonly LoraOptions Adapter = new() { Rank = 2, Dropout = 0.1f };

    private static readonly RunOptions Run = new() { CheckpointInterval = 1, LogInterval = 1, Seed = 7, Device = GptDevice.Cpu, Precision = GptPrecision.Float32, PeakFlops = 0 };

    private readonly string _folder = Directory.CreateTempSubdirectory("mlnet-gpt-resume-").FullName;

    // Who is told of a run, what it keeps and measures, what its weights began with; and what is made of the trained model.
    private static readonly string[] Free =
    [
        "Run.Folder", "Run.Resume", "Run.CheckpointInterval", "Run.KeepCheckpoints", "Run.TensorBoard", "Run.LogInterval", "Run.Progress", "Run.PeakFlops", "Run.MeasureStepTimes", "Run.LossSpikeDeviations",
        "Run.MaxSkippedUpdates", "Run.CancellationToken", "Evaluation", "Generation", "Scoring", "References", "ResidualInitializerScale",
    ];

    // What the rows become is compared, token by token: these make the same of rows as short and plain as the ones here. A template belongs to conversations.
    private static readonly string[] OfRows = ["Overflow", "SpecialTokens", "Truncation", "GradeOrder", "Rollout.PromptOverflow", "ChatTemplate", "Head.Conversations"];

    // Another device would have to be there, and TF32 wants a GPU; a model from scratch stands in the place of a pretrained one; a column's name is no text; the dropout is that of Run.
    private static readonly string[] NotHere = ["Run.Device", "Run.AllowTf32", "PretrainingMix.TextColumnName", "PretrainingMix.TokenFile", "Model.EmbeddingDropout", "Model.AttentionDropout", "Model.ResidualDropout"];

    private static readonly Dictionary<string, object> Others = new()
    {
        ["Pretrained"] = (PretrainedModel)Model(4),
        ["Reference"] = (PretrainedModel)Model(4),
        ["MicroBatchSize"] = (MicroBatchSize)1,
        ["Lora.Projections"] = LoraProjections.AttentionOut,
        ["Lora.Layers"] = (int[])[0],
        ["Run.Dropout"] = DropoutOptions.Everywhere(0.2f),
        ["Run.Precision"] = GptPrecision.BFloat16,
        ["Optimizer.MinLearningRate"] = 0.0,
        ["Optimizer.DecaySteps"] = 1_000,
        ["Tokenizer"] = GptTokenizer.FromCharacters(["abcdefghkl "]),
        ["Model.EmbeddingSize"] = 16,
        ["Model.HeadCount"] = 1,
        ["Model.FeedForwardSize"] = 16,
        ["Stages"] = (TrainingStage[])[new(2, 8, 4)],
        ["ClassWeights"] = (double[])[1, 2],
        ["Episodes"] = 64L,
        ["ClipRangeHigh"] = 0.3,
        ["DualClip"] = 3.0,
        ["Kl.Coefficient"] = 0.5,
        ["Kl.InReward"] = true,
        ["Kl.Target"] = 0.5,
        ["Kl.Limit"] = 50.0,
        ["Reward.Sources"] = (PolicyReward[])[PolicyReward.Of(static (_, response) => response.Length, weight: 2)],
        ["Reward.ClipRange"] = 1.0,
        ["Rollout.SamplesPerPrompt"] = 4,
        ["PretrainingMix.Texts"] = Rows("j"),
    };

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Pretraining() => Check<LanguageModelOptions>(
        new() { Model = Shape, Tokenizer = Letters, MaxSteps = 6, BatchSize = 4, MicroBatchSize = 2, Optimizer = new() { WarmupSteps = 1 }, Evaluation = new() { ValidationFraction = 0 }, Run = Run with { Dropout = DropoutOptions.Everywhere(0.1f) } },
        static options => Ml.Gpt().Trainers.LanguageModel("Text", options), new() { ["BatchSize"] = 8 }, ["SplitByPosition"]);   // nothing is held out

    [TestMethod]
    public void Supervised_fine_tuning() => Check<SupervisedFineTuningOptions>(
        new() { Pretrained = Model(3), Lora = Adapter, Epochs = 2, BatchSize = 4, MicroBatchSize = 2, Run = Run },
        static options => Ml.Gpt().Trainers.SupervisedFineTuning("Written", "Text", "Completion", options), [], []);

    [TestMethod]
    public void Classification() => Check<SupervisedTaskOptions>(
        new() { Pretrained = Model(3), Epochs = 2, BatchSize = 4, MicroBatchSize = 2, Run = Run },
        static options => Ml.Gpt().Trainers.TextClassification("Key", "Text", options), [], ["Model", "Tokenizer"]);

    [TestMethod]
    public void Reward_model() => Check<RewardModelOptions>(
        new() { Pretrained = Model(3), Epochs = 2, BatchSize = 4, MicroBatchSize = 2, Run = Run },
        static options => Ml.Gpt().Trainers.RewardModelFromPairs("Text", "Completion", "Other", options), [], []);

    [TestMethod]
    public void Direct_preference() => Check<DirectPreferenceOptions>(
        new() { Pretrained = Model(3), Lora = Adapter, Epochs = 2, BatchSize = 4, MicroBatchSize = 2, Run = Run },
        static options => Ml.Gpt().Trainers.DirectPreference("Written", "Text", "Completion", "Other", options), [], []);

    [TestMethod]
    public void Proximal_policy_optimization() => Check(
        Policy with { PretrainingMix = new() { Texts = Rows("i"), Coefficient = 0.5, BatchSize = 2 } },
        static options => Ml.Gpt().Trainers.PolicyOptimization("Text", options), [], ["Grpo", "Kl.InReward"]);   // of this algorithm the penalty is part of the reward

    [TestMethod]
    public void Group_relative_policy_optimization() => Check(
        Policy with { Algorithm = PolicyAlgorithm.Grpo, Rollout = Policy.Rollout with { SamplesPerPrompt = 2 }, Lora = Adapter },
        static options => Ml.Gpt().Trainers.PolicyOptimization("Text", options), [], ["Ppo", "PretrainingMix", "Reference"]);   // an adapter's reference is the model without it

    private static PolicyOptimizationOptions Policy => new()
    {
        Pretrained = Model(3), Episodes = 32, BatchSize = 4, MicroBatchSize = 2, Rollout = new() { Minibatches = 2, InnerEpochs = 2, MaxNewTokens = 2 },
        Reward = new() { Sources = [PolicyReward.Of(static (_, response) => response.Length)] }, Run = Run,
    };

    private static GptModel Model(long seed) => new(new TorchCausalModel(new GptNetwork(Shape, GptDevice.Cpu, seed)), Letters);

    private static IDataView Rows(string letter) => Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 8).Select(i => new TrainingRow
    {
        Text = $"{"abcdefgh"[i]}{letter} bc ab {"hgfedcba"[i]}{letter}", Completion = "ab", Other = "ba", Label = i % 2 == 0 ? "even" : "odd",
    }).ToArray());

    private void Check<T>(T options, Func<T, IEstimator<ITransformer>> trainer, Dictionary<string, object> others, string[] notHere)
        where T : class
    {
        IDataView rows = Rows("a");
        IDataView keyed = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
        T begun = With(options, "Run.Folder", Path.Combine(_folder, "run")), resumed = With(begun, "Run.Resume", true);
        FitOneStep(begun);
        List<string> accepted = [], elsewhere = [.. Free, .. OfRows, .. NotHere, .. notHere];
        foreach ((string name, Type type, object? value) in Leaves(options, ""))
        {
            if (elsewhere.Exists(one => name == one || name.StartsWith(one + ".", StringComparison.Ordinal))) continue;
            object other = others.GetValueOrDefault(name) ?? Others.GetValueOrDefault(name) ?? Other(name, type, value);
            try
            {
                FitOneStep(With(resumed, name, other));
                accepted.Add(name);
            }
            catch (ResumeMismatchException mismatch)
            {
                Assert.IsNotEmpty(mismatch.Differences, name);
            }
        }

        Assert.AreEqual("", string.Join(", ", accepted), "options that a resumed run takes although it began with others");

        void FitOneStep(T some)
        {
            using var cancel = new CancellationTokenSource();
            ((IDisposable)trainer(With(With(some, "Run.CancellationToken", cancel.Token), "Run.Progress", (Action<TrainingProgress>)(_ => cancel.Cancel()))).Fit(keyed)).Dispose();
        }
    }

    // The options and those of the records among them; one that is not set has its own defaults.
    private static IEnumerable<(string Name, Type Type, object? Value)> Leaves(object options, string prefix)
    {
        foreach (PropertyInfo property in options.GetType().GetProperties().Where(static one => one.CanWrite))
        {
            string name = prefix + property.Name;
            Type type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            object? value = property.GetValue(options);
            if (type.GetMethod("<Clone>$") is null || Others.ContainsKey(name)) yield return (name, type, value);
            else foreach (var leaf in Leaves(value ?? Activator.CreateInstance(type)!, name + ".")) yield return leaf;
        }
    }

    private static object Other(string name, Type type, object? value) => value switch
    {
        bool flag => !flag,
        double number => number == 0 ? 0.05 : 0.9 * number,
        float number => number == 0 ? 0.05f : 0.9f * number,
        int number => number + 1,
        Enum => Enum.GetValues(type).Cast<object>().First(one => !one.Equals(value)),
        _ => throw new AssertFailedException($"Say in {nameof(Others)} what {name} may be instead of {value ?? "null"}."),
    };

    private static T With<T>(T options, string name, object? value)
        where T : class
    {
        object copy = options.GetType().GetMethod("<Clone>$")!.Invoke(options, null)!;
        string[] parts = name.Split('.', 2);
        PropertyInfo property = copy.GetType().GetProperty(parts[0])!;
        property.SetValue(copy, parts.Length == 1 ? value : With(property.GetValue(copy) ?? Activator.CreateInstance(Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType)!, parts[1], value));
        return (T)copy;
    }
}
