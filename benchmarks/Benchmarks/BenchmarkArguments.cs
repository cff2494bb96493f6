using System.Globalization;

namespace MLNet.Gpt.Benchmarks;

/// <summary>"--name value" pairs and "--name" switches. Whatever no benchmark has asked for is an error.</summary>
internal sealed class BenchmarkArguments
{
    private readonly Dictionary<string, string?> _values = [];

    public BenchmarkArguments(IEnumerable<string> arguments)
    {
        string? name = null;
        foreach (string argument in arguments)
        {
            if (argument.StartsWith("--", StringComparison.Ordinal))
            {
                name = argument;
                _values[name] = null;
            }
            else
            {
                _values[name ?? throw new ArgumentException($"'{argument}' belongs to no option.")] = argument;
                name = null;
            }
        }
    }

    public int Int(string name, int standard) => _values.Remove(name, out string? text)
        ? int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : throw new ArgumentException($"{name} needs a whole number, not '{text}'.")
        : standard;

    public string Text(string name, string standard) => _values.Remove(name, out string? text) ? text ?? throw new ArgumentException($"{name} needs a value.") : standard;

    public bool Has(string name) => _values.Remove(name);

    /// <summary>Call after the last option has been asked for.</summary>
    public void RefuseOthers()
    {
        if (_values.Count > 0) throw new ArgumentException($"This benchmark has no option {string.Join(", ", _values.Keys)}.");
    }
}
