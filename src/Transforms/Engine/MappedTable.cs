using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>
/// The token embedding of a package, (V, C) float32 beside the graph, mapped here in ONNX Runtime's place. Tokens are looked up in it, so that it stays; but the output head multiplies by a packed copy of it, the largest of all,
/// and once its pages have been copied they need not stay in memory: <see cref="WhileReadThrough"/> gives them back to the system, which reads again the few that a look-up wants.
/// </summary>
internal sealed unsafe partial class MappedTable : IDisposable
{
    private const int DropInterval = 5; // ms; ONNX Runtime copies some ten MB meanwhile
    private const int DontNeed = 4;     // MADV_DONTNEED

    private readonly MappedFile _file;
    private readonly byte* _start;
    private readonly long _length;
    private readonly long[] _shape;
    private OrtValue? _value;

    private MappedTable(MappedFile file, OnnxExternalTensor tensor, GptConfig config)
    {
        (_file, _length, _shape) = (file, tensor.Length!.Value, [config.VocabularySize, config.EmbeddingSize]);
        _start = file.Address(tensor.Offset, _length);
    }

    /// <summary>Maps the table of a package; null where it lies in the graph's file or is another's.</summary>
    public static MappedTable? Of(OnnxPackage package)
    {
        if (package.TokenTable is not { } tensor) return null;
        MappedFile file = MappedFile.Open(Path.Combine(package.Folder, tensor.Location));
        try
        {
            return new(file, tensor, package.Config);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Lets a session use it; it must outlive the session.</summary>
    public void AddTo(SessionOptions settings)
    {
        _value ??= OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TensorElementType.Float, _shape, (IntPtr)_start, _length);
        settings.AddInitializer(GptParameterLayout.TokenEmbedding, _value);
    }

    /// <summary>Opens a session, which reads the table from beginning to end, and drops the pages behind it again and again. Elsewhere than on Linux the system decides by itself what stays.</summary>
    public InferenceSession WhileReadThrough(Func<InferenceSession> open)
    {
        if (!OperatingSystem.IsLinux()) return open();
        using var opened = new ManualResetEventSlim();
        var dropping = new Thread(() =>
        {
            while (!opened.Wait(DropInterval)) Drop();
        }) { IsBackground = true, Name = "MLNet.Gpt: pages of the token embedding" };
        dropping.Start();
        try
        {
            return open();
        }
        finally
        {
            opened.Set();
            dropping.Join();
            Drop();
        }
    }

    public void Dispose()
    {
        _value?.Dispose();
        _file.Dispose();
    }

    // Nothing is lost: the mapping is of a file and read alone.
    private void Drop()
    {
        nint page = Environment.SystemPageSize, first = (nint)_start / page * page;
        _ = Advise((void*)first, (nuint)((nint)_start + (nint)_length - first), DontNeed); // a refusal leaves the pages where they are
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);
}
