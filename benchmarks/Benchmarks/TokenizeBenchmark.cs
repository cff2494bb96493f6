using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;
using QuickStart;
using HuggingFace = Tokenizers.DotNet.Tokenizer;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// GPT-2's vocabulary: encoding and decoding beside Hugging Face's tokenizers (Rust, through Tokenizers.DotNet) and Microsoft.ML.Tokenizers'
/// TiktokenTokenizer, on one and two threads, and 200,000 characters without a break; 20,000 special tokens beside ten. Every text's ids
/// are compared before its time counts.
/// </summary>
internal static class TokenizeBenchmark
{
    // tiktoken's form of GPT-2's pattern for UTF-16: .NET's categories see halves of surrogate pairs.
    private const string Pattern = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const int Breakless = 200_000;

    public static int Run(BenchmarkArguments arguments)
    {
        int repeats = arguments.Int("--repeats", 7), vocabulary = arguments.Int("--vocabulary", 8_192);
        arguments.RefuseOthers();
        string ranks = Repository.TestData("gpt2.tiktoken"), prose = File.ReadAllText(Repository.TestData("tinyshakespeare.txt"));
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-tokenize-").FullName;
        try
        {
            GptTokenizer ours = GptTokenizer.FromTiktoken(ranks);
            ours.Save(folder);
            string json = Path.Combine(folder, "tokenizer.json");
            using var hf = new HuggingFace(json);
            using var second = new HuggingFace(json);
            Tokenizer ml = TiktokenTokenizer.Create(ranks, new RegexPreTokenizer(new Regex(Pattern, RegexOptions.Compiled), specialTokens: null), normalizer: null);
            Console.WriteLine(Invariant($"tokenize: GPT-2's vocabulary of {ours.VocabularySize:N0} tokens, medians of {repeats}, Hugging Face's tokenizers {hf.GetVersion()}, {Environment.ProcessorCount} cores"));

            // 1. Ordinary text, in documents.
            Console.WriteLine("\nMB/s                                 MLNet.Gpt   Hugging Face   Microsoft.ML.Tokenizers");
            string[] documents = Documents(prose);
            Rates one = EncodeRates("prose, encode, 1 thread", documents, [ours], [hf], ml, repeats);
            Rates two = EncodeRates("prose, encode, 2 threads", documents, [ours, ours], [hf, second], ml, repeats);
            string[] markup = Documents(string.Concat(Directory.EnumerateFiles(SdkDocumentation.FindFolder(), "*.xml").Order(StringComparer.Ordinal).Select(File.ReadAllText))[..3_000_000]);
            Rates xml = EncodeRates("XML documentation, encode, 1 thread", markup, [ours], [hf], ml, repeats);
            EncodeRates("XML documentation, encode, 2 threads", markup, [ours, ours], [hf, second], ml, repeats);
            Rates decode = DecodeRates("prose, decode, 1 thread", documents, [ours], [hf], ml, repeats);
            DecodeRates("prose, decode, 2 threads", documents, [ours, ours], [hf, second], ml, repeats);
            double megabytes = Encoding.UTF8.GetByteCount(prose) / 1e6;
            double train = megabytes / Median(Math.Min(repeats, 5), () => GptTokenizer.TrainBytePairEncoding(documents, new() { VocabularySize = vocabulary }));
            Console.WriteLine(Invariant($"{$"prose, train {vocabulary:N0} tokens",-37}{train,9:F2}"));

            // 2. No place to break at.
            Console.WriteLine(Invariant($"\n{Breakless:N0} characters without a break, ms  MLNet.Gpt   Hugging Face   ratio"));
            var worst = new List<(double Ours, double Peer)>();
            foreach ((string name, string text) in WithoutBreaks())
            {
                RequireSame(name, ours.Encode(text), hf.Encode(text));
                (double mine, double peer, _) = Alternate(Math.Min(repeats, 5), () => ours.Encode(text), () => hf.Encode(text), null);
                Console.WriteLine(Invariant($"{name,-37}{mine * 1e3,9:F1}{peer * 1e3,15:F1}{mine / peer,8:F3}"));
                worst.Add((mine, peer));
            }

            // 3. Many special tokens, beside few. One of ours takes the place of the peer.
            (double many, double ten, double files) = SpecialTokens(Math.Min(repeats, 5), Path.Combine(folder, "special"));
            Console.WriteLine(Invariant($"\n20,000 special tokens in a text, encode, ms: {many * 1e3:F1} of 20,000 that there are, {ten * 1e3:F1} of 10; training, saving and loading them {files * 1e3:F0}"));

            (double Ours, double Peer) slowest = worst.MaxBy(times => times.Ours);
            Console.WriteLine();
            Console.WriteLine(Invariant($"tokenize encode_mb={one.Ours:F1} hf_encode_mb={one.HuggingFace:F1} ml_encode_mb={one.Microsoft:F1} ratio={one.Ours / one.HuggingFace:F3} encode2_mb={two.Ours:F1} hf_encode2_mb={two.HuggingFace:F1} xml_encode_mb={xml.Ours:F1} hf_xml_encode_mb={xml.HuggingFace:F1} decode_mb={decode.Ours:F1} hf_decode_mb={decode.HuggingFace:F1} train_mb={train:F2} worst_case_ms={slowest.Ours * 1e3:F1} worst_case_ratio={slowest.Ours / slowest.Peer:F3} worst_case_ratio_max={worst.Max(times => times.Ours / times.Peer):F3} special_ratio={many / ten:F2} special_files_ms={files * 1e3:F0} unit=MB/s"));
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Rates EncodeRates(string name, string[] documents, GptTokenizer[] ours, HuggingFace[] hf, Tokenizer ml, int repeats)
    {
        foreach (string document in documents)
        {
            RequireSame(name, ours[0].Encode(document), hf[0].Encode(document));
            RequireSame(name, ours[0].Encode(document), [.. ml.EncodeToIds(document).Select(id => (uint)id)]);
        }

        return Measure(name, documents, ours.Length, (thread, index) => ours[thread].Encode(documents[index]), (thread, index) => hf[thread].Encode(documents[index]), (_, index) => ml.EncodeToIds(documents[index]), repeats);
    }

    private static Rates DecodeRates(string name, string[] documents, GptTokenizer[] ours, HuggingFace[] hf, Tokenizer ml, int repeats)
    {
        int[][] ids = [.. documents.Select(document => ours[0].Encode(document))];
        uint[][] unsigned = [.. ids.Select(document => Array.ConvertAll(document, id => (uint)id))];
        for (int i = 0; i < documents.Length; i++)
        {
            if (ours[0].Decode(ids[i]) != documents[i] || hf[0].Decode(unsigned[i]) != documents[i] || ml.Decode(ids[i]) != documents[i]) throw new InvalidOperationException($"{name}: document {i} does not decode to itself.");
        }

        return Measure(name, documents, ours.Length, (thread, index) => ours[thread].Decode(ids[index]), (thread, index) => hf[thread].Decode(unsigned[index]), (_, index) => ml.Decode(ids[index]), repeats);
    }

    private static Rates Measure(string name, string[] documents, int threads, Action<int, int> ours, Action<int, int> hf, Action<int, int> ml, int repeats)
    {
        double megabytes = documents.Sum(document => (double)Encoding.UTF8.GetByteCount(document)) / 1e6;
        (double mine, double theirs, double third) = Alternate(repeats, () => All(ours), () => All(hf), () => All(ml));
        var rates = new Rates(megabytes / mine, megabytes / theirs, megabytes / third);
        Console.WriteLine(Invariant($"{name,-37}{rates.Ours,9:F1}{rates.HuggingFace,15:F1}{rates.Microsoft,26:F1}"));
        return rates;

        void All(Action<int, int> work)
        {
            if (threads == 1)
            {
                for (int i = 0; i < documents.Length; i++) work(0, i);
                return;
            }

            Thread[] workers = [.. Enumerable.Range(0, threads).Select(thread => new Thread(() =>
            {
                for (int i = thread; i < documents.Length; i += threads) work(thread, i);
            }))];
            foreach (Thread worker in workers) worker.Start();
            foreach (Thread worker in workers) worker.Join();
        }
    }

    /// <summary>The median times in seconds, taken by turns, so that the machine's moods strike all sides.</summary>
    private static (double Ours, double HuggingFace, double Microsoft) Alternate(int repeats, Action ours, Action hf, Action? ml)
    {
        Action[] sides = ml is null ? [ours, hf] : [ours, hf, ml];
        var times = sides.Select(_ => new List<double>()).ToArray();
        for (int i = 0; i <= repeats; i++)
        {
            for (int side = 0; side < sides.Length; side++)
            {
                double seconds = Seconds(sides[side]);
                if (i > 0) times[side].Add(seconds); // the first warms up
            }
        }

        double[] medians = [.. times.Select(side => side.Order().ElementAt(side.Count / 2))];
        return (medians[0], medians[1], ml is null ? double.NaN : medians[2]);
    }

    private static double Median(int repeats, Action action) => Enumerable.Range(0, repeats).Select(_ => Seconds(action)).Order().ElementAt(repeats / 2);

    private static double Seconds(Action action)
    {
        var clock = Stopwatch.StartNew();
        action();
        return clock.Elapsed.TotalSeconds;
    }

    /// <summary>Documents of some 4,000 characters, cut after lines.</summary>
    private static string[] Documents(string text)
    {
        var documents = new List<string>();
        for (int start = 0; start < text.Length;)
        {
            int end = start + 4_000 < text.Length ? text.IndexOf('\n', start + 4_000) + 1 : 0;
            if (end == 0) end = text.Length;
            documents.Add(text[start..end]);
            start = end;
        }

        return [.. documents];
    }

    private static (double Many, double Ten, double Files) SpecialTokens(int repeats, string folder)
    {
        const int Count = 20_000;
        GptTokenizer many = Train(Count), ten = Train(10);
        string[] order = [.. Enumerable.Range(0, Count).Select(index => $"<extra_id_{index * 7_919 % Count}> word")]; // each once, in no order
        string text = string.Concat(order), few = string.Concat(Enumerable.Range(0, Count).Select(index => $"<extra_id_{index * 7_919 % 10}> word"));
        if (many.Decode(many.Encode(text)) != text || ten.Decode(ten.Encode(few)) != few) throw new InvalidOperationException("special tokens: the text does not decode to itself.");
        (double slow, double fast, _) = Alternate(4 * repeats, () => many.Encode(text), () => ten.Encode(few), null);
        double files = Median(repeats, () =>
        {
            Train(Count).Save(folder);
            GptTokenizer.Load(folder);
        });
        return (slow, fast, files);

        static GptTokenizer Train(int count)
        {
            string[] tokens = [GptTokenizer.EndOfText, .. Enumerable.Range(0, count).Select(index => $"<extra_id_{index}>")];
            return GptTokenizer.TrainBytePairEncoding(["some word and another word"], new() { VocabularySize = 300 + tokens.Length, MinimumFrequency = 1, SpecialTokens = tokens });
        }
    }

    private static IEnumerable<(string Name, string Text)> WithoutBreaks()
    {
        var random = new Random(1);
        yield return ("one emoji", string.Concat(Enumerable.Repeat("👍", Breakless)));
        yield return ("many emoji", string.Concat(Enumerable.Range(0, Breakless).Select(_ => char.ConvertFromUtf32(random.Next(0x1F300, 0x1F5FF)))));
        yield return ("replacement characters", new string('\uFFFD', Breakless)); // as lone surrogates become, which the peer can't be given
        yield return ("one letter", new string('a', Breakless));
        yield return ("letters", new string([.. Enumerable.Range(0, Breakless).Select(_ => (char)random.Next('a', 'z' + 1))]));
        yield return ("a genome", new string([.. Enumerable.Range(0, Breakless).Select(_ => "ACGT"[random.Next(4)])]));
        yield return ("line feeds", new string('\n', Breakless));
        yield return ("=-=-", string.Concat(Enumerable.Repeat("=-", Breakless / 2)));
        yield return ("digits", new string([.. Enumerable.Range(0, Breakless).Select(_ => (char)random.Next('0', '9' + 1))]));
        yield return ("Chinese", new string([.. Enumerable.Range(0, Breakless).Select(_ => (char)random.Next(0x4E00, 0x5800))]));
    }

    private static void RequireSame(string name, int[] ours, uint[] peer)
    {
        if (!ours.Select(id => (uint)id).SequenceEqual(peer)) throw new InvalidOperationException($"{name}: the ids differ ({ours.Length} and {peer.Length} tokens); no time is worth giving.");
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private readonly record struct Rates(double Ours, double HuggingFace, double Microsoft);
}
