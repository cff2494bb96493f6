using static TorchSharp.torch;

namespace TorchSharp;

public sealed class Scalar : IDisposable
{
    internal readonly Number Number;

    private Scalar(long value) => Number = new Number(0, value);

    private Scalar(double value) => Number = new Number(1, BitConverter.DoubleToInt64Bits(value));

    private Scalar(bool value) => Number = new Number(2, value ? 1 : 0);

    public ScalarType Type => Number.Kind switch
    {
        0 => ScalarType.Int64,
        1 => ScalarType.Float64,
        _ => ScalarType.Bool,
    };

    public static implicit operator Scalar(int value) => new((long)value);

    public static implicit operator Scalar(long value) => new(value);

    public static implicit operator Scalar(float value) => new((double)value);

    public static implicit operator Scalar(double value) => new(value);

    public static implicit operator Scalar(bool value) => new(value);

    /// <summary>Nothing to free: the number is held by value.</summary>
    public void Dispose()
    {
    }

    internal static Number OrNone(Scalar? scalar) => scalar is null ? new Number(-1, 0) : scalar.Number;

    internal static Scalar From(Number number) => number.Kind switch
    {
        0 => new Scalar(number.Bits),
        1 => new Scalar(BitConverter.Int64BitsToDouble(number.Bits)),
        _ => new Scalar(number.Bits != 0),
    };
}
