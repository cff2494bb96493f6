using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary><c>training_state/rollout.safetensors</c> of a checkpoint: the responses that the next updates learn from, so that a resumed run goes on in the middle of a rollout.</summary>
internal static class RolloutFile
{
    private const string FileName = "rollout.safetensors", Remedy = "Begin a new run in another folder; the weights beside it can still be used.";
    private const string Prompts = "prompts", PromptLengths = "prompt_lengths", ResponseLengths = "response_lengths", Flags = "flags", Tokens = "tokens";

    private static readonly (string Name, Func<RolloutRow, float[]> Get, Action<RolloutRow, float[]> Set)[] Numbers =
    [
        ("log_probabilities", static row => row.LogProbabilities, static (row, values) => row.LogProbabilities = values),
        ("reference_log_probabilities", static row => row.ReferenceLogProbabilities, static (row, values) => row.ReferenceLogProbabilities = values),
        ("values", static row => row.Values, static (row, values) => row.Values = values),
        ("advantages", static row => row.Advantages, static (row, values) => row.Advantages = values),
        ("returns", static row => row.Returns, static (row, values) => row.Returns = values),
    ];

    /// <summary>Adds the file to an unfinished checkpoint.</summary>
    public static void Write(string folder, Rollout rollout)
    {
        IReadOnlyList<RolloutRow> rows = rollout.Rows;
        var ints = new Dictionary<string, int[]>(StringComparer.Ordinal)
        {
            [Prompts] = [.. rows.Select(static row => row.Prompt)],
            [PromptLengths] = [.. rows.Select(static row => row.PromptTokens.Length)],
            [ResponseLengths] = [.. rows.Select(static row => row.Response.Length)],
            [Flags] = [.. rows.Select(static row => (row.IsComplete ? 1 : 0) + (row.Counts ? 2 : 0))],
            [Tokens] = [.. rows.SelectMany(static row => row.PromptTokens.Concat(row.Response))],
        };
        var floats = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach ((string name, Func<RolloutRow, float[]> get, _) in Numbers)
        {
            ints.Add(name + "_lengths", [.. rows.Select(row => get(row).Length)]);
            floats.Add(name, [.. rows.SelectMany(get)]);
        }

        IEnumerable<SafeTensorInfo> tensors = ints.Select(static pair => new SafeTensorInfo(pair.Key, SafeTensorType.Int32, [pair.Value.Length]))
            .Concat(floats.Select(static pair => new SafeTensorInfo(pair.Key, SafeTensorType.Float32, [pair.Value.Length])));
        string state = Directory.CreateDirectory(Path.Combine(folder, GptCheckpoint.TrainingStateFolder)).FullName;
        SafeTensorsWriter.Write(Path.Combine(state, FileName), tensors, (tensor, stream) => stream.Write(tensor.Type == SafeTensorType.Int32
            ? MemoryMarshal.AsBytes(ints[tensor.Name].AsSpan())
            : MemoryMarshal.AsBytes(floats[tensor.Name].AsSpan())), new Dictionary<string, string>
            {
                ["kl_coefficient"] = rollout.KlCoefficient.ToString("R", CultureInfo.InvariantCulture),
                ["metrics"] = JsonSerializer.Serialize(rollout.Metrics),
            });
    }

    /// <summary>Reads it.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="form">What a rollout of the run has.</param>
    /// <exception cref="CorruptFileException">It is missing, not what it should be, or no rollout of that form: libtorch would end the process, or read another token's number.</exception>
    public static Rollout Read(string folder, RolloutForm form)
    {
        string path = Path.Combine(folder, GptCheckpoint.TrainingStateFolder, FileName);
        if (!File.Exists(path)) throw new CorruptFileException(path, "it is missing: the checkpoint was written in the middle of a rollout.", Remedy);
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        try
        {
            int[] prompts = Ints(Prompts), promptLengths = Ints(PromptLengths), responseLengths = Ints(ResponseLengths), flags = Ints(Flags), tokens = Ints(Tokens);
            int rowCount = form.RowCount;
            RequireCount(Prompts, prompts.Length, rowCount);
            RequireCount(PromptLengths, promptLengths.Length, rowCount);
            RequireCount(ResponseLengths, responseLengths.Length, rowCount);
            RequireCount(Flags, flags.Length, rowCount);
            var rows = new RolloutRow[rowCount];
            int at = 0;
            for (int i = 0; i < rows.Length; i++)
            {
                int middle = checked(at + promptLengths[i]), end = checked(middle + responseLengths[i]);
                rows[i] = new(prompts[i], tokens[at..middle], tokens[middle..end], (flags[i] & 1) != 0) { Counts = (flags[i] & 2) != 0 };
                at = end;
            }

            RequireCount(Tokens, tokens.Length, at);
            foreach ((string name, _, Action<RolloutRow, float[]> set) in Numbers)
            {
                int[] lengths = Ints(name + "_lengths");
                RequireCount(name + "_lengths", lengths.Length, rowCount);
                float[] values = MemoryMarshal.Cast<byte, float>(Bytes(name, SafeTensorType.Float32)).ToArray();
                int from = 0;
                for (int i = 0; i < rows.Length; i++)
                {
                    set(rows[i], values[from..checked(from + lengths[i])]);
                    from += lengths[i];
                }

                RequireCount(name, values.Length, from);
            }

            for (int i = 0; i < rows.Length; i++)
            {
                if (form.ProblemOf(rows[i]) is { } problem) throw Corrupt($"its response {i} {problem}.");
            }

            double[] metrics = StrictJson.Deserialize<double[]>(file.Metadata["metrics"], JsonSerializerOptions.Default);
            RequireCount("metrics", metrics.Length, form.MetricCount);
            return new(rows, double.Parse(file.Metadata["kl_coefficient"], CultureInfo.InvariantCulture), metrics);
        }
        catch (Exception exception) when (exception is KeyNotFoundException or ArgumentException or IndexOutOfRangeException or FormatException or JsonException or OverflowException)
        {
            throw new CorruptFileException(path, $"it is not a rollout ({exception.Message})", Remedy, exception);
        }

        CorruptFileException Corrupt(string problem) => new(path, problem, Remedy);

        void RequireCount(string name, int found, int expected)
        {
            if (found != expected) throw Corrupt($"'{name}' has {found} numbers; a rollout of this run has {expected} there.");
        }

        int[] Ints(string name) => MemoryMarshal.Cast<byte, int>(Bytes(name, SafeTensorType.Int32)).ToArray();

        byte[] Bytes(string name, SafeTensorType type) => file.Find(name) is { } found && found.Type == type
            ? file.Bytes(name, 0, checked((int)found.ByteLength)).ToArray()
            : throw new KeyNotFoundException($"tensor '{name}' of type {type.Name()} is missing");
    }
}
