using System.Globalization;

namespace QuickStart;

/// <summary>The command line.</summary>
internal sealed record Arguments(string? TextPath, int Steps, string RunFolder)
{
    public const string Usage = """
        Trains a small GPT on real English text, writes it to ONNX, and runs it in an ML.NET pipeline.

          --text PATH   train on this UTF-8 file (blank lines separate documents)
                        instead of the .NET SDK's own documentation
          --steps N     training steps (default 1,600: three to twelve minutes on two CPU cores)
          --out PATH    the run folder (default runs/quickstart); an earlier run there is replaced
        """;

    public static Arguments Parse(string[] args)
    {
        var result = new Arguments(null, 1_600, Path.Combine("runs", "quickstart"));
        for (int i = 0; i < args.Length; i += 2)
        {
            if (i + 1 == args.Length) throw new ArgumentException($"'{args[i]}' needs a value.");
            string value = args[i + 1];
            result = args[i] switch
            {
                "--text" when File.Exists(value) => result with { TextPath = value },
                "--text" => throw new ArgumentException($"--text is '{value}', and there is no such file."),
                "--steps" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int steps) && steps > 0 => result with { Steps = steps },
                "--steps" => throw new ArgumentException($"--steps is '{value}'; it must be a whole number, 1 or more."),
                "--out" => result with { RunFolder = value },
                _ => throw new ArgumentException($"There is no option '{args[i]}'."),
            };
        }

        return result;
    }
}
