using System.Text;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class CorpusTests
{
    private static readonly GptTokenizer Tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz0123456789 <|>é😀"]);

    private static string[] Documents(int count) => [.. Enumerable.Range(0, count).Select(static i => $"document {i}")];

    [TestMethod]
    public void A_tokenizer_is_never_trained_on_nothing_where_all_documents_would_be_validation_text()
    {
        var options = new CorpusOptions { ValidationFraction = 0.999_999 };
        CollectionAssert.AreEqual(new[] { "only" }, Corpus.TrainingTexts([null, "only", " "], options).ToArray());

        // Of several the one whose number lies nearest to the training side: the one that Build moves there.
        string[] texts = ["a b", "c d", "e f", "g h"];
        string moved = Corpus.TrainingTexts(texts, options).Single();
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefgh "]);
        using Corpus corpus = Corpus.Build(texts, tokenizer, folder["corpus"], options);
        Assert.AreEqual(1, corpus.Train.DocumentCount);
        int[] tokens = new int[corpus.Train.TokenCount];
        corpus.Train.Read(0, tokens);
        Assert.AreEqual(moved, tokenizer.Decode(tokens, skipSpecialTokens: true));
    }

    [TestMethod]
    public void A_single_document_that_can_not_be_split_is_said_to_be_one_with_options_that_exist()
    {
        using var folder = new TemporaryFolder();
        string message = Assert.ThrowsExactly<EmptyCorpusException>(() => Corpus.Build(["abc"], GptTokenizer.FromCharacters(["abc"]), folder["corpus"], new())).Message;
        Assert.Contains("a single document", message);
        foreach (string name in (string[])["CorpusOptions.Split", "SplitByPosition", "ValidationFraction"]) Assert.Contains(name, message);
    }

    [TestMethod]
    public void Every_document_is_on_one_side_once_and_nothing_is_lost()
    {
        using var folder = new TemporaryFolder();
        string[] documents = Documents(1_000);
        using Corpus corpus = Corpus.Build(documents, Tokenizer, folder["corpus"], new() { ValidationFraction = 0.2 });
        List<string> train = Texts(corpus.Train), validation = Texts(corpus.Validation!);
        CollectionAssert.AreEquivalent(documents, (string[])[.. train, .. validation]);

        // In the order of the source, but for the document that was held back until both sides had one.
        int[] order = [.. train.Select(text => Array.IndexOf(documents, text))];
        Assert.IsLessThanOrEqualTo(1, order.Zip(order.Skip(1)).Count(static pair => pair.First > pair.Second));

        // Binomial: 200 expected of 1,000, standard deviation √(1000·0.2·0.8) = 12.6; four of them.
        Assert.AreEqual(200, validation.Count, 51);
        CollectionAssert.AreEqual(new[] { "corpus.json", "train.tokens", "validation.tokens" }, TemporaryFolder.NamesIn(folder["corpus"]));
    }

    [TestMethod]
    public void Copies_are_removed_before_the_split_so_that_no_text_is_on_both_sides()
    {
        using var folder = new TemporaryFolder();
        string[] documents = [.. Documents(300), .. Documents(300).Reverse(), .. Documents(100)];
        using Corpus corpus = Corpus.Build(documents, Tokenizer, folder["corpus"], new() { ValidationFraction = 0.5 });
        List<string> train = Texts(corpus.Train), validation = Texts(corpus.Validation!);
        Assert.IsEmpty(train.Intersect(validation));
        Assert.HasCount(300, train.Concat(validation).Distinct());
        Assert.HasCount(300, train.Concat(validation));
        Assert.AreEqual(400L, corpus.Report.DuplicatesRemoved);
        Assert.AreEqual(700L, corpus.Report.DocumentsRead);
    }

    [TestMethod]
    public void Copies_that_are_kept_lie_on_the_same_side()
    {
        using var folder = new TemporaryFolder();
        string[] documents = [.. Documents(100), .. Documents(100)];
        using Corpus corpus = Corpus.Build(documents, Tokenizer, folder["corpus"], new() { ValidationFraction = 0.5, RemoveDuplicates = false });
        List<string> train = Texts(corpus.Train), validation = Texts(corpus.Validation!);
        Assert.IsEmpty(train.Intersect(validation));
        Assert.AreEqual(200, train.Count + validation.Count);
        Assert.AreEqual(0L, corpus.Report.DuplicatesRemoved);
        Assert.ThrowsExactly<EmptyCorpusException>(() => Corpus.Build(["a", "a"], Tokenizer, folder["b"], new() { RemoveDuplicates = false }));
    }

    [TestMethod]
    public void A_documents_side_depends_on_its_text_and_the_seed_and_not_on_the_others()
    {
        using var folder = new TemporaryFolder();
        using Corpus all = Corpus.Build(Documents(500), Tokenizer, folder["all"], new() { ValidationFraction = 0.3 });
        using Corpus some = Corpus.Build(Documents(500).Reverse().Take(250), Tokenizer, folder["some"], new() { ValidationFraction = 0.3 });
        using Corpus other = Corpus.Build(Documents(500), Tokenizer, folder["other"], new() { ValidationFraction = 0.3, Seed = 1 });
        List<string> validation = Texts(all.Validation!);
        Assert.IsTrue(Texts(some.Validation!).All(validation.Contains));
        Assert.IsFalse(Texts(some.Train).Any(validation.Contains));

        // With another seed the sides are independent: of 500, 0.3² on the validation side twice, 45 expected, standard deviation √(500·0.09·0.91) = 6.4.
        Assert.AreEqual(45, Texts(other.Validation!).Intersect(validation).Count(), 26);
    }

    [TestMethod]
    public void The_result_does_not_depend_on_the_number_of_threads()
    {
        using var folder = new TemporaryFolder();
        string[] documents = Documents(5_000);
        using (Corpus.Build(documents, Tokenizer, folder["one"], new() { MaxThreads = 1 })) { }
        using (Corpus.Build(documents, Tokenizer, folder["many"], new() { MaxThreads = 8 })) { }
        foreach (string name in TemporaryFolder.NamesIn(folder["one"]))
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(folder["one"], name)), File.ReadAllBytes(Path.Combine(folder["many"], name)), name);
    }

    [TestMethod]
    public void The_report_counts_documents_copies_empty_ones_tokens_and_bytes()
    {
        using var folder = new TemporaryFolder();
        using Corpus corpus = Corpus.Build(["abc", "", "é😀", null, "abc", " \n"], Tokenizer, folder["corpus"], new() { ValidationFraction = 0 });
        CorpusReport expected = new()
        {
            DocumentsRead = 6,
            DuplicatesRemoved = 1,
            EmptyDocumentsSkipped = 3,
            TrainDocuments = 2,
            ValidationDocuments = 0,
            TrainTokens = 3 + 1 + 2 + 1, // a character a token, and two end-of-text ids
            ValidationTokens = 0,
            TrainTextBytes = 3 + 2 + 4,
            ValidationTextBytes = 0,
        };
        Assert.AreEqual(expected, corpus.Report);
        Assert.AreEqual(9L, corpus.Train.TextByteCount);
        Assert.IsNull(corpus.Validation);
        corpus.Train.RequireTokenizer(Tokenizer);
        using Corpus again = Corpus.Open(folder["corpus"]);
        Assert.AreEqual(expected, again.Report);
        StringAssert.Contains(expected.ToString(), "6 documents read, 1 duplicates removed, 3 empty ones skipped.");
    }

    [TestMethod]
    public void A_special_tokens_text_inside_a_document_is_text()
    {
        using var folder = new TemporaryFolder();
        using Corpus corpus = Corpus.Build(["a<|endoftext|>b"], Tokenizer, folder["corpus"], new() { ValidationFraction = 0 });
        Assert.AreEqual(15 + 1L, corpus.Train.TokenCount); // a, the 13 characters of the special token, b
        Assert.HasCount(1, Texts(corpus.Train));
    }

    [TestMethod]
    public void Split_by_position_the_end_of_each_document_is_validation_text()
    {
        using var folder = new TemporaryFolder();
        string shakespeare = string.Concat(Enumerable.Repeat("to be or not to be ", 100)); // 1,900 characters
        using Corpus corpus = Corpus.Build([shakespeare, "0123456789"], Tokenizer, folder["corpus"], new() { Split = CorpusSplit.ByPosition, ValidationFraction = 0.1 });
        CollectionAssert.AreEqual(new[] { shakespeare[..1_710], "012345678" }, Texts(corpus.Train));
        CollectionAssert.AreEqual(new[] { shakespeare[1_710..], "9" }, Texts(corpus.Validation!));
        Assert.AreEqual(1_710L + 9, corpus.Report.TrainTextBytes);
        Assert.AreEqual(190L + 1, corpus.Report.ValidationTextBytes);
    }

    [TestMethod]
    public void Split_by_position_a_surrogate_pair_stays_whole()
    {
        // "abc😀" has five UTF-16 units; the last half of 0.4 would begin at unit 3, of 0.2 in the middle of the pair at 4.
        using var folder = new TemporaryFolder();
        foreach (double fraction in (double[])[0.4, 0.2])
        {
            using Corpus corpus = Corpus.Build(["abc😀"], Tokenizer, folder["corpus"], new() { Split = CorpusSplit.ByPosition, ValidationFraction = fraction });
            CollectionAssert.AreEqual(new[] { "abc" }, Texts(corpus.Train));
            CollectionAssert.AreEqual(new[] { "😀" }, Texts(corpus.Validation!));
        }
    }

    [TestMethod]
    public void Two_documents_are_enough_for_two_sides()
    {
        // By chance a small corpus would often lie on one side altogether: 0.9^2 = 81 % of the seeds.
        using var folder = new TemporaryFolder();
        for (int seed = 0; seed < 30; seed++)
        {
            foreach (double fraction in (double[])[0.01, 0.5, 0.99])
            {
                using Corpus corpus = Corpus.Build(["a", "b"], Tokenizer, folder["corpus"], new() { Seed = seed, ValidationFraction = fraction });
                CollectionAssert.AreEquivalent(new[] { "a", "b" }, (string[])[.. Texts(corpus.Train), .. Texts(corpus.Validation!)]);
            }
        }
    }

    [TestMethod]
    public void The_document_that_fills_an_empty_side_is_the_one_nearest_to_it()
    {
        // So that with a growing fraction documents only ever move from training to validation.
        using var folder = new TemporaryFolder();
        using Corpus least = Corpus.Build(Documents(20), Tokenizer, folder["least"], new() { ValidationFraction = 1e-9 });
        string nearest = Texts(least.Validation!).Single();
        Assert.HasCount(19, Texts(least.Train));
        for (double fraction = 0.02; fraction < 0.9; fraction += 0.02)
        {
            using Corpus corpus = Corpus.Build(Documents(20), Tokenizer, folder["more"], new() { ValidationFraction = fraction });
            CollectionAssert.Contains(Texts(corpus.Validation!), nearest);
            Assert.AreEqual(20, Texts(corpus.Train).Count + Texts(corpus.Validation!).Count);
        }
    }

    [TestMethod]
    public void A_corpus_without_text_is_refused()
    {
        using var folder = new TemporaryFolder();
        StringAssert.Contains(Assert.ThrowsExactly<EmptyCorpusException>(() => Corpus.Build([], Tokenizer, folder["a"])).Message, "no documents");
        StringAssert.Contains(Assert.ThrowsExactly<EmptyCorpusException>(() => Corpus.Build(["", null, "\t"], Tokenizer, folder["a"])).Message, "All 3 documents are empty");
        StringAssert.Contains(Assert.ThrowsExactly<EmptyCorpusException>(() => Corpus.Build(["a"], Tokenizer, folder["a"])).Message, nameof(CorpusSplit.ByPosition));
        StringAssert.Contains(
            Assert.ThrowsExactly<EmptyCorpusException>(() => Corpus.Build(["a"], Tokenizer, folder["a"], new() { Split = CorpusSplit.ByPosition, ValidationFraction = 0.5 })).Message, "No training text is left");
        Assert.IsEmpty(folder.Names);
    }

    [TestMethod]
    public void A_failure_leaves_the_old_corpus()
    {
        using var folder = new TemporaryFolder();
        using (Corpus.Build(["old one", "old two"], Tokenizer, folder["corpus"])) { }
        Assert.ThrowsExactly<UnknownCharacterException>(() => Corpus.Build(["fine", "Ω"], Tokenizer, folder["corpus"]));
        Assert.ThrowsExactly<FormatException>(() => Corpus.Build(Failing(), Tokenizer, folder["corpus"]));
        using var cancelled = new CancellationTokenSource();
        var progress = new CancelAtOnce(cancelled);
        Assert.ThrowsExactly<OperationCanceledException>(() => Corpus.Build(Documents(10_000), Tokenizer, folder["corpus"], null, progress, cancelled.Token));
        Assert.IsTrue(progress.Last is { DocumentsRead: > 0 and < 10_000, TokensWritten: > 0 });
        using Corpus corpus = Corpus.Open(folder["corpus"]);
        Assert.AreEqual(2L, corpus.Report.DocumentsRead);
        CollectionAssert.AreEqual(new[] { "corpus" }, folder.Names);

        static IEnumerable<string> Failing()
        {
            yield return "fine";
            throw new FormatException();
        }
    }

    [TestMethod]
    public void A_full_disk_leaves_the_old_corpus()
    {
        using var disk = new TinyDisk(kilobytes: 256);
        using (Corpus.Build(["old one", "old two"], Tokenizer, disk["corpus"])) { }
        var error = Assert.ThrowsExactly<DiskFullException>(() => Corpus.Build(Documents(100_000), Tokenizer, disk["corpus"]));
        Assert.AreEqual(disk["corpus"], error.Path); // not the hidden folder that is written
        using Corpus corpus = Corpus.Open(disk["corpus"]);
        Assert.AreEqual(2L, corpus.Report.DocumentsRead);
        CollectionAssert.AreEqual(new[] { "corpus" }, TemporaryFolder.NamesIn(disk.Path));
    }

    [TestMethod]
    public void A_folder_with_something_else_in_it_is_not_replaced()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["notes.txt"], "mine");
        Assert.AreEqual("notes.txt", Assert.ThrowsExactly<FolderNotReplaceableException>(() => Corpus.Build(["a", "b"], Tokenizer, folder.Path)).EntryName);
        Assert.AreEqual("mine", File.ReadAllText(folder["notes.txt"]));
    }

    [TestMethod]
    public void A_damaged_corpus_folder_is_refused()
    {
        using var folder = new TemporaryFolder();
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => Corpus.Open(folder["none"]));
        using (Corpus.Build(Documents(10), Tokenizer, folder["a"])) { }
        string report = File.ReadAllText(folder["a/corpus.json"]);
        foreach (string damaged in (string[])["", "null", "{}", report.Replace("DocumentsRead", "DocumentsSeen", StringComparison.Ordinal), report.Replace("\"TrainTokens\": ", "\"TrainTokens\": 1", StringComparison.Ordinal)])
        {
            File.WriteAllText(folder["a/corpus.json"], damaged);
            Assert.ThrowsExactly<CorruptFileException>(() => Corpus.Open(folder["a"]), damaged);
        }

        // A byte that UTF-8 never has, and half a surrogate pair: in the name of a member.
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(report);
        bytes[bytes.AsSpan().IndexOf("Documents"u8)] = 0xFF;
        File.WriteAllBytes(folder["a/corpus.json"], bytes);
        Assert.ThrowsExactly<CorruptFileException>(() => Corpus.Open(folder["a"]));
        File.WriteAllText(folder["a/corpus.json"], report.Replace("DocumentsRead", "\\ud800", StringComparison.Ordinal));
        Assert.ThrowsExactly<CorruptFileException>(() => Corpus.Open(folder["a"]));
        File.WriteAllText(folder["a/corpus.json"], report);
        File.Delete(folder["a/validation.tokens"]);
        StringAssert.EndsWith(Assert.ThrowsExactly<CheckpointNotFoundException>(() => Corpus.Open(folder["a"])).Path, "validation.tokens");
    }

    [TestMethod]
    public void Options_outside_their_range_are_named()
    {
        foreach (CorpusOptions options in (CorpusOptions[])[new() { ValidationFraction = 1 }, new() { ValidationFraction = -0.1 }, new() { ValidationFraction = double.NaN }])
            Assert.AreEqual(nameof(CorpusOptions.ValidationFraction), Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate).ParamName);
        Assert.AreEqual(nameof(CorpusOptions.MaxThreads), Assert.ThrowsExactly<ArgumentOutOfRangeException>(new CorpusOptions { MaxThreads = 0 }.Validate).ParamName);
        Assert.AreEqual(nameof(CorpusOptions.Split), Assert.ThrowsExactly<ArgumentOutOfRangeException>(new CorpusOptions { Split = (CorpusSplit)7 }.Validate).ParamName);
    }

    [TestMethod]
    public void Shakespeare_is_divided_as_nanoGPT_divides_it()
    {
        string text = File.ReadAllText(TestData.External("tinyshakespeare.txt"));
        using var folder = new TemporaryFolder();
        using Corpus corpus = Corpus.Build([text], GptTokenizer.FromCharacters([text]), folder["corpus"], new() { Split = CorpusSplit.ByPosition });

        // The counts that nanoGPT's preparation of the character corpus prints; here an end-of-text id follows each side.
        Assert.AreEqual(1_003_854 + 1L, corpus.Report.TrainTokens);
        Assert.AreEqual(111_540 + 1L, corpus.Report.ValidationTokens);
    }

    private static List<string> Texts(TokenFile file)
    {
        var texts = new List<string>();
        for (int i = 0; i < file.DocumentCount; i++)
        {
            TokenRange range = file.RangeOf(i);
            var ids = new int[range.Length];
            file.Read(range.Start, ids);
            Assert.AreEqual(file.EndOfTextId, ids[^1]);
            texts.Add(Tokenizer.Decode(ids[..^1]));
        }

        Assert.AreEqual(file.TextByteCount, texts.Sum(static text => (long)Encoding.UTF8.GetByteCount(text)));
        return texts;
    }

    private sealed class CancelAtOnce(CancellationTokenSource source) : IProgress<CorpusProgress>
    {
        public CorpusProgress? Last { get; private set; }

        public void Report(CorpusProgress value)
        {
            Last = value;
            source.Cancel();
        }
    }
}
