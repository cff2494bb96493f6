namespace MLNet.Gpt;

/// <summary><c>training_state/head.safetensors</c> of a checkpoint, or a file like it: parameters that the network's own format has no place for.</summary>
internal static class HeadFile
{
    private const string FileName = "head.safetensors";
    private const string Remedy = "Begin a new run in another folder.";

    /// <summary>Writes the parameters of some sets, whose names differ, into an unfinished checkpoint.</summary>
    public static void Write(string folder, IReadOnlyList<FlatParameters> head, string fileName = FileName)
    {
        string state = Directory.CreateDirectory(Path.Combine(folder, GptCheckpoint.TrainingStateFolder)).FullName;
        Dictionary<string, FlatParameters> sets = head.SelectMany(static set => set.Layout.Select(info => (info.Name, Set: set))).ToDictionary(static pair => pair.Name, static pair => pair.Set);
        SafeTensorsWriter.Write(Path.Combine(state, fileName), head.SelectMany(static set => set.Layout).Select(static info => new SafeTensorInfo(info.Name, SafeTensorType.Float32, info.Shape)), (tensor, stream) =>
        {
            var values = new float[tensor.ElementCount];
            sets[tensor.Name].Read(tensor.Name, values);
            NumberBytes.Write<float>(stream, values);
        });
    }

    /// <summary>Writes a checkpoint that has no more than a head and a run's state: that of a run over frozen weights. It appears, or replaces the one of that name, when it is complete.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="addFiles">Writes both into <c>training_state</c> of the unfinished folder.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void WriteAlone(string folder, Action<string> addFiles)
    {
        using var target = new AtomicFolder(folder, static name => name == GptCheckpoint.TrainingStateFolder, "the checkpoint of a head");
        target.Fill(addFiles);
        target.Publish();
    }

    /// <summary>Checks that a checkpoint's head is there and is what its format says.</summary>
    /// <exception cref="CorruptFileException">It is missing or breaks the rules of its format.</exception>
    public static void RequireWhole(string folder) => Open(folder, FileName).Dispose();

    /// <summary>Reads them into some sets.</summary>
    /// <exception cref="CorruptFileException">The checkpoint has no head.</exception>
    /// <exception cref="TensorMismatchException">It is another's.</exception>
    public static void Read(string folder, IReadOnlyList<FlatParameters> head, string fileName = FileName)
    {
        using SafeTensorsFile file = Open(folder, fileName);
        foreach ((FlatParameters set, GptParameterInfo info) in head.SelectMany(static set => set.Layout.Select(info => (set, info))))
        {
            SafeTensorInfo? found = file.Find(info.Name);
            if (found is not { Type: SafeTensorType.Float32 } || !found.Shape.SequenceEqual(info.Shape))
                throw new TensorMismatchException(file.Path, info.Name, $"{info.ShapeText} F32", found?.ToString() ?? "nothing", Remedy);
            var values = new float[info.ElementCount];
            file.Read(info.Name, values);
            set.Write(info.Name, values);
        }
    }

    private static SafeTensorsFile Open(string folder, string fileName)
    {
        string path = Path.Combine(folder, GptCheckpoint.TrainingStateFolder, fileName);
        return File.Exists(path) ? SafeTensorsFile.Open(path) : throw new CorruptFileException(path, "it is missing: the checkpoint is not that of a model with a head.", Remedy);
    }
}
