using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Runs managed code on the threads that libtorch's own operations run on: those of GNU OpenMP, through the entry point that compilers call for a parallel
/// region (<c>GOMP_parallel</c>, libgomp's manual, section "Implementing PARALLEL construct").
/// </summary>
/// <remarks>
/// Threads of .NET's pool beside them yield their core again and again for a while after each piece of work, and so take it from libtorch's: on a machine where
/// other processes compute too, a training step of 4 layers of 128 took one and a half times as long. Where libtorch has another OpenMP (Windows, macOS), the pool is used.
/// </remarks>
internal static unsafe class ComputeThreads
{
    private static readonly delegate* unmanaged<delegate* unmanaged<nint, void>, nint, uint, uint, void> GompParallel = FindGompParallel();

    /// <summary>How many threads compute: libtorch's number.</summary>
    public static int Count => get_num_threads();

    /// <summary>Runs a body on each of the threads, the calling one among them, and returns when all have ended.</summary>
    /// <param name="body">Called <see cref="Count"/> times at most, from several threads; takes its share of the work from a counter.</param>
    /// <exception cref="AggregateException">The body threw.</exception>
    public static void Run(Action body)
    {
        int threads = Count;
        if (GompParallel == null)
        {
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ => body());
            return;
        }

        // An exception must not leave managed code by way of a native frame.
        var region = new Region(body);
        var handle = GCHandle.Alloc(region);
        try
        {
            GompParallel(&RunPart, GCHandle.ToIntPtr(handle), (uint)threads, 0);
        }
        finally
        {
            handle.Free();
        }

        if (!region.Errors.IsEmpty) throw new AggregateException(region.Errors);
    }

    /// <summary>Calls a body for each part of a range, on as many of the threads as there are parts; on the calling one alone where there is one part.</summary>
    /// <param name="count">The range's length.</param>
    /// <param name="size">A part's; the last one may be shorter.</param>
    /// <param name="part">Takes a part's beginning and length; called from several threads.</param>
    /// <exception cref="AggregateException">The body threw on one of several threads.</exception>
    public static void RunParts(long count, long size, Action<long, long> part)
    {
        long next = -size;
        if (count <= size || Count == 1) Take();
        else Run(Take);

        void Take()
        {
            for (long start; (start = Interlocked.Add(ref next, size)) < count;) part(start, Math.Min(size, count - start));
        }
    }

    [UnmanagedCallersOnly]
    private static void RunPart(nint handle)
    {
        var region = (Region)GCHandle.FromIntPtr(handle).Target!;
        try
        {
            region.Body();
        }
        catch (Exception e)
        {
            region.Errors.Add(e);
        }
    }

    /// <summary>Looked up from libtorch's bridge, and so in the very library that libtorch is linked to: another package may have brought another libgomp.</summary>
    private static delegate* unmanaged<delegate* unmanaged<nint, void>, nint, uint, uint, void> FindGompParallel()
    {
        TorchRuntime.Initialize();
        return OperatingSystem.IsLinux() && NativeLibrary.TryLoad("LibTorchSharp", typeof(torch).Assembly, null, out nint library) && NativeLibrary.TryGetExport(library, "GOMP_parallel", out nint address)
            ? (delegate* unmanaged<delegate* unmanaged<nint, void>, nint, uint, uint, void>)address
            : null;
    }

    private sealed class Region(Action body)
    {
        public Action Body { get; } = body;

        public System.Collections.Concurrent.ConcurrentBag<Exception> Errors { get; } = [];
    }
}
