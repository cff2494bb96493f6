using System.Globalization;

namespace MLNet.Gpt;

/// <summary>Checks of options: the exception states the value and what it may be.</summary>
internal static class OptionCheck
{
    /// <exception cref="ArgumentOutOfRangeException">The value is less.</exception>
    public static void AtLeast(int minimum, int value, string name) => Require(value >= minimum, value, name, string.Create(CultureInfo.InvariantCulture, $"{minimum} or more"));

    /// <exception cref="ArgumentOutOfRangeException">The value has no name.</exception>
    public static void Defined<TEnum>(TEnum value, string name)
        where TEnum : struct, Enum => Require(Enum.IsDefined(value), value, name, $"one of {string.Join(", ", Enum.GetNames<TEnum>())}");

    /// <exception cref="ArgumentOutOfRangeException">It does not hold.</exception>
    public static void Require(bool holds, object? value, string name, string range)
    {
        if (!holds) throw new ArgumentOutOfRangeException(name, value, string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be {range}."));
    }
}
