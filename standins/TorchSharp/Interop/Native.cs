using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

[assembly: DisableRuntimeMarshalling]

namespace TorchSharp;

/// <summary>The native library: loading it, its errors, its calling conventions.</summary>
internal static unsafe partial class Native
{
    private const string Library = "TorchShim";

    private static readonly Lock Gate = new();
    private static bool loaded;

    /// <exception cref="NotSupportedException">The library, or a libtorch that it needs, can't be loaded.</exception>
    internal static void Load()
    {
        if (Volatile.Read(ref loaded)) return;
        lock (Gate)
        {
            if (loaded) return;
            if (!NativeLibrary.TryLoad(Library, typeof(Native).Assembly, null, out _))
            {
                throw new NotSupportedException(
                    $"The native library {Library} can't be loaded: {Reason()} It belongs beside TorchSharp.dll, in '{AppContext.BaseDirectory}', and needs libtorch.");
            }

            Volatile.Write(ref loaded, true);
        }
    }

    private static string Reason()
    {
        try
        {
            NativeLibrary.Load(Library, typeof(Native).Assembly, null);
            return string.Empty;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            return e.Message;
        }
    }

    /// <summary>The exception for what just failed on this thread.</summary>
    internal static ExternalException Failure() => new(Marshal.PtrToStringUTF8(ts_last_error()));

    internal static void Check(int status)
    {
        if (status < 0) throw Failure();
    }

    internal static bool CheckFlag(int flag)
    {
        Check(flag);
        return flag != 0;
    }

    internal static nint Check(nint handle) => handle == 0 ? throw Failure() : handle;

    /// <summary>Reports a managed exception to the native frame that called back.</summary>
    internal static int Fail(Exception e)
    {
        fixed (byte* message = Encoding.UTF8.GetBytes(e.Message + '\0')) ts_fail(message);
        return -1;
    }
}

/// <summary>A number as the library takes it.</summary>
/// <param name="Kind">-1 absent, 0 an integer, 1 floating point, 2 a truth value.</param>
internal readonly record struct Number(long Kind, long Bits);

/// <summary>One step of an indexing expression as the library takes it.</summary>
internal struct IndexStep
{
    internal const long Absent = long.MinValue;

    internal long Kind, Start, Stop, Step;
    internal nint Tensor;
}
