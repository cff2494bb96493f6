using System.Globalization;

namespace MLNet.Gpt;

/// <summary>The ticks of an axis at round numbers, and what stands beside them.</summary>
internal static class SvgAxis
{
    /// <summary>1, 2 or 5 times a power of ten, such that the span has four to ten of it.</summary>
    /// <param name="span">Above 0 and finite.</param>
    public static double Unit(double span)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(span)));
        double scaled = span / power;
        return power * (scaled < 2 ? 0.2 : scaled < 5 ? 0.5 : 1);
    }

    /// <summary>The multiples of a unit from one number to another, both ends included.</summary>
    public static IEnumerable<double> Ticks(double low, double high, double unit)
    {
        // −0, which would be written so, plus 0 is 0.
        double last = Math.Floor((high / unit) + 1e-9);
        for (double i = Math.Ceiling((low / unit) - 1e-9) + 0.0; i <= last; i++) yield return i * unit;
    }

    /// <summary>A tick's text: as many digits as tell it from its neighbours, without an exponent as far as that can be read.</summary>
    public static string Label(double tick, double unit)
    {
        double size = Math.Max(Math.Abs(tick), unit);
        if (unit < 1e-5 || size >= 1e7)
        {
            // The digits between the tick's first one and the unit's.
            int digits = Math.Max(0, (int)Math.Floor(Math.Log10(size) + 1e-9) - (int)Math.Floor(Math.Log10(unit) + 1e-9));
            return tick == 0 ? "0" : tick.ToString($"0.{new string('#', Math.Min(digits, 14))}E0", CultureInfo.InvariantCulture);
        }

        int decimals = Math.Max(0, -(int)Math.Floor(Math.Log10(unit) + 1e-9));
        string text = tick.ToString($"F{decimals}", CultureInfo.InvariantCulture);
        return tick == 0 ? text.TrimStart('-') : text;
    }
}
