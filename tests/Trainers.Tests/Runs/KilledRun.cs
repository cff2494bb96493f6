namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>A process that trains in a folder, from wherever the run in it stands, until it is done or killed; <see cref="KilledRunTests"/> starts it.</summary>
internal static class KilledRun
{
    public const string Command = "train-until-killed";

    public static int Train(string kind, string folder)
    {
        EveryTrainer.Fit(kind, EveryTrainer.Run with
        {
            Folder = folder,
            Resume = true,
            KeepCheckpoints = 2,
            AverageDecay = 0.9,
            TensorBoard = true,
            Progress = static report => Console.WriteLine(report.Step),
        });
        return 0;
    }
}
