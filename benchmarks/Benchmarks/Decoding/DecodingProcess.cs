using System.Diagnostics;
using System.Globalization;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// An engine in a process of its own, as an app has it, which sleeps while another one is measured.
/// </summary>
internal sealed class DecodingProcess : IDecodingEngine
{
    /// <summary>The name under which the program is started again, for the engine and the model that follow.</summary>
    public const string ChildName = "decode-child";

    private const string Answer = "answer ";

    private readonly Process _process;

    /// <param name="engine">ours, genai or llama.</param>
    /// <param name="path">The package or the GGUF file.</param>
    public DecodingProcess(string engine, string path)
    {
        ProcessStartInfo start = ThisProgram.Again(ChildName, engine, path);
        (start.RedirectStandardInput, start.RedirectStandardOutput) = (true, true);
        _process = Process.Start(start)!;
        Read();
    }

    public double Decode(int rows, int depth, int steps) => Number(Ask("decode", rows, depth, steps));

    public double Prefill(int length) => Number(Ask("prefill", length));

    public int[] Greedy(int[] prompt, int count) => [.. Ask(["greedy", count, .. prompt]).Split(' ').Select(static id => int.Parse(id, CultureInfo.InvariantCulture))];

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    /// <summary>The engine's process: answers questions until there are no more.</summary>
    public static int RunChild(string name, string path)
    {
        using IDecodingEngine engine = name switch
        {
            "ours" => new OwnEngine(path),
            "genai" => new GenAiEngine(path),
            "llama" => new LlamaEngine(path),
            _ => throw new ArgumentException($"There is no engine '{name}'."),
        };
        Console.WriteLine(Answer + "ready");
        while (Console.ReadLine() is { } line)
        {
            string[] words = line.Split(' ');
            int[] numbers = [.. words.Skip(1).Select(static word => int.Parse(word, CultureInfo.InvariantCulture))];
            Console.WriteLine(Answer + words[0] switch
            {
                "decode" => engine.Decode(numbers[0], numbers[1], numbers[2]).ToString("R", CultureInfo.InvariantCulture),
                "prefill" => engine.Prefill(numbers[0]).ToString("R", CultureInfo.InvariantCulture),
                "greedy" => string.Join(' ', engine.Greedy(numbers[1..], numbers[0])),
                _ => throw new ArgumentException($"An engine does not know '{words[0]}'."),
            });
        }

        return 0;
    }

    private static double Number(string answer) => double.Parse(answer, CultureInfo.InvariantCulture);

    private string Ask(params object[] words)
    {
        _process.StandardInput.WriteLine(string.Join(' ', words));
        return Read();
    }

    /// <summary>The next answer; what native libraries write between them is passed on.</summary>
    private string Read()
    {
        while (_process.StandardOutput.ReadLine() is { } line)
        {
            if (line.StartsWith(Answer, StringComparison.Ordinal)) return line[Answer.Length..];
            Console.Error.WriteLine(line);
        }

        throw new InvalidOperationException("An engine's process ended; what it wrote stands above.");
    }
}
