using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>What has to be settled once per process before libtorch computes: its presence, its threads and how they wait, and the C heap.</summary>
internal static partial class TorchRuntime
{
    private static readonly Lock Gate = new();
    private static bool _initialized;

    /// <summary>Loads libtorch, sets its thread count and tunes the heap; later calls return at once.</summary>
    /// <exception cref="NativeLibraryException">libtorch isn't there or can't be loaded.</exception>
    public static void Initialize()
    {
        if (Volatile.Read(ref _initialized)) return;
        lock (Gate)
        {
            if (_initialized) return;
            TuneHeap();
            LetThreadsSleep();
            NativeLibraryException? missing = LoadLibraries();
            try
            {
                // libtorch may start with one thread whatever the machine has.
                set_num_threads(ThreadCount());
            }
            catch (Exception e) when (e is DllNotFoundException or TypeInitializationException or NotSupportedException or EntryPointNotFoundException or BadImageFormatException)
            {
                throw missing ?? Explain(e);
            }

            Volatile.Write(ref _initialized, true);
        }
    }

    /// <summary>The libtorch device for <paramref name="device"/>.</summary>
    /// <exception cref="DeviceUnavailableException">A CUDA device was named that isn't there.</exception>
    public static Device Open(GptDevice device)
    {
        Initialize();
        if (device.CudaIndex is not { } index) return CPU;
        if (!cuda.is_available())
        {
            throw new DeviceUnavailableException(device, "libtorch finds no CUDA GPU.",
                "Reference TorchSharp-cuda-linux or TorchSharp-cuda-windows and check the NVIDIA driver, set MLContext.FallbackToCpu, or choose GptDevice.Cpu.");
        }

        int count = cuda.device_count();
        if (index >= count)
        {
            throw new DeviceUnavailableException(device, string.Create(CultureInfo.InvariantCulture, $"this machine has {count} CUDA GPU(s)."),
                string.Create(CultureInfo.InvariantCulture, $"Choose an index from 0 to {count - 1}."));
        }

        return new Device(DeviceType.CUDA, index);
    }

    /// <summary>Whether libtorch sees a CUDA GPU.</summary>
    public static bool HasCuda()
    {
        Initialize();
        return cuda.is_available();
    }

    /// <summary>
    /// Loads what TorchSharp would load first, in its order. When that fails TorchSharp copies the package cache's 500 MB beside itself, prints
    /// that a package isn't referenced, whatever the cause, and throws: so the cause is found out before it is asked.
    /// </summary>
    /// <returns>What is missing where TorchSharp may still find it by that copy: in a script or a notebook, whose TorchSharp.dll isn't the app's own. Else null.</returns>
    /// <exception cref="NativeLibraryException">The libraries of the app can't be loaded.</exception>
    private static NativeLibraryException? LoadLibraries()
    {
        Assembly torchSharp = typeof(torch).Assembly;
        _ = NativeLibrary.TryLoad("torch_cpu", torchSharp, null, out _);
        try
        {
            NativeLibrary.Load("LibTorchSharp", torchSharp, null);
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            NativeLibraryException error = Explain(e);
            bool ofTheApp = torchSharp.Location is "" || Path.GetDirectoryName(torchSharp.Location) == Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
            return error.IsMissing && !ofTheApp ? error : throw error;
        }
    }

    private static NativeLibraryException Explain(Exception loader) => NativeLoadFailure.Explain("TorchSharp",
        "Reference the package TorchSharp-cpu, or TorchSharp-cuda-linux / TorchSharp-cuda-windows on a machine with an NVIDIA GPU, in the app that trains.",
        loader, "libLibTorchSharp", "LibTorchSharp", "libtorch", "libc10");

    /// <summary>OMP_NUM_THREADS where it is set, else the cores that this process may use.</summary>
    private static int ThreadCount() =>
        int.TryParse(Environment.GetEnvironmentVariable("OMP_NUM_THREADS"), NumberStyles.None, CultureInfo.InvariantCulture, out int threads) && threads > 0
            ? threads
            : Environment.ProcessorCount;

    /// <summary>
    /// A training step frees and takes the same large blocks again and again. glibc returns freed memory to the system eagerly,
    /// so that each step would fault it all in once more; keeping it halves the system time of a step.
    /// </summary>
    private static void TuneHeap()
    {
        const int TrimThreshold = -1, TopPad = -2, MmapMax = -4;
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = mallopt(MmapMax, 0);
            _ = mallopt(TrimThreshold, int.MaxValue);
            _ = mallopt(TopPad, 64 << 20);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has no mallopt and no such habit; nothing to tune there.
        }
    }

    /// <summary>
    /// A thread of GNU OpenMP that waits for the others of its operation spins for milliseconds. Where other processes want the cores too, it spends its
    /// share of them so, and the thread that it waits for is not run: a small step takes five times as long as when waiting threads soon sleep. Some
    /// microseconds of spinning bridge the gaps between the operations of a step, which cost a tenth of the speed on a quiet machine where every wait
    /// sleeps (<c>benchmarks/run.sh pretrain-char</c>). Read by the library when it loads; a choice of the user's is kept.
    /// </summary>
    private static void LetThreadsSleep()
    {
        const string SpinCount = "4000";
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is not null) return;
        _ = setenv("GOMP_SPINCOUNT", SpinCount, 0);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}
