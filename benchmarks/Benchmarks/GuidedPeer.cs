using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using MLNet.Gpt.Core.Tests.Generation.Constraints;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// onnxruntime-genai's guidance (llguidance) beside constraints of this library: one small package with GPT-2's vocabulary, greedy texts after the same prompts, with and without the constraint. What a token costs more
/// with it is the constraint's cost.
/// </summary>
internal static class GuidedPeer
{
    private const int MaxTokens = 200;

    /// <summary>Measures both engines.</summary>
    /// <param name="tokenizer">GPT-2's vocabulary.</param>
    /// <param name="texts">The texts of each constraint.</param>
    /// <returns>The pairs of the benchmark's last line.</returns>
    public static string Run(GptTokenizer tokenizer, int texts)
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-guided-").FullName;
        try
        {
            var config = new GptConfig { VocabularySize = tokenizer.VocabularySize, ContextLength = MaxTokens + 8, EmbeddingSize = 64, LayerCount = 1, HeadCount = 1 };
            OnnxExporter.Write(new RandomWeights(config), folder + "/package", new OnnxExportOptions { EndOfTextId = tokenizer.EndOfTextId, TokenizerHash = tokenizer.Hash });
            tokenizer.Save(folder + "/package");
            GenAiConfigJson.WriteTokenizerConfig(folder + "/package", tokenizer, config.ContextLength);
            return Run(folder + "/package", tokenizer, texts);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Run(string package, GptTokenizer tokenizer, int texts)
    {
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        using var peer = new Model(package);
        int[][] prompts = [.. Enumerable.Range(0, texts).Select(static i => new[] { 1_000 + (37 * i) })];
        (string Kind, string Guidance, string Data, TextConstraint Constraint, Func<string, bool> IsValid)[] cases =
        [
            .. ConstraintSamples.Schemas.Select(schema =>
            {
                var judge = Json.Schema.JsonSchema.FromText(schema);
                return ("schema", "json_schema", schema, TextConstraint.JsonSchema(schema), (Func<string, bool>)(text => IsValidJson(judge, text)));
            }),
            .. ConstraintSamples.Expressions.Select(static pattern =>
                ("regex", "regex", pattern, TextConstraint.Regex(pattern), (Func<string, bool>)(text => Regex.IsMatch(text, $@"\A(?:{pattern})\z", RegexOptions.CultureInvariant)))),
        ];

        // 1. A token without a constraint: the least of three, after one to warm up.
        double ownFree = Enumerable.Range(0, 4).Select(_ => Own(null)).Skip(1).Min(static run => run.Micros), peerFree = Enumerable.Range(0, 4).Select(_ => Peer(null, null)).Skip(1).Min(static run => run.Micros);
        Console.WriteLine(Invariant($"\nbeside onnxruntime-genai's guidance, {texts} greedy texts of each constraint, {MaxTokens} tokens at most; a token without one: ours {ownFree:F1} µs, genai {peerFree:F1} µs"));
        Console.WriteLine("kind        ours: µs/token more   begin ms   tokens   invalid   open     genai: µs/token more   begin ms   tokens   invalid   open   refused");

        // 2. Each constraint by both; a constraint that the peer refuses counts for neither.
        var results = new List<string>();
        foreach (var kind in cases.GroupBy(static item => item.Kind))
        {
            List<Outcome> ours = [], theirs = [];
            int refused = 0;
            foreach ((_, string guidance, string data, TextConstraint constraint, Func<string, bool> isValid) in kind)
            {
                try
                {
                    Outcome other = Peer(guidance, data, isValid), own = Own(constraint, isValid);
                    ours.Add(own);
                    theirs.Add(other);
                }
                catch (OnnxRuntimeGenAIException exception)
                {
                    refused++;
                    Console.WriteLine($"  genai refuses {data[..Math.Min(60, data.Length)]}: {exception.Message.Split('\n')[0]}");
                }
            }

            Console.WriteLine(Invariant($"{kind.Key,-10}{More(ours, ownFree),21:F1}{Begin(ours),11:F1}{ours.Sum(static one => one.Tokens),9}{ours.Sum(static one => one.Invalid),10}{ours.Sum(static one => one.Open),7}{More(theirs, peerFree),25:F1}{Begin(theirs),11:F1}{theirs.Sum(static one => one.Tokens),9}{theirs.Sum(static one => one.Invalid),10}{theirs.Sum(static one => one.Open),7}{refused,10}"));
            results.Add(Invariant($"{kind.Key}_us={More(ours, ownFree):F1} {kind.Key}_genai_us={More(theirs, peerFree):F1} {kind.Key}_genai_invalid={theirs.Sum(static one => one.Invalid)} {kind.Key}_genai_refused={refused}"));
        }

        return string.Join(' ', results);

        static double More(List<Outcome> runs, double free) => (runs.Sum(static run => run.Micros * run.Tokens) / runs.Sum(static run => run.Tokens)) - free;

        static double Begin(List<Outcome> runs) => runs.Average(static run => run.BeginMs);

        Outcome Own(TextConstraint? constraint, Func<string, bool>? isValid = null)
        {
            var clock = Stopwatch.StartNew();
            ITokenConstraint? compiled = constraint?.Compile(tokenizer);
            double begin = clock.Elapsed.TotalMilliseconds, micros = 0;
            int tokens = 0, invalid = 0, open = 0;
            foreach (int[] prompt in prompts)
            {
                clock.Restart();
                GeneratedSequence sequence = TokenGenerator.Generate(model.Engine, [prompt], new() { Temperature = 0, MaxNewTokens = MaxTokens, StopAtEndOfText = constraint is not null }, tokenizer.EndOfTextId, constraint: compiled)[0];
                micros += clock.Elapsed.TotalMicroseconds;
                tokens += sequence.TokenIds.Count;
                if (sequence.FinishReason != FinishReason.StopToken) open++;
                else if (isValid is not null && !isValid(tokenizer.Decode(sequence.TokenIds))) invalid++;
            }

            return new(micros / tokens, begin, tokens, invalid, open);
        }

        Outcome Peer(string? guidance, string? data, Func<string, bool>? isValid = null)
        {
            double begin = 0, micros = 0;
            int tokens = 0, invalid = 0, open = 0;
            foreach (int[] prompt in prompts)
            {
                using var parameters = new GeneratorParams(peer);
                parameters.SetSearchOption("max_length", prompt.Length + MaxTokens);
                parameters.SetSearchOption("do_sample", false);
                if (guidance is null) parameters.SetSearchOption("min_length", prompt.Length + MaxTokens);
                else parameters.SetGuidance(guidance, data!);
                var clock = Stopwatch.StartNew();
                using var generator = new Generator(peer, parameters);
                if (tokens == 0) begin = clock.Elapsed.TotalMilliseconds; // the first of a grammar compiles it
                clock.Restart();
                generator.AppendTokens(prompt);
                while (!generator.IsDone()) generator.GenerateNextToken();
                micros += clock.Elapsed.TotalMicroseconds;
                int[] written = generator.GetSequence(0)[prompt.Length..].ToArray();
                tokens += written.Length;
                if (written.Length == MaxTokens) open++; // the token that ends a text is not among those it gives
                else if (isValid is not null && !isValid(tokenizer.Decode(written.Where(id => id != tokenizer.EndOfTextId)))) invalid++;
            }

            return new(micros / tokens, begin, tokens, invalid, open);
        }
    }

    private static bool IsValidJson(Json.Schema.JsonSchema judge, string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return judge.Evaluate(document.RootElement, new() { RequireFormatValidation = true }).IsValid;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Outcome(double Micros, double BeginMs, int Tokens, int Invalid, int Open);
}
