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
          --key KEY            the API key that requests must carry
          --Serving:NAME=VALUE any other setting of docs/serving.md
        """;

    private static readonly Dictionary<string, string> ShortNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["--model"] = "Serving:Model",
        ["--name"] = "Serving:ModelName",
        ["--key"] = "Serving:ApiKeys:0",
        ["--urls"] = "urls",
    };

    /// <summary>Adds the arguments to the configuration, above everything else.</summary>
    /// <exception cref="ArgumentException">An argument is none of <see cref="Usage"/>'s, or lacks its value.</exception>
    public static void AddTo(ConfigurationManager configuration, string[] args)
    {
        var settings = new Dictionary<string, string?>();
        for (int i = 0; i < args.Length; i++)
        {
            string name = args[i].Split('=', 2)[0];
            string? value = args[i].Contains('=', StringComparison.Ordinal) ? args[i].Split('=', 2)[1] : null;
            if (name == "--demo" && value is null)
            {
                settings["Serving:Demo"] = "true";
                continue;
            }

            if (name == "--adapter")
            {
                string given = value ?? (++i < args.Length ? args[i] : "");
                if (given.Split('=', 2) is not [{ Length: > 0 } adapter, { Length: > 0 } folder]) throw new ArgumentException($"'--adapter' comes with '{given}'; give it NAME=PATH.\n\n{Usage}");
                settings[$"Serving:Adapters:{adapter}"] = folder;
                continue;
            }

            string? key = ShortNames.GetValueOrDefault(name) ?? (name.StartsWith("--", StringComparison.Ordinal) && (name.Contains(':', StringComparison.Ordinal) || value is not null) ? name[2..] : null);
            if (key is null) throw new ArgumentException($"There is no option '{args[i]}'.\n\n{Usage}");
            settings[key] = value ?? (++i < args.Length ? args[i] : throw new ArgumentException($"'{name}' comes without a value.\n\n{Usage}"));
        }

        configuration.AddInMemoryCollection(settings);
    }
}
