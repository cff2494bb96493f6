using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using MLNet.Gpt.Core.Tests.Generation.Constraints;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Texts of an untrained model (noise for logits) with GPT-2's vocabulary under schemas, regular expressions and grammars: whether JsonSchema.Net and .NET's Regex find them valid, and what
/// the mask of a token costs, at first and once its states are known, beside choosing a token freely. Then onnxruntime-genai's guidance under the same schemas and expressions (<see cref="GuidedPeer"/>).
/// </summary>
internal static class ConstrainedBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        int count = arguments.Int("--texts", 2_000), peerTexts = arguments.Int("--peer-texts", 3);
        arguments.RefuseOthers();
        GptTokenizer tokenizer = GptTokenizer.FromTiktoken(Repository.TestData("gpt2.tiktoken"));
        using var model = new UntrainedModel(tokenizer.VocabularySize, 8_192);
        List<(string Kind, TextConstraint Constraint, Func<string, bool> IsValid)> cases =
        [
            .. ConstraintSamples.Schemas.Select(schema =>
            {
                var judge = Json.Schema.JsonSchema.FromText(schema);
                return ("schema", TextConstraint.JsonSchema(schema), (Func<string, bool>)(text =>
                {
                    using JsonDocument document = JsonDocument.Parse(text);
                    return judge.Evaluate(document.RootElement, new() { RequireFormatValidation = true }).IsValid;
                }));
            }),
            .. ConstraintSamples.Expressions.Select(pattern => ("regex", TextConstraint.Regex(pattern), (Func<string, bool>)(text => Regex.IsMatch(text, $@"\A(?:{pattern})\z", RegexOptions.CultureInvariant)))),
            .. ConstraintSamples.Grammars.Select(grammar => ("grammar", TextConstraint.Grammar(grammar), (Func<string, bool>)(static _ => true))), // no independent judge of a grammar
        ];
        int each = (count + cases.Count - 1) / cases.Count;
        Console.WriteLine(Invariant($"constrained: {cases.Count} constraints, {each} texts of each, an untrained model, GPT-2's vocabulary of {tokenizer.VocabularySize:N0} tokens"));
        Console.WriteLine("\nkind        compile ms   first µs/token   known µs/token    99 %   tokens   invalid   unfinished");
        Stopwatch trie = Stopwatch.StartNew();
        TextConstraint.Choice("a").Compile(tokenizer);
        double trieMs = trie.Elapsed.TotalMilliseconds;

        List<double> allKnown = [];
        int invalid = 0, unfinished = 0, texts = 0;
        double firstSum = 0, chooseSum = 0;
        long firstTokens = 0;
        foreach (var kind in cases.GroupBy(item => item.Kind))
        {
            List<double> first = [], known = [];
            int wrong = 0, open = 0;
            double compile = 0;
            foreach ((_, TextConstraint constraint, Func<string, bool> isValid) in kind)
            {
                Stopwatch watch = Stopwatch.StartNew();
                ITokenConstraint compiled = constraint.Compile(tokenizer);
                compile += watch.Elapsed.TotalMilliseconds;
                var timed = new Timed(compiled, first);
                IReadOnlyList<GeneratedSequence> sequences = Generate(timed, each);
                foreach (GeneratedSequence sequence in sequences)
                {
                    texts++;
                    if (sequence.FinishReason != FinishReason.StopToken) open++;
                    else if (!isValid(tokenizer.Decode(sequence.TokenIds))) wrong++;
                }

                // Once more: the same texts, whose states are all known.
                Stopwatch again = Stopwatch.StartNew();
                timed.Times = known;
                int before = known.Count;
                Generate(timed, each);
                chooseSum += again.Elapsed.TotalMicroseconds - known.Skip(before).Sum();
            }

            known.Sort();
            Console.WriteLine(Invariant($"{kind.Key,-10}{compile / kind.Count(),12:F1}{first.Average(),17:F1}{known.Average(),17:F1}{known[(int)(known.Count * 0.99)],8:F1}{known.Count,9:N0}{wrong,10}{open,13}"));
            (firstSum, firstTokens) = (firstSum + first.Sum(), firstTokens + first.Count);
            allKnown.AddRange(known);
            invalid += wrong;
            unfinished += open;
        }

        allKnown.Sort();
        string peer = peerTexts > 0 ? GuidedPeer.Run(tokenizer, peerTexts) + " " : "";
        Console.WriteLine();
        Console.WriteLine(Invariant($"constrained {peer}known_us={allKnown.Average():F2} known_p99_us={allKnown[(int)(allKnown.Count * 0.99)]:F2} first_us={firstSum / firstTokens:F1} choose_us={chooseSum / allKnown.Count:F1} trie_ms={trieMs:F0} texts={texts} invalid={invalid} unfinished={unfinished} tokens={allKnown.Count} unit=us/token"));
        return invalid == 0 ? 0 : 1;

        IReadOnlyList<GeneratedSequence> Generate(ITokenConstraint constraint, int samples) => TokenGenerator.Generate(
            model, [[tokenizer.EndOfTextId]], new() { SamplesPerPrompt = samples, Seed = 1, MaxNewTokens = 8_000 }, tokenizer.EndOfTextId, constraint: constraint);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>A constraint whose masks note how long they take, in microseconds.</summary>
    private sealed class Timed(ITokenConstraint inner, List<double> times) : ITokenConstraint
    {
        public List<double> Times { get; set; } = times;

        public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds) => new Mask(this, inner.Begin(promptTokenIds, stopTokenIds));

        private sealed class Mask(Timed owner, ITokenMask mask) : ITokenMask
        {
            public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
            {
                long begin = Stopwatch.GetTimestamp();
                mask.Apply(newTokenIds, logits);
                owner.Times.Add(Stopwatch.GetElapsedTime(begin).TotalMicroseconds);
            }
        }
    }
}
