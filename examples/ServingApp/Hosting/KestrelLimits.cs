using System.Reflection;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace ServingApp.Hosting;

/// <summary>The section <c>Kestrel:Limits</c> of the configuration, which Kestrel itself does not look at.</summary>
internal static class KestrelLimits
{
    // What Kestrel reads of its section.
    private static readonly string[] Own = ["Certificates", "EndpointDefaults", "Endpoints"];

    /// <summary>Puts the section's values into the server's limits.</summary>
    /// <exception cref="ServingConfigurationException">A setting does not exist, has a value that it can't have, or is this program's own.</exception>
    public static void Read(IConfigurationSection kestrel, KestrelServerLimits limits)
    {
        foreach (IConfigurationSection child in kestrel.GetChildren())
        {
            if (child.Key.Equals("Limits", StringComparison.OrdinalIgnoreCase) || Own.Contains(child.Key, StringComparer.OrdinalIgnoreCase)) continue;
            throw new ServingConfigurationException($"There is no setting {child.Path}; there are {string.Join(", ", Own.Append("Limits").Select(name => $"{kestrel.Path}:{name}"))}.");
        }

        IConfigurationSection section = kestrel.GetSection("Limits");
        if (section.GetSection(nameof(limits.MaxRequestBodySize)).Exists())
            throw new ServingConfigurationException($"{section.Path}:{nameof(limits.MaxRequestBodySize)} is '{section[nameof(limits.MaxRequestBodySize)]}'; the size of a request's body is set by Serving:{nameof(ServingOptions.MaxRequestBytes)}.");
        try
        {
            section.Bind(limits, static binder => binder.ErrorOnUnknownConfiguration = true);
        }
        catch (Exception exception) when (exception is InvalidOperationException or TargetInvocationException or ArgumentException)
        {
            throw new ServingConfigurationException($"{section.Path} is not understood: {(exception.InnerException ?? exception).Message}");
        }

        limits.MinRequestBodyDataRate = Rate(section.GetSection(nameof(limits.MinRequestBodyDataRate)), limits.MinRequestBodyDataRate);
        limits.MinResponseDataRate = Rate(section.GetSection(nameof(limits.MinResponseDataRate)), limits.MinResponseDataRate);
    }

    // Its numbers can't be set, so that the binder passes over them.
    private static MinDataRate? Rate(IConfigurationSection section, MinDataRate? standard)
    {
        if (!section.Exists()) return standard;
        string? bytes = section[nameof(MinDataRate.BytesPerSecond)], grace = section[nameof(MinDataRate.GracePeriod)];
        if (bytes is "0") return null;
        try
        {
            return new MinDataRate(
                bytes is null ? standard!.BytesPerSecond : double.Parse(bytes, System.Globalization.CultureInfo.InvariantCulture),
                grace is null ? standard!.GracePeriod : TimeSpan.Parse(grace, System.Globalization.CultureInfo.InvariantCulture));
        }
        catch (Exception exception) when (exception is FormatException or OverflowException or ArgumentException)
        {
            throw new ServingConfigurationException($"{section.Path} is {bytes} bytes a second after {grace}: {exception.Message} Give {nameof(MinDataRate.BytesPerSecond)} above 0, or 0 for no such limit, and {nameof(MinDataRate.GracePeriod)} (hh:mm:ss) above one second.");
        }
    }
}
