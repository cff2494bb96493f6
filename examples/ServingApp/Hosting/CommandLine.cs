namespace ServingApp.Hosting;

/// <summary>The program's arguments: short names for the settings that are given most, and all others as <c>--Serving:Name=value</c>.</summary>
internal static class CommandLine
{
    public const string Usage = """
        dotnet run -c Release --project examples/ServingApp -- [options]

          --demo               serve a tiny model that the program makes itself
          --model PATH         a model.zip of ML.NET, the folder of an ONNX package, or a checkpoint folder
          --adapter NAME=PATH  a LoRA adapter, for requests to model@NAME; may be given more than once
          --name NAME          the model's name in requests; default: the file's or folder's name
          --urls URLS          where to listen; default http://localhost:5000
          --key KEY            an API key, of which requests must carry one; may be given more than once
          --Serving:NAME=VALUE any other setting of docs/serving.md
        """;

    private static readonly Dictionary<string, string> ShortNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["--model"] = "Serving:Model",
        ["--name"] = "Serving:ModelName",
        ["--urls"] = "urls",
        ["--http_ports"] = "http_ports",
        ["--https_ports"] = "https_ports",
        ["--AllowedHosts"] = "AllowedHosts",
    };

    private static readonly string[] Sections = ["Serving", "Logging", "Kestrel"];

    // ASP.NET Core's own, which it reads itself.
    private static readonly string[] HostOptions = ["--environment", "--contentRoot", "--applicationName"];

    /// <summary>Those of the arguments that ASP.NET Core's host reads itself, before there is a configuration.</summary>
    public static string[] OfTheHost(string[] args) => [.. args.Where(IsOfTheHost)];

    /// <summary>Adds the arguments to the configuration, above everything else.</summary>
    /// <exception cref="ArgumentException">An argument is none of <see cref="Usage"/>'s, lacks its value, or is there twice.</exception>
    public static void AddTo(ConfigurationManager configuration, string[] args)
    {
        var settings = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        int keys = 0;
        for (int i = 0; i < args.Length; i++)
        {
            if (IsOfTheHost(args[i])) continue;
            string name = args[i].Split('=', 2)[0];
            string? value = args[i].Contains('=', StringComparison.Ordinal) ? args[i].Split('=', 2)[1] : null;
            if (name == "--demo" && value is null)
            {
                Add("Serving:Demo", "true");
                continue;
            }

            if (name == "--adapter")
            {
                string given = value ?? (++i < args.Length ? args[i] : "");
                if (given.Split('=', 2) is not [{ Length: > 0 } adapter, { Length: > 0 } folder]) throw new ArgumentException($"'--adapter' comes with '{given}'; give it NAME=PATH.\n\n{Usage}");
                Add($"Serving:Adapters:{adapter}", folder);
                continue;
            }

            string option = name.StartsWith("--", StringComparison.Ordinal) ? name[2..] : "";
            if (value is "" && Sections.Contains(option, StringComparer.OrdinalIgnoreCase)) continue; // a WebApplicationFactory passes sections on without a value
            string? key = name == "--key" ? $"Serving:ApiKeys:{keys++}" : ShortNames.GetValueOrDefault(name)
                ?? (Array.Exists(Sections, section => option.StartsWith($"{section}:", StringComparison.OrdinalIgnoreCase)) ? option : null);
            if (key is null) throw new ArgumentException($"There is no option '{name}'.\n\n{Usage}");
            Add(key, value ?? (++i < args.Length ? args[i] : throw new ArgumentException($"'{name}' comes without a value.\n\n{Usage}")));

            void Add(string setting, string to)
            {
                if (!settings.TryAdd(setting, to)) throw new ArgumentException($"'{name}' sets {setting}, which another argument has set; give one of them.\n\n{Usage}");
            }
        }

        configuration.AddInMemoryCollection(settings);
    }

    private static bool IsOfTheHost(string argument) => argument.Split('=', 2) is [string name, _] && HostOptions.Contains(name, StringComparer.OrdinalIgnoreCase);
}
