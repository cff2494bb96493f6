using System.Diagnostics;
using Microsoft.ML;
using MLNet.Gpt;

namespace Alignment;

/// <summary>InstructGPT's three steps over one pretrained model, and what they came to.</summary>
internal sealed class AlignmentRun
{
    /// <summary>How large.</summary>
    /// <param name="Steps">Updates of the pretraining.</param>
    /// <param name="Members">Members of each part of the data.</param>
    /// <param name="Episodes">Responses that a policy learns from.</param>
    public sealed record Scale(int Steps, int Members, int Episodes);

    /// <summary>What one seed came to.</summary>
    public sealed record Outcome(
        PreferenceMetrics RewardModel, double LengthAccuracy, PreferenceMetrics JudgeModel, WinRate Wins, WinRate OwnWins, double Kl, double Length, double StartLength, double LossStart, double LossPtx, double LossPpo,
        IReadOnlyList<TrainingProgress> Ptx, IReadOnlyList<TrainingProgress> Ppo, IReadOnlyList<Sample> Samples);

    /// <summary>What three writers say of one member, and what the judge thinks of it.</summary>
    public sealed record Sample(ApiMember Member, string Start, string Policy, float StartScore, float PolicyScore);

    /// <summary>The most tokens of a summary.</summary>
    private const int MaxNewTokens = 40;

    private readonly MLContext _ml;
    private readonly SignatureTask _task;
    private readonly Scale _scale;
    private readonly string _folder;
    private readonly Action<string> _write;
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <summary>Prepares the three steps.</summary>
    /// <param name="ml">The context of all trainers.</param>
    /// <param name="task">The data.</param>
    /// <param name="scale">How large.</param>
    /// <param name="folder">Where each step's run folder goes.</param>
    /// <param name="write">Gets a line for each report, with the minutes since the beginning.</param>
    public AlignmentRun(MLContext ml, SignatureTask task, Scale scale, string folder, Action<string> write) => (_ml, _task, _scale, _folder, _write) = (ml, task, scale, folder, write);

    /// <summary>The base: a small GPT that has read the documentation.</summary>
    public GptLanguageModelTransformer Pretrain()
    {
        var options = new LanguageModelOptions
        {
            Model = new GptConfig { VocabularySize = 4_096, ContextLength = 96, EmbeddingSize = 192, LayerCount = 4, HeadCount = 6 },
            MaxSteps = _scale.Steps,
            BatchSize = 16,
            Optimizer = new AdamWOptions { LearningRate = 2e-3, WarmupSteps = Math.Min(50, _scale.Steps / 4), Beta2 = 0.99 },
            Evaluation = new() { ValidationFraction = 0.02, Interval = Math.Max(1, _scale.Steps / 2), MaxRows = 64 },
            Run = Run("pretraining", 1, Math.Max(1, _scale.Steps / 10)),
        };
        return _ml.Gpt().Trainers.LanguageModel("Text", options).Fit(Texts(_task.Documents));
    }

    /// <summary>Step 1, supervised fine-tuning: signature → summary.</summary>
    public GptSupervisedFineTuningTransformer FineTune(GptModel start, int seed) => _ml.Gpt().Trainers.SupervisedFineTuning("Written", "Prompt", "Completion", new()
    {
        Pretrained = start,
        Epochs = 2,
        BatchSize = 32,
        Overflow = ExampleOverflow.Skip,
        Optimizer = new() { LearningRate = 5e-4, WarmupSteps = 10, WeightDecay = 0 },
        Evaluation = new() { ValidationFraction = 0.05 },
        Run = Run($"sft-{seed}", seed, 50) with { Dropout = DropoutOptions.None },
    }).Fit(_ml.Data.LoadFromEnumerable(_task.FineTuning.Select(static member => new { Prompt = member.Signature, Completion = member.Summary })));

    /// <summary>Step 2, a reward model of graded summaries. The judge is another one, of other members.</summary>
    public GptRewardModelTransformer TrainReward(GptModel start, IReadOnlyList<ApiMember> members, string name, int seed)
    {
        var random = new Random(seed);
        IDataView graded = _ml.Data.LoadFromEnumerable(members.SelectMany((member, i) => SignatureTask.Graded(member, random)
            .Select(pair => new { Group = (long)i, Prompt = member.Signature, Response = pair.Summary, Label = pair.Grade })));
        return _ml.Gpt().Trainers.RewardModel("Label", "Group", "Prompt", "Response", new RewardModelOptions
        {
            Pretrained = start,
            Epochs = 1,
            BatchSize = 8,
            Optimizer = new() { LearningRate = 5e-4, WarmupSteps = 10, WeightDecay = 0 },
            Evaluation = new() { ValidationFraction = 0.15 },
            Run = Run($"{name}-{seed}", seed, 20),
        }).Fit(graded);
    }

    /// <summary>Step 3, PPO towards the reward model, with a pretraining mix or without.</summary>
    public GptPolicyTransformer Optimise(GptModel start, GptRewardModel reward, bool mix, int seed) => _ml.Gpt().Trainers.PolicyOptimization("Prompt", new PolicyOptimizationOptions
    {
        Pretrained = start,
        Episodes = _scale.Episodes,
        BatchSize = 64,
        Rollout = new() { Minibatches = 2, InnerEpochs = 2, MaxNewTokens = MaxNewTokens, GenerationBatchSize = 128, PromptOverflow = PromptOverflow.KeepTail },
        Reward = new() { Sources = [reward], MissingEndPenalty = 1 },
        Kl = new() { Coefficient = 0.1, Target = 5, Horizon = 500, Limit = KlLimit },
        PretrainingMix = mix ? new() { Texts = Texts(_task.Documents), BatchSize = 8, Coefficient = 2 } : null,
        Optimizer = new() { LearningRate = 4e-4, MinLearningRate = 4e-4, WarmupSteps = 4, WeightDecay = 0 },
        Generation = new() { MaxNewTokens = MaxNewTokens, PromptOverflow = PromptOverflow.KeepTail },
        Run = Run($"{(mix ? "ppo-ptx" : "ppo")}-{seed}", seed, 10),
    }).Fit(_ml.Data.LoadFromEnumerable(_task.Prompts.Select(static member => new { Prompt = member.Signature })));

    /// <summary>The KL from the fine-tuned model at which a run ends, nats a response.</summary>
    public const double KlLimit = 10;

    /// <summary>All three steps, and the comparison with the fine-tuned model.</summary>
    /// <param name="start">The pretrained model.</param>
    /// <param name="seed">Of everything.</param>
    public Outcome Go(GptModel start, int seed)
    {
        Log($"seed {seed}: supervised fine-tuning");
        using GptSupervisedFineTuningTransformer sft = FineTune(start, seed);
        Log($"seed {seed}: reward model");
        using GptRewardModelTransformer reward = TrainReward(sft.Model, _task.Reward, "reward", seed);
        Log($"seed {seed}: {reward.Training.Validation}; by length alone {reward.Training.LengthAccuracy:P1}");
        using GptRewardModelTransformer judge = TrainReward(sft.Model, _task.Judge, "judge", seed + 100);
        Log($"seed {seed}: judge {judge.Training.Validation}");
        Log($"seed {seed}: PPO with the pretraining mix");
        using GptPolicyTransformer ptx = Optimise(sft.Model, reward.Model, mix: true, seed);
        Log($"seed {seed}: PPO without it");
        using GptPolicyTransformer ppo = Optimise(sft.Model, reward.Model, mix: false, seed);

        // Held-out signatures, one response each of the fine-tuned model and of the policy, drawn at temperature 1.
        string[] prompts = [.. _task.Test.Select(static member => member.Signature)];
        var generation = new GenerateTextOptions { MaxNewTokens = MaxNewTokens, BatchSize = 128, Seed = seed, PromptOverflow = PromptOverflow.KeepTail };
        string[] before = [.. sft.Model.Generate(prompts, generation).Select(static text => text.Text)], after = [.. ptx.Model.Generate(prompts, generation).Select(static text => text.Text)];
        float[] judgedBefore = Scores(judge.Model, prompts, before), judgedAfter = Scores(judge.Model, prompts, after);
        Sample[] samples = [.. Enumerable.Range(0, prompts.Length).Select(i => new Sample(_task.Test[i], before[i], after[i], judgedBefore[i], judgedAfter[i]))];
        return new(reward.Training.Validation!, reward.Training.LengthAccuracy!.Value, judge.Training.Validation!, WinRate.Of(judgedAfter, judgedBefore), WinRate.Of(Scores(reward.Model, prompts, after), Scores(reward.Model, prompts, before)),
            ptx.Training.Kl, after.Average(static text => text.Length), before.Average(static text => text.Length), Loss(sft.Model), Loss(ptx.Model), Loss(ppo.Model), ptx.Training.History, ppo.Training.History, samples);
    }

    private static float[] Scores(GptRewardModel model, string[] prompts, string[] responses) => [.. model.Score([.. prompts.Zip(responses)]).Select(static score => score.Reward)];

    /// <summary>The language model's loss on held-out documents, nats a token.</summary>
    private double Loss(GptModel model)
    {
        IReadOnlyList<SequenceScore> scores = model.Score(_task.HeldOutDocuments, new ScoreTextOptions { Overflow = PromptOverflow.KeepTail });
        return -scores.Sum(static score => score.LogLikelihood) / scores.Sum(static score => (double)score.TokenCount);
    }

    private RunOptions Run(string name, int seed, int interval) => new() { Folder = Path.Combine(_folder, name), Seed = seed, LogInterval = interval, CheckpointInterval = 0, Progress = progress => Log($"  {progress}") };

    private void Log(string line) => _write(FormattableString.Invariant($"{_clock.Elapsed.TotalMinutes,5:F1} min  {line}"));

    private IDataView Texts(IReadOnlyList<string> texts) => _ml.Data.LoadFromEnumerable(texts.Select(static text => new { Text = text }));
}
