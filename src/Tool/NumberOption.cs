using System.CommandLine;
using System.Globalization;

namespace MLNet.Gpt.Tool;

/// <summary>Options that are numbers.</summary>
internal static class NumberOption
{
    /// <summary>Reads an option as a number with a decimal point, the same in every culture. What is no such number is an error that names the option: "0,3" is not three.</summary>
    /// <typeparam name="T">int, float or double, or one of them with null for an option that is left out.</typeparam>
    public static Option<T> AsNumber<T>(this Option<T> option)
    {
        option.CustomParser = result =>
        {
            string text = string.Join(' ', result.Tokens.Select(static token => token.Value));
            if (Parse(Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T), text) is { } number) return (T)number;
            result.AddError($"{option.Name} is '{text}'; it must be {(typeof(T) == typeof(int) || typeof(T) == typeof(int?) ? $"a whole number from {int.MinValue} to {int.MaxValue}" : "a number, with a point where it has decimals")}.");
            return default!;
        };
        return option;
    }

    private static object? Parse(Type type, string text) =>
        type == typeof(int) ? int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int whole) ? whole : null
        : type == typeof(float) ? float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float single) ? single : null
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : null;
}
