using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary><c>training_state/head.safetensors</c> of a checkpoint, or a file like it: parameters that the network's own format has no place for.</summary>
internal static class HeadFile
{
    private const string FileName = "head.safetensors";
    private const string Remedy = "Begin a new run in another folder.";

    /// <summary>Writes the parameters into an unfinished checkpoint.</summary>
    public static void Write(string folder, FlatParameters head, string fileName = FileName)
    {
        string state = Directory.CreateDirectory(Path.Combine(folder, GptCheckpoint.TrainingStateFolder)).FullName;
        SafeTensorsWriter.Write(Path.Combine(state, fileName), head.Layout.Select(static info => new SafeTensorInfo(info.Name, SafeTensorType.Float32, info.Shape)), (tensor, stream) =>
        {
            var values = new float[tensor.ElementCount];
            head.Read(tensor.Name, values);
            stream.Write(MemoryMarshal.AsBytes(values.AsSpan()));
        });
    }

    /// <summary>Reads them.</summary>
    /// <exception cref="CorruptFileException">The checkpoint has no head.</exception>
    /// <exception cref="TensorMismatchException">It is another's.</exception>
    public static void Read(string folder, FlatParameters head, string fileName = FileName)
    {
        string path = Path.Combine(folder, GptCheckpoint.TrainingStateFolder, fileName);
        if (!File.Exists(path)) throw new CorruptFileException(path, "it is missing: the checkpoint is not that of a model with a head.", Remedy);
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        foreach (GptParameterInfo info in head.Layout)
        {
            SafeTensorInfo? found = file.Find(info.Name);
            if (found is not { Type: SafeTensorType.Float32 } || !found.Shape.SequenceEqual(info.Shape))
                throw new TensorMismatchException(path, info.Name, $"{info.ShapeText} F32", found?.ToString() ?? "nothing", Remedy);
            var values = new float[info.ElementCount];
            file.Read(info.Name, values);
            head.Write(info.Name, values);
        }
    }
}
