using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Runs backward passes through functions that are written in managed code. libtorch calls them, and no exception may pass through it:
/// what goes wrong is kept, and thrown when the pass is over.
/// </summary>
/// <remarks>
/// libtorch runs a backward pass on the thread that asked for it, but on a GPU on a thread of its own. Of two passes at once in one process
/// either may throw what went wrong in the other; both are then of no use.
/// </remarks>
internal static class BackwardPass
{
    private static Exception? _failure;

    [ThreadStatic]
    private static List<Tensor>? _given;

    /// <summary>Accumulates gradients from a tensor backwards.</summary>
    /// <param name="from">Whose gradient is known.</param>
    /// <param name="gradient">It, of the same shape and type.</param>
    public static void Run(Tensor from, Tensor gradient)
    {
        try
        {
            from.backward([gradient]);
        }
        finally
        {
            Release();
        }

        if (Interlocked.Exchange(ref _failure, null) is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>The body of a function's backward: its tensors go when it ends, those that it returns when libtorch has taken them.</summary>
    /// <param name="gradient">What libtorch gave; disposed here.</param>
    /// <param name="arguments">How many arguments the forward has: one result each.</param>
    /// <param name="body">Computes the gradients of the first arguments; what it leaves out is null.</param>
    public static List<Tensor> Step(Tensor gradient, int arguments, Func<Tensor?[]> body)
    {
        Release();
        var results = new Tensor?[arguments];
        if (Volatile.Read(ref _failure) is null)
        {
            try
            {
                using var scope = NewDisposeScope();
                Tensor?[] computed = body();
                for (int i = 0; i < computed.Length; i++) results[i] = computed[i]?.DetachFromDisposeScope();
            }
            catch (Exception e)
            {
                Volatile.Write(ref _failure, e);
                Array.Clear(results);
            }
        }

        _given ??= [];
        _given.AddRange(results.OfType<Tensor>());
        if (!results.Contains(gradient)) gradient.Dispose();
        return [.. results.Select(static result => result!)];
    }

    private static void Release()
    {
        if (_given is null) return;
        foreach (Tensor tensor in _given) tensor.Dispose();
        _given.Clear();
    }
}
