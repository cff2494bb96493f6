using MLNet.Gpt.Trainers.Tests.Losses;
using MLNet.Gpt.Trainers.Tests.Memory;
using MLNet.Gpt.Trainers.Tests.Preferences;
using MLNet.Gpt.Trainers.Tests.Runs;
using MLNet.Gpt.Trainers.Tests.Runtime;

namespace MLNet.Gpt.Trainers.Tests;

/// <summary>What a test does in a process of its own: the test assembly as a program.</summary>
internal static class ChildProcess
{
    /// <summary>The entry point; the test host doesn't use it.</summary>
    public static int Main(string[] arguments) => arguments switch
    {
        [ActivationMeasurement.Command, .. string[] rest] => ActivationMeasurement.Run(rest),
        [LogitsMeasurement.Command, string chunked] => LogitsMeasurement.Run(bool.Parse(chunked)),
        [KilledRun.Command, string kind, string folder] => KilledRun.Train(kind, folder),
        [FreshScores.Command, string model, string rows] => FreshScores.Run(model, rows),
        [TorchDisposalRaces.Command, string race] => TorchDisposalRaces.Run(race),
        [CollectorStress.Command, string computation] => CollectorStress.Run(computation),
        _ => 2,
    };
}
