using System.Globalization;

namespace MLNet.Gpt;

/// <summary>
/// The checkpoints of a run folder: <c>checkpoints/step-00000250</c> and so on, which a run can be resumed from, and <c>checkpoints/best</c>.
/// </summary>
public static class RunCheckpoints
{
    private const string Prefix = "step-";

    /// <summary>The newest checkpoint that is whole: the one that a resumed run continues from.</summary>
    /// <param name="runFolder">A <see cref="RunOptions.Folder"/>.</param>
    /// <returns>Its folder, or null where the run has written none.</returns>
    /// <exception cref="GptException">There are checkpoints and none of them is whole; the exception is that of the newest.</exception>
    public static string? FindLast(string runFolder) => FindLast(runFolder, static _ => { });

    /// <summary>The checkpoint of the lowest validation loss.</summary>
    /// <param name="runFolder">A <see cref="RunOptions.Folder"/>.</param>
    /// <returns>Its folder, or null where the run has written none.</returns>
    public static string? FindBest(string runFolder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(runFolder);
        string path = BestOf(runFolder);
        AtomicFolder.Recover(path);
        return Directory.Exists(path) ? path : null;
    }

    internal static string FolderOf(string runFolder) => Path.Combine(Path.GetFullPath(runFolder), "checkpoints");

    internal static string BestOf(string runFolder) => Path.Combine(FolderOf(runFolder), "best");

    internal static string PathOf(string runFolder, int step) => Path.Combine(FolderOf(runFolder), string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D8}"));

    internal static string? FindLast(string runFolder, Action<string> log)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(runFolder);
        GptException? first = null;
        foreach ((_, string path) in All(runFolder))
        {
            try
            {
                RequireWhole(path);
                return path;
            }
            catch (GptException e)
            {
                log($"Checkpoint '{path}' can't be used: {e.Message} Looking for the one before.");
                first ??= e;
            }
            catch (IOException e)
            {
                log($"Checkpoint '{path}' can't be read: {e.Message} Looking for the one before.");
                first ??= new CorruptFileException(path, $"it can't be read ({e.Message}).", "Begin a new run in another folder.", e);
            }
        }

        return first is null ? null : throw first;
    }

    /// <summary>Removes, once <paramref name="step"/>'s checkpoint is safe, all others but the newest <paramref name="keep"/> - 1 before it.</summary>
    /// <param name="runFolder">The run.</param>
    /// <param name="previous">The checkpoint that the run wrote before, or began from; null where there is none.</param>
    /// <param name="step">The step of the new one.</param>
    /// <param name="keep">How many stay.</param>
    internal static void Prune(string runFolder, string? previous, int step, int keep)
    {
        // One that is newer than the previous one is damaged, or the run would have begun from it.
        IReadOnlyList<(int Step, string Path)> others = [.. All(runFolder).Where(c => c.Step != step)];
        int known = previous is null ? -1 : StepOf(previous) ?? 0;
        foreach ((_, string path) in others.Where(c => c.Step > known).Concat(others.Where(c => c.Step <= known).Skip(keep - 1))) Remove(path);

        // What a process left that was killed while it wrote or removed a checkpoint of another step.
        foreach (string remains in Directory.EnumerateDirectories(FolderOf(runFolder), $".{Prefix}*"))
            Directory.Delete(remains, recursive: true);
        foreach (string held in Directory.EnumerateFiles(FolderOf(runFolder), $".{Prefix}*.lock")) File.Delete(held);
    }

    private static void Remove(string path)
    {
        // Its name goes first, so that no part of it is taken for a checkpoint.
        string removed = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.removed");
        if (Directory.Exists(removed)) Directory.Delete(removed, recursive: true);
        Directory.Move(path, removed);
        Directory.Delete(removed, recursive: true);
    }

    /// <summary>Checks that the checkpoint's files are there and are what their formats say.</summary>
    private static void RequireWhole(string path)
    {
        AtomicFolder.Recover(path);
        TrainingCheckpoint state = TrainingCheckpoint.Open(path);
        if (state.OptionOf(FrozenWeightsRules.Option) is not null) HeadFile.RequireWhole(path);
        else if (LoraCheckpoint.Exists(path)) SafeTensorsFile.Open(Path.Combine(path, LoraCheckpoint.WeightsFile)).Dispose();
        else GptCheckpoint.Open(path).Dispose();
        state.RequireWhole();
    }

    /// <summary>The updates that a checkpoint's name tells; null where it is no such name.</summary>
    private static int? StepOf(string path) =>
        Path.GetFileName(path) is var name && name.StartsWith(Prefix, StringComparison.Ordinal) && int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int step) ? step : null;

    /// <summary>The newest first.</summary>
    private static IReadOnlyList<(int Step, string Path)> All(string runFolder)
    {
        string folder = FolderOf(runFolder);
        if (!Directory.Exists(folder)) return [];
        foreach (string hidden in Directory.EnumerateDirectories(folder, $".{Prefix}*.complete").Concat(Directory.EnumerateDirectories(folder, $".{Prefix}*.previous")))
            AtomicFolder.Recover(Path.Combine(folder, Path.GetFileNameWithoutExtension(hidden)[1..]));
        IEnumerable<(int, string)> numbered = Directory.EnumerateDirectories(folder, Prefix + "*").Select(static path => (StepOf(path) ?? -1, path)).Where(static c => c.Item1 >= 0).OrderByDescending(static c => c.Item1);

        // Fine-tuning once kept the last state under this name.
        string unnumbered = Path.Combine(folder, "last");
        AtomicFolder.Recover(unnumbered);
        return Directory.Exists(unnumbered) ? [.. numbered, (0, unnumbered)] : [.. numbered];
    }
}
