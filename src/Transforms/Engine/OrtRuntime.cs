using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>Starts ONNX Runtime and opens sessions; the one place that knows its devices, its settings and how it fails.</summary>
internal static class OrtRuntime
{
    private const string CudaProvider = "CUDAExecutionProvider";

    /// <summary>The tokens of a call, all rows together, from which on more make nothing faster and take more memory: rows beyond them are computed in a call of their own, where they can be.</summary>
    public const int LargestCall = 2048;

    /// <summary>The tokens of a call up to which its memory is worth keeping for the next one.</summary>
    private const int LargeCall = 1024;

    private const string Library = "ONNX Runtime";

    private const string LibraryRemedy =
        "Reference the package Microsoft.ML.OnnxRuntime (CPU) or Microsoft.ML.OnnxRuntime.Gpu (CUDA) in the application; MLNet.Gpt.Transforms brings the managed part only.";

    private const string CudaRemedy =
        "Reference Microsoft.ML.OnnxRuntime.Gpu instead of Microsoft.ML.OnnxRuntime, and install the NVIDIA driver, the CUDA libraries and cuDNN of the versions that it names; or use GptDevice.Cpu.";

    /// <summary>Opens a model.</summary>
    /// <param name="modelPath">The model's file.</param>
    /// <param name="device">Where to compute; null takes the first CUDA GPU if ONNX Runtime can use one, else the CPU.</param>
    /// <param name="options">The engine's settings.</param>
    /// <param name="table">The model's token embedding, where it is mapped already; used on the CPU, and to be disposed after the session.</param>
    /// <returns>The session and the device it computes on.</returns>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="CorruptFileException">ONNX Runtime refuses the model.</exception>
    public static (InferenceSession Session, GptDevice Device) Open(string modelPath, GptDevice? device, OnnxEngineOptions options, MappedTable? table = null)
    {
        try
        {
            GptDevice chosen = device ?? (WhyNoCuda(0, options) is null ? GptDevice.Cuda() : GptDevice.Cpu);
            if (device?.CudaIndex is { } index && WhyNoCuda(index, options) is { } reason)
                throw new DeviceUnavailableException(chosen, reason.Message, CudaRemedy, reason.Exception);
            return (OpenModel(modelPath, chosen, options, table), chosen);
        }
        catch (Exception exception) when (MissingLibrary(exception) is { } missing)
        {
            throw NativeLoadFailure.Explain(Library, LibraryRemedy, missing, "libonnxruntime", "onnxruntime");
        }
    }

    /// <summary>Opens a session over a small model that this library makes itself.</summary>
    public static InferenceSession OpenHelper(byte[] model, GptDevice device, OnnxEngineOptions options)
    {
        using SessionOptions settings = Settings(device, options with { ThreadCount = 1 });
        return new InferenceSession(model, settings);
    }

    /// <summary>Whether a call gives the memory of its activations back.</summary>
    /// <param name="device">The model's device.</param>
    /// <param name="options">The engine's settings.</param>
    /// <param name="tokens">The call's, all rows together.</param>
    public static bool GivesMemoryBack(GptDevice device, OnnxEngineOptions options, long tokens) => tokens > LargeCall && !device.IsCuda && !options.KeepWorkingMemory;

    /// <summary>The options of one call, which the caller disposes.</summary>
    /// <param name="givesMemoryBack">Whether what the arena has free after the call goes back to the system.</param>
    public static RunOptions CallOptions(bool givesMemoryBack)
    {
        var call = new RunOptions();
        if (givesMemoryBack) call.AddRunConfigEntry("memory.enable_memory_arena_shrinkage", "cpu:0");
        return call;
    }

    /// <summary>The loader's exception, where this one means that the native library is missing or is another version; else null.</summary>
    internal static Exception? MissingLibrary(Exception exception) => exception switch
    {
        DllNotFoundException or EntryPointNotFoundException or BadImageFormatException => exception,
        TypeInitializationException start => start.InnerException is { } inner ? MissingLibrary(inner) ?? inner : start,   // an older library gives no table of functions
        _ => null,
    };

    /// <summary>An exception's message without the line break and the full stop that may end it.</summary>
    internal static string Plain(Exception exception) => exception.Message.AsSpan().TrimEnd().TrimEnd('.').ToString();

    private static InferenceSession OpenModel(string modelPath, GptDevice device, OnnxEngineOptions options, MappedTable? table)
    {
        using SessionOptions settings = Settings(device, options);
        try
        {
            if (!device.IsCuda && table is not null)
            {
                table.AddTo(settings);
                return table.WhileReadThrough(() => new InferenceSession(modelPath, settings));
            }

            if (!device.IsCuda || !OnnxFileScan.Scan(modelPath).SharesCache) return new InferenceSession(modelPath, settings);

            // CUDA's operator with a shared buffer computes neither float32 nor masks: the one with two buffers takes its place.
            settings.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", Path.GetDirectoryName(modelPath)!);
            return new InferenceSession(CacheRewrite.WithTwoBuffers(File.ReadAllBytes(modelPath)), settings);
        }
        catch (OnnxRuntimeException exception)
        {
            if (!device.IsCuda && OnnxFileScan.Scan(modelPath).Weights == nameof(WeightFormat.BFloat16))
            {
                throw new DeviceUnavailableException(device, $"'{modelPath}' is in {nameof(WeightFormat.BFloat16)}, for which ONNX Runtime's CPU has no operators.",
                    $"Export the model as {WeightFormat.Float32}, {WeightFormat.Int8} or {WeightFormat.Int4}, or use a CUDA GPU.", exception);
            }

            throw new CorruptFileException(modelPath, $"ONNX Runtime refuses it ({Plain(exception)}).",
                "Export the model again, or copy the whole package again; where an operator is unknown, use a newer ONNX Runtime.", exception);
        }
    }

    private static SessionOptions Settings(GptDevice device, OnnxEngineOptions options)
    {
        var settings = new SessionOptions();
        try
        {
            settings.GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL;
            settings.ExecutionMode = ExecutionMode.ORT_SEQUENTIAL;   // a GPT has no branches to run side by side
            settings.IntraOpNumThreads = options.ThreadCount ?? ProcessorCores.Usable;

            // Errors come as exceptions; below them are remarks on the graph that a user can't act on.
            settings.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;

            // The arena keeps the activations' memory from call to call. A memory pattern would be planned and kept for each
            // combination of input shapes, and every decoded token is a new one.
            settings.EnableCpuMemArena = true;
            settings.EnableMemoryPattern = false;

            // Weights outside the arena, which would round their sum up to a power of two.
            settings.AddSessionConfigEntry("session.use_device_allocator_for_initializers", "1");

            // Long enough to bridge the gap between two operators, and no longer: whoever takes the tokens on, such as a web server's thread,
            // waits for one of the cores.
            if (options.SpinWhileWaiting) settings.AddSessionConfigEntry("session.intra_op.spin_duration_us", "50");
            else settings.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
            if (device.CudaIndex is { } index) AddCuda(settings, index, options);
            return settings;
        }
        catch
        {
            settings.Dispose();
            throw;
        }
    }

    /// <summary>What ONNX Runtime's CUDA provider is told, by its own names.</summary>
    /// <param name="index">The GPU.</param>
    /// <param name="options">The engine's settings.</param>
    internal static Dictionary<string, string> CudaSettings(int index, OnnxEngineOptions options)
    {
        var settings = new Dictionary<string, string>
        {
            ["device_id"] = index.ToString(CultureInfo.InvariantCulture),
            ["arena_extend_strategy"] = "kSameAsRequested",   // a GPU's memory is shared with other models
            ["use_tf32"] = options.AllowTf32 ? "1" : "0",
        };
        if (options.CudaMemoryLimitBytes is { } limit) settings["gpu_mem_limit"] = limit.ToString(CultureInfo.InvariantCulture);
        return settings;
    }

    private static void AddCuda(SessionOptions settings, int index, OnnxEngineOptions options)
    {
        using var cuda = new OrtCUDAProviderOptions();
        cuda.UpdateOptions(CudaSettings(index, options));
        settings.AppendExecutionProvider_CUDA(cuda);
    }

    /// <summary>Why a CUDA GPU can't be used, found out by opening a session on it; null where it can.</summary>
    private static (string Message, Exception? Exception)? WhyNoCuda(int index, OnnxEngineOptions options)
    {
        if (!OrtEnv.Instance().GetAvailableProviders().Contains(CudaProvider))
            return ("the ONNX Runtime in use was built without CUDA.", null);
        try
        {
            OpenHelper(CacheGather.Build(TensorElementType.Float, CacheGather.Rows), GptDevice.Cuda(index), options with { CudaMemoryLimitBytes = null }).Dispose();
            return null;
        }
        catch (OnnxRuntimeException exception)
        {
            return ($"ONNX Runtime says: {Plain(exception)}.", exception);
        }
    }
}
