using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary><c>training_state/rollout.safetensors</c> of a checkpoint: the responses that the next updates learn from, so that a resumed run goes on in the middle of a rollout.</summary>
internal static class RolloutFile
{
    private const string FileName = "rollout.safetensors", Remedy = "Begin a new run in another folder; the weights beside it can still be used.";
    private const string Prompts = "prompts", PromptLengths = "prompt_lengths", ResponseLengths = "response_lengths", Flags = "flags", Tokens = "tokens", LengthsSuffix = "_lengths";

    // OfValue: whether only a value model makes them. One: whether there may be one number for all tokens.
    private static readonly (string Name, bool OfValue, bool One, Func<RolloutRow, float[]> Get, Action<RolloutRow, float[]> Set)[] Numbers =
    [
        ("log_probabilities", false, false, static row => row.LogProbabilities, static (row, values) => row.LogProbabilities = values),
        ("reference_log_probabilities", false, false, static row => row.ReferenceLogProbabilities, static (row, values) => row.ReferenceLogProbabilities = values),
        ("values", true, false, static row => row.Values, static (row, values) => row.Values = values),
        ("advantages", false, true, static row => row.Advantages, static (row, values) => row.Advantages = values),
        ("returns", true, false, static row => row.Returns, static (row, values) => row.Returns = values),
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
        foreach ((string name, _, _, Func<RolloutRow, float[]> get, _) in Numbers)
        {
            ints.Add(name + LengthsSuffix, [.. rows.Select(row => get(row).Length)]);
            floats.Add(name, [.. rows.SelectMany(get)]);
        }

        IEnumerable<SafeTensorInfo> tensors = ints.Select(static pair => new SafeTensorInfo(pair.Key, SafeTensorType.Int32, [pair.Value.Length]))
            .Concat(floats.Select(static pair => new SafeTensorInfo(pair.Key, SafeTensorType.Float32, [pair.Value.Length])));
        string state = Directory.CreateDirectory(Path.Combine(folder, GptCheckpoint.TrainingStateFolder)).FullName;
        SafeTensorsWriter.Write(Path.Combine(state, FileName), tensors, (tensor, stream) =>
            {
                if (tensor.Type == SafeTensorType.Int32) NumberBytes.Write<int>(stream, ints[tensor.Name]);
                else NumberBytes.Write<float>(stream, floats[tensor.Name]);
            }, new Dictionary<string, string>
            {
                ["kl_coefficient"] = rollout.KlCoefficient.ToString("R", CultureInfo.InvariantCulture),
                ["metrics"] = JsonSerializer.Serialize(rollout.Metrics),
            });
    }

    /// <summary>Reads it.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="form">What a rollout of the run has.</param>
    /// <exception cref="CorruptFileException">It is missing, not what it should be, or no rollout of that form, with which a later update would fail, or take the numbers of another token.</exception>
    public static Rollout Read(string folder, RolloutForm form)
    {
        string path = Path.Combine(folder, GptCheckpoint.TrainingStateFolder, FileName);
        if (!File.Exists(path)) throw new CorruptFileException(path, "it is missing: the checkpoint was written in the middle of a rollout.", Remedy);
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        try
        {
            int[] prompts = Ints(Prompts), promptLengths = OfRows(PromptLengths), responseLengths = OfRows(ResponseLengths), flags = OfRows(Flags), tokens = Ints(Tokens);
            Require(prompts.Length == form.RowCount, $"it has {prompts.Length} responses, and a rollout of this run has {form.RowCount}");
            RequireSum(promptLengths.Concat(responseLengths), tokens.Length, Tokens);
            var rows = new RolloutRow[prompts.Length];
            int at = 0;
            for (int i = 0; i < rows.Length; i++)
            {
                Require((uint)prompts[i] < (uint)form.PromptCount, $"response {i} answers prompt {prompts[i]}, and the prompts are 0 to {form.PromptCount - 1}");
                Require(promptLengths[i] >= 1 && responseLengths[i] >= 1, $"response {i} has {promptLengths[i]} tokens of a prompt and {responseLengths[i]} of its own, and each has 1 or more");
                Require(flags[i] is >= 0 and <= 3, $"response {i} has the flags {flags[i]}, and they are 0 to 3");
                int middle = at + promptLengths[i], end = middle + responseLengths[i];
                Require(end - at <= form.Shape.ContextLength, $"response {i} takes {end - at} positions with its prompt, and the policy's context has {form.Shape.ContextLength}");
                int bad = Array.FindIndex(tokens, at, end - at, id => (uint)id >= (uint)form.Shape.VocabularySize);
                Require(bad < 0, $"response {i} has the token {(bad < 0 ? 0 : tokens[bad])}, and the vocabulary has the tokens 0 to {form.Shape.VocabularySize - 1}");
                rows[i] = new(prompts[i], tokens[at..middle], tokens[middle..end], (flags[i] & 1) != 0) { Counts = (flags[i] & 2) != 0 };
                at = end;
            }

            foreach ((string name, bool ofValue, bool one, _, Action<RolloutRow, float[]> set) in Numbers)
            {
                int[] lengths = OfRows(name + LengthsSuffix);
                float[] values = MemoryMarshal.Cast<byte, float>(Bytes(name, SafeTensorType.Float32)).ToArray();
                RequireSum(lengths, values.Length, name);
                int from = 0;
                for (int i = 0; i < rows.Length; i++)
                {
                    int count = ofValue && !form.HasValues ? 0 : rows[i].Response.Length;
                    Require(lengths[i] == count || (one && lengths[i] == 1), $"response {i} has {lengths[i]} {name}, and it must have {count}");
                    set(rows[i], values[from..(from + lengths[i])]);
                    from += lengths[i];
                }
            }

            double[] metrics = StrictJson.Deserialize<double[]>(file.Metadata["metrics"], JsonSerializerOptions.Default) ?? [];
            Require(metrics.Length == form.MetricCount, $"it has {metrics.Length} metrics, and this run has {form.MetricCount}");
            double coefficient = double.Parse(file.Metadata["kl_coefficient"], CultureInfo.InvariantCulture);
            Require(coefficient >= 0 && double.IsFinite(coefficient), FormattableString.Invariant($"its coefficient of the KL is {coefficient}, and it must be 0 or more and finite"));
            return new(rows, coefficient, metrics);
        }
        catch (Exception exception) when (exception is KeyNotFoundException or ArgumentException or IndexOutOfRangeException or FormatException or JsonException or OverflowException)
        {
            throw new CorruptFileException(path, $"it is not a rollout ({exception.Message})", Remedy, exception);
        }

        void Require(bool holds, string problem)
        {
            if (!holds) throw new CorruptFileException(path, problem + ".", Remedy);
        }

        // Lengths of a file from elsewhere: none below 0, and together what there is.
        void RequireSum(IEnumerable<int> lengths, int found, string name)
        {
            long sum = 0;
            foreach (int length in lengths)
            {
                Require(length >= 0, $"a length of its tensor '{name}' is {length}, and it must be 0 or more");
                sum += length;
            }

            Require(sum == found, $"its tensor '{name}' has {found} numbers, and the responses' lengths add up to {sum}");
        }

        int[] OfRows(string name)
        {
            int[] values = Ints(name), rows = Ints(Prompts);
            Require(values.Length == rows.Length, $"its tensor '{name}' has {values.Length} numbers for {rows.Length} responses");
            return values;
        }

        int[] Ints(string name) => MemoryMarshal.Cast<byte, int>(Bytes(name, SafeTensorType.Int32)).ToArray();

        byte[] Bytes(string name, SafeTensorType type) => file.Find(name) is { } found && found.Type == type
            ? file.Bytes(name, 0, checked((int)found.ByteLength)).ToArray()
            : throw new KeyNotFoundException($"tensor '{name}' of type {type.Name()} is missing");
    }
}
