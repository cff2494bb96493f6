using System.Diagnostics;
using Alignment;
using Microsoft.ML;
using QuickStart;

namespace MLNet.Gpt.Benchmarks;

/// <summary>examples/Alignment over several seeds: whether the reward model, the policy and the pretraining mix do what they are for.</summary>
internal static class RlhfBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int first = arguments.Int("--first", 1), seeds = arguments.Int("--seeds", quick ? 1 : 3);
        AlignmentRun.Scale scale = quick ? new(12, 60, 256) : new(arguments.Int("--steps", 500), arguments.Int("--members", 1_500), arguments.Int("--episodes", 1_280));
        string start = arguments.Text("--base", ""), kept = arguments.Text("--out", "");
        arguments.RefuseOthers();
        var clock = Stopwatch.StartNew();
        string folder = kept.Length > 0 ? Directory.CreateDirectory(kept).FullName : Directory.CreateTempSubdirectory("mlnet-gpt-rlhf-").FullName;
        SignatureTask task = SignatureTask.Read(SdkDocumentation.FindFolder(), scale.Members);
        var run = new AlignmentRun(new MLContext(seed: 1), task, scale, folder, Console.Error.WriteLine);
        using GptModel pretrained = start.Length > 0 ? GptModel.FromCheckpoint(start) : run.Pretrain().Model;
        var outcomes = new List<AlignmentRun.Outcome>();
        for (int seed = first; seed < first + seeds; seed++)
        {
            AlignmentRun.Outcome outcome = run.Go(pretrained, seed);
            outcomes.Add(outcome);
            if (kept.Length > 0) File.WriteAllText(Path.Combine(folder, $"report-{seed}.html"), Report.Of(task, outcome));
            Console.WriteLine(FormattableString.Invariant($"seed {seed}: pair accuracy {outcome.RewardModel.Accuracy:P1} (length alone {outcome.LengthAccuracy:P1}), judge {outcome.JudgeModel.Accuracy:P1}; by the judge {outcome.Wins}; KL {outcome.Kl:F2} nats; loss {outcome.LossStart:F3}, with the mix {outcome.LossPtx - outcome.LossStart:+0.000;-0.000}, without {outcome.LossPpo - outcome.LossStart:+0.000;-0.000}"));
        }

        if (kept.Length == 0) Directory.Delete(folder, recursive: true);

        // All seeds' comparisons together for the interval; the least favourable seed for the rest.
        WinRate wins = WinRate.Of(outcomes.Sum(static o => o.Wins.Wins), outcomes.Sum(static o => o.Wins.Ties), outcomes.Sum(static o => o.Wins.Losses));
        double accuracy = outcomes.Min(static o => o.RewardModel.Accuracy), length = outcomes.Max(static o => o.LengthAccuracy), kl = outcomes.Max(static o => o.Kl);
        double ptx = outcomes.Max(static o => o.LossPtx - o.LossStart), ppo = outcomes.Min(static o => o.LossPpo - o.LossStart);
        string[] failures =
        [
            .. Unless(accuracy >= 0.85, "pair accuracy at least 0.85"),
            .. Unless(outcomes.All(static o => o.Wins.Rate >= 0.6), "preferred to the fine-tuned model in at least 0.6 of the comparisons, each seed"),
            .. Unless(kl < AlignmentRun.KlLimit, "KL below its limit"),
            .. Unless(ptx <= 0.05, "the mix keeps the language model's loss within 0.05"),
            .. Unless(ppo > 0.05, "PPO alone does not"),
        ];
        foreach (string failure in failures) Console.WriteLine($"does not hold: {failure}");
        Console.WriteLine(FormattableString.Invariant($"{clock.Elapsed.TotalMinutes:F1} minutes"));
        Console.WriteLine(FormattableString.Invariant($"rlhf win_rate={wins.Rate:F3} win_low={wins.Lower:F3} win_high={wins.Upper:F3} pair_accuracy={accuracy:F3} length_accuracy={length:F3} kl={kl:F2} lm_delta_ptx={ptx:F3} lm_delta_ppo={ppo:F3} won={wins.Wins} tied={wins.Ties} lost={wins.Losses} seeds={seeds}"));
        return failures.Length == 0 || quick ? 0 : 1;

        static string[] Unless(bool held, string what) => held ? [] : [what];
    }
}
