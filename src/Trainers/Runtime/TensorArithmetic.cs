using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Arithmetic of tensors with numbers, and all else that takes a number on its way to libtorch. TorchSharp turns each number into a native one whose owner only the
/// call knows, and the garbage collector may free it between the moment the call reads its address and the moment libtorch reads the number: the operation then
/// fails, or computes with another number. <c>a + b</c> and <c>a.add_(b)</c> are of that kind as well (a + 1·b). Here a number lives until libtorch has read it.
/// </summary>
/// <remarks>
/// The operations, and so the results and gradients, are those of TorchSharp's operators. What ends on <c>InPlace</c>, and <c>Fill</c>, changes the tensor and gives it
/// back. May be called from several threads. A test of the architecture holds that src/ makes no such number elsewhere.
/// </remarks>
internal static class TensorArithmetic
{
    // Reachable as long as the process lives, hence never freed.
    private static readonly Scalar s_one = 1.ToScalar(), s_two = 2.ToScalar();

    /// <summary>a + b.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, s_one);

    /// <summary>a + number.</summary>
    public static Tensor Plus(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.add(value, s_one);
    }

    /// <summary>a ← a + b.</summary>
    public static Tensor PlusInPlace(this Tensor a, Tensor b) => a.add_(b, s_one);

    /// <summary>a ← a + factor·b.</summary>
    public static Tensor PlusInPlace(this Tensor a, Tensor b, double factor)
    {
        using Scalar value = factor.ToScalar();
        return a.add_(b, value);
    }

    /// <summary>a ← a + number.</summary>
    public static Tensor PlusInPlace(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.add_(value, s_one);
    }

    /// <summary>Adds row i of <paramref name="rows"/> to row <paramref name="places"/>[i] of a; a place may come more than once.</summary>
    public static Tensor PlusRowsInPlace(this Tensor a, Tensor places, Tensor rows) => a.index_add_(0, places, rows, s_one);

    /// <summary>a − number.</summary>
    public static Tensor Minus(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.sub(value);
    }

    /// <summary>a − number; integers stay integers.</summary>
    public static Tensor Minus(this Tensor a, long number)
    {
        using Scalar value = number.ToScalar();
        return a.sub(value);
    }

    /// <summary>a ← a − number.</summary>
    public static Tensor MinusInPlace(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.sub_(value);
    }

    /// <summary>factor·a.</summary>
    public static Tensor Times(this Tensor a, double factor)
    {
        using Scalar value = factor.ToScalar();
        return a.mul(value);
    }

    /// <summary>a ← factor·a.</summary>
    public static Tensor TimesInPlace(this Tensor a, double factor)
    {
        using Scalar value = factor.ToScalar();
        return a.mul_(value);
    }

    /// <summary>a / divisor.</summary>
    public static Tensor Over(this Tensor a, double divisor)
    {
        using Scalar value = divisor.ToScalar();
        return a.div(value);
    }

    /// <summary>a∘a.</summary>
    public static Tensor Squared(this Tensor a) => a.pow(s_two);

    /// <summary>max(a, least).</summary>
    public static Tensor AtLeast(this Tensor a, double least)
    {
        using Scalar value = least.ToScalar();
        return a.clamp_min(value);
    }

    /// <summary>a ← max(a, least).</summary>
    public static Tensor AtLeastInPlace(this Tensor a, double least)
    {
        using Scalar value = least.ToScalar();
        return a.clamp_min_(value);
    }

    /// <summary>max(least, min(a, most)).</summary>
    public static Tensor Between(this Tensor a, double least, double most)
    {
        using Scalar low = least.ToScalar(), high = most.ToScalar();
        return a.clamp(low, high);
    }

    /// <summary>Where a is below a number: bool.</summary>
    public static Tensor Below(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.lt(value);
    }

    /// <summary>Where a is above a number: bool.</summary>
    public static Tensor Above(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.gt(value);
    }

    /// <summary>Where a is a number: bool.</summary>
    public static Tensor EqualTo(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.eq(value);
    }

    /// <summary>Sets all of a to a number.</summary>
    public static Tensor Fill(this Tensor a, double number)
    {
        using Scalar value = number.ToScalar();
        return a.fill_(value);
    }

    /// <summary>Sets a to a number where a mask, which may be broadcast, is true.</summary>
    public static Tensor Fill(this Tensor a, Tensor mask, double number)
    {
        using Scalar value = number.ToScalar();
        return a.masked_fill_(mask, value);
    }

    /// <summary>A tensor that holds the same number everywhere.</summary>
    public static Tensor Filled(ReadOnlySpan<long> shape, double number, ScalarType type, Device device)
    {
        using Scalar value = number.ToScalar();
        return full(shape, value, type, device);
    }

    /// <summary>start, start + 1, …, end − 1: (end − start) int64.</summary>
    public static Tensor Integers(long start, long end, Device device)
    {
        using Scalar first = start.ToScalar(), behind = end.ToScalar();
        return arange(first, behind, s_one, ScalarType.Int64, device);
    }

    /// <summary>Calls a function of TorchScript.</summary>
    /// <param name="unit">Holds the function.</param>
    /// <param name="name">Its name.</param>
    /// <param name="arguments">Tensors, arrays of them, and double.</param>
    public static void Call(this jit.CompilationUnit unit, string name, params object[] arguments) => (Call(arguments, values => unit.invoke(name, values)) as IDisposable)?.Dispose();

    /// <summary>Calls a function of a TorchScript module that gives a tensor.</summary>
    /// <param name="module">Holds the function.</param>
    /// <param name="name">Its name.</param>
    /// <param name="arguments">Tensors, arrays of them, and double.</param>
    public static Tensor Call(this jit.ScriptModule module, string name, params object[] arguments) => (Tensor)Call(arguments, values => module.invoke(name, values));

    private static object Call(object[] arguments, Func<object[], object> function)
    {
        object[] values = [.. arguments.Select(static argument => argument switch
        {
            double number => number.ToScalar(),
            Tensor or Tensor[] => argument,
            _ => throw new ArgumentException(FormattableString.Invariant($"TorchSharp would make a number of its own of {argument} ({argument.GetType().Name}); give a double.")),
        })];
        try
        {
            return function(values);
        }
        finally
        {
            foreach (Scalar number in values.OfType<Scalar>()) number.Dispose();
            GC.KeepAlive(arguments);
        }
    }
}
