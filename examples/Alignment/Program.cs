using System.Diagnostics;
using System.Globalization;
using Alignment;
using Microsoft.ML;
using MLNet.Gpt;
using QuickStart;

// Base → supervised fine-tuning → reward model → PPO → report, on real text: a member's summary from its signature.
bool quick = false;
string folder = Path.Combine("runs", "alignment");
string? start = null;
for (int i = 0; i < args.Length; i++)
{
    if (args[i] == "--quick")
    {
        quick = true;
    }
    else if (args[i] == "--out" && i + 1 < args.Length)
    {
        folder = args[++i];
    }
    else if (args[i] == "--base" && i + 1 < args.Length)
    {
        start = args[++i];
    }
    else
    {
        Console.Error.WriteLine("""
            Aligns a small GPT in InstructGPT's three steps on the .NET documentation, and writes a report.

              --quick      a few updates of each step: whether it runs, not what it learns
              --base PATH  a checkpoint to begin with, such as one of an earlier run's pretraining, in place of pretraining
              --out PATH   the run folder (default runs/alignment); an earlier run there is replaced
            """);
        return args[i] is "--help" or "-h" ? 0 : 2;
    }
}

if (RunFolder.Begin(folder, start) is { } refusal)
{
    Console.Error.WriteLine(refusal);
    return 2;
}

var clock = Stopwatch.StartNew();
AlignmentRun.Scale scale = quick ? new(12, 60, 256) : new(500, 1_500, 1_280);
SignatureTask task = SignatureTask.Read(SdkDocumentation.FindFolder(), scale.Members);
Console.WriteLine($"{task.Documents.Count:N0} documents to pretrain on; {task.FineTuning.Count:N0} members to fine-tune on, {task.Reward.Count:N0} graded for the reward model, {task.Judge.Count:N0} for the judge, {task.Prompts.Count:N0} prompts, {task.Test.Count:N0} held out");
foreach ((string summary, float grade) in SignatureTask.Graded(task.Reward[0], new Random(1))) Console.WriteLine($"  grade {grade}: {task.Reward[0].Signature}{summary}");

var run = new AlignmentRun(new MLContext(seed: 1), task, scale, folder, Console.WriteLine);
using GptModel pretrained = start is null ? run.Pretrain().Model : GptModel.FromCheckpoint(start);
AlignmentRun.Outcome outcome = run.Go(pretrained, seed: 1);
string page = Path.Combine(folder, "report.html");
File.WriteAllText(page, Report.Of(task, outcome));
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""

    reward model     pair accuracy {outcome.RewardModel.Accuracy:P1} on held-out prompts; by length alone {outcome.LengthAccuracy:P1}
    policy           preferred to the fine-tuned model by the judge in {outcome.Wins}
    KL               {outcome.Kl:F2} nats a response from the fine-tuned model; {outcome.Length:F0} characters, before {outcome.StartLength:F0}
    language model   held-out loss {outcome.LossStart:F3}; {outcome.LossPtx - outcome.LossStart:+0.000;-0.000} after PPO with the mix, {outcome.LossPpo - outcome.LossStart:+0.000;-0.000} without
    report           {page}

    Done in {clock.Elapsed.TotalMinutes:F1} minutes.
    """));
return 0;
