using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Data;

/// <summary>What is wrong with a corpus is said with the values and the remedy; and what a tokenizer is trained on is what the corpus trains on.</summary>
[TestClass]
public sealed class CorpusErrorTests
{
    private const string Remedy = "Write the token file again from the text (Corpus.Build or TokenFileWriter).";

    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz0123456789 😀"]);

    private static readonly string?[] Documents = [.. Enumerable.Range(0, 60).Select(static i => i % 10 == 9 ? null : $"document {i}")];

    [TestMethod]
    public void A_tokenizer_is_trained_on_the_training_side_alone()
    {
        using var folder = new TemporaryFolder();
        foreach (CorpusOptions options in (CorpusOptions[])[new() { ValidationFraction = 0.4 }, new() { ValidationFraction = 0.4, Seed = 7 }, new() { ValidationFraction = 0 }, new() { ValidationFraction = 0.4, Split = CorpusSplit.ByPosition }])
        {
            using Corpus corpus = Corpus.Build(Documents, Letters, folder["corpus"], options);
            CollectionAssert.AreEquivalent(Texts(corpus.Train), Corpus.TrainingTexts(Documents, options).ToArray());
        }

        // "abc😀" has five units; of 0.3 · 5 the cut would halve the pair, and goes before it.
        CollectionAssert.AreEqual(new[] { "abc", "ab" }, Corpus.TrainingTexts(["abc😀", null, "abc"], new() { ValidationFraction = 0.2, Split = CorpusSplit.ByPosition }).ToArray());

        // White space alone is no text to train on, but it is no reason to move another document either.
        CollectionAssert.AreEqual(new[] { " ", "a" }, Corpus.TrainingTexts([" ", "a"], new() { ValidationFraction = 0 }).ToArray());
        Assert.AreEqual("documents", Assert.ThrowsExactly<ArgumentNullException>(() => Corpus.TrainingTexts(null!, new())).ParamName);
        Assert.AreEqual("options", Assert.ThrowsExactly<ArgumentNullException>(() => Corpus.TrainingTexts([], null!)).ParamName);
        Assert.AreEqual("ValidationFraction", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Corpus.TrainingTexts([], new() { ValidationFraction = 1 })).ParamName);
    }

    [TestMethod]
    public void What_is_missing_or_does_not_agree_is_told()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("documents", Assert.ThrowsExactly<ArgumentNullException>(() => Corpus.Build(null!, Letters, folder["a"])).ParamName);
        Assert.AreEqual("tokenizer", Assert.ThrowsExactly<ArgumentNullException>(() => Corpus.Build(["a"], null!, folder["a"])).ParamName);
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentException>(() => Corpus.Open(" ")).ParamName);
        using (Corpus.Build(Documents, Letters, folder["a"])) { }
        foreach (string name in (string[])["corpus.json", "train.tokens", "validation.tokens"])
        {
            File.Move(folder["a/" + name], folder[name]);
            var error = Assert.ThrowsExactly<CheckpointNotFoundException>(() => Corpus.Open(folder["a"]));
            Assert.AreEqual($"'{folder["a/" + name]}' can't be opened: There is no such file. Name a folder that Corpus.Build wrote.", error.Message);
            File.Move(folder[name], folder["a/" + name]);
        }

        string report = folder["a/corpus.json"];
        JsonNode json = JsonNode.Parse(File.ReadAllText(report))!;
        long train = (long)json["TrainTokens"]!, validation = (long)json["ValidationTokens"]!;
        foreach ((string name, int by) in ((string, int)[])[("TrainTokens", 1), ("ValidationTokens", -1)])
        {
            JsonNode changed = json.DeepClone();
            changed[name] = (long)changed[name]! + by;
            File.WriteAllText(report, changed.ToJsonString());
            Assert.AreEqual(
                $"'{report}' can't be read: it reports {changed["TrainTokens"]} training and {changed["ValidationTokens"]} validation tokens; the files beside it hold {train} and {validation}. {Remedy}",
                Assert.ThrowsExactly<CorruptFileException>(() => Corpus.Open(folder["a"])).Message);
        }

        json["ValidationTokens"] = 0; // then the other file is not looked at
        File.WriteAllText(report, json.ToJsonString());
        using (Corpus corpus = Corpus.Open(folder["a"])) Assert.IsNull(corpus.Validation);
        File.WriteAllText(report, "{");
        string message = Assert.ThrowsExactly<CorruptFileException>(() => Corpus.Open(folder["a"])).Message;
        StringAssert.StartsWith(message, $"'{report}' can't be read: it is no valid report (");
        StringAssert.EndsWith(message, $"). {Remedy}");
    }

    // What a writer leaves that was killed between its two renames; Storage/AtomicFolderTests says so.
    [TestMethod]
    public void A_folder_that_was_complete_but_not_in_its_place_is_put_there()
    {
        using var folder = new TemporaryFolder();
        using (Corpus.Build(Documents, Letters, folder["a"])) { }
        Directory.Move(folder["a"], folder[".a.complete"]);
        using (Corpus corpus = Corpus.Open(folder["a"])) Assert.IsGreaterThan(0, corpus.Train.DocumentCount);
        CollectionAssert.AreEqual(new[] { "a" }, folder.Names);
    }

    [TestMethod]
    public void What_can_not_be_opened_is_not_kept_open()
    {
        using var folder = new TemporaryFolder();
        using (Corpus.Build(Documents, Letters, folder["a"]))
        {
            if (OperatingSystem.IsLinux()) CollectionAssert.AreEqual(new[] { "train.tokens", "validation.tokens" }, MappedFiles.In(folder["a"]));
        }

        // 1. The report speaks of other numbers; 2. one of the files is missing; 3. the documents of one go on behind its end.
        string report = folder["a/corpus.json"], text = File.ReadAllText(report);
        JsonNode json = JsonNode.Parse(text)!;
        json["TrainTokens"] = 1;
        File.WriteAllText(report, json.ToJsonString());
        Assert.ThrowsExactly<CorruptFileException>(() => Corpus.Open(folder["a"]));
        Assert.IsEmpty(MappedFiles.In(folder["a"]));
        File.WriteAllText(report, text);
        File.Move(folder["a/validation.tokens"], folder["validation.tokens"]);
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => Corpus.Open(folder["a"]));
        Assert.IsEmpty(MappedFiles.In(folder["a"]));
        byte[] bytes = File.ReadAllBytes(folder["validation.tokens"]);
        bytes[^8]++;
        File.WriteAllBytes(folder["validation.tokens"], bytes);
        Assert.ThrowsExactly<CorruptFileException>(() => TokenFile.Open(folder["validation.tokens"]));
        Assert.IsEmpty(MappedFiles.In(folder.Path));
    }

    [TestMethod]
    public void A_corpus_that_can_not_be_divided_is_told_with_what_to_do()
    {
        AreEqual("The corpus has no documents. Give one document with text, or more.", [], new());
        AreEqual("All 2 documents are empty or white space alone. Give one document with text, or more; check that the text column is the right one.", ["", " "], new());
        AreEqual(
            "The corpus has a single document (read 2, duplicates 1, empty 0), which can't be split by document into training and validation text. Split it by position (CorpusOptions.Split, a trainer's SplitByPosition), set ValidationFraction to 0, or give a validation set of its own.",
            ["abc", "abc"], new());
        AreEqual("No training text is left of 1 documents. Lower ValidationFraction, which is 0.5, or add text.", ["a"], new() { Split = CorpusSplit.ByPosition, ValidationFraction = 0.5 });
        AreEqual("No document, or no character, falls within the validation fraction 1E-09. Raise it, choose another seed, or set it to 0 for no validation.", ["a", "b"], new() { RemoveDuplicates = false, ValidationFraction = 1e-9 });
        StartsWith("ValidationFraction is -1; it must be at least 0 (no validation) and below 1.", new() { ValidationFraction = -1 });
        StartsWith("Split is 7; choose ByDocument or ByPosition.", new() { Split = (CorpusSplit)7 });
        StartsWith("MaxThreads is 0; it must be 1 or more, or null for one a processor.", new() { MaxThreads = 0 });
        new CorpusOptions { MaxThreads = 1, ValidationFraction = 0 }.Validate();

        static void StartsWith(string expected, CorpusOptions options) => StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate).Message, expected);

        static void AreEqual(string expected, string[] documents, CorpusOptions options)
        {
            using var folder = new TemporaryFolder();
            Assert.AreEqual(expected, Assert.ThrowsExactly<EmptyCorpusException>(() => Corpus.Build(documents, Letters, folder["a"], options)).Message);
        }
    }

    [TestMethod]
    public void The_report_is_written_member_by_member_and_told_in_words()
    {
        using var folder = new TemporaryFolder();
        using Corpus corpus = Corpus.Build(["ab", "ab", "", "é😀"[1..], "cde"], Letters, folder["a"], new() { ValidationFraction = 0 });
        // Tokens with an end each: 3 + 2 + 4; bytes: 2 + 4 + 3.
        Assert.AreEqual(
            """{"DocumentsRead":5,"DuplicatesRemoved":1,"EmptyDocumentsSkipped":1,"TrainDocuments":3,"ValidationDocuments":0,"TrainTokens":9,"ValidationTokens":0,"TrainTextBytes":9,"ValidationTextBytes":0}""",
            JsonNode.Parse(File.ReadAllText(folder["a/corpus.json"]))!.ToJsonString());
        StringAssert.StartsWith(File.ReadAllText(folder["a/corpus.json"]).ReplaceLineEndings("\n"), "{\n  \"DocumentsRead\": 5,");
        Assert.AreEqual("1,234 documents read, 1 duplicates removed, 1 empty ones skipped.\nTraining: 3 documents, 9 tokens. Validation: 0 documents, 0 tokens.", (corpus.Report with { DocumentsRead = 1234 }).ToString());
        CollectionAssert.AreEqual(new[] { "corpus.json", "train.tokens" }, TemporaryFolder.NamesIn(folder["a"]));
        Assert.AreEqual(9, corpus.Train.TextByteCount);
    }

    // Documents are tokenized by the chunk: 2,048 of them, or 4 million characters.
    [TestMethod]
    public void Progress_is_reported_by_the_chunk()
    {
        using var folder = new TemporaryFolder();
        var reports = new List<CorpusProgress>();
        using (Corpus.Build(Enumerable.Range(0, 4_100).Select(static i => $"d{i}"), Letters, folder["a"], new() { ValidationFraction = 0 }, new Collect(reports))) { }
        CollectionAssert.AreEqual(new long[] { 2_048, 4_096, 4_100 }, reports.Select(static report => report.DocumentsRead).ToArray());
        using Corpus corpus = Corpus.Open(folder["a"]);
        Assert.AreEqual(corpus.Train.TokenCount, reports[^1].TokensWritten);
    }

    [TestMethod]
    public void Long_documents_fill_a_chunk_by_their_characters()
    {
        using var folder = new TemporaryFolder();
        var reports = new List<CorpusProgress>();
        string[] texts = [.. Enumerable.Range(0, 3).Select(static i => new string((char)('a' + i), 1 << 21))];
        using Corpus corpus = Corpus.Build(texts, Letters, folder["a"], new() { Split = CorpusSplit.ByPosition, ValidationFraction = 0.25 }, new Collect(reports));
        CollectionAssert.AreEqual(new long[] { 2, 3 }, reports.Select(static report => report.DocumentsRead).ToArray());
        Assert.AreEqual((6 << 20) + 6, reports[^1].TokensWritten); // an end for each part
        Assert.AreEqual((6 << 20) * 3 / 4, corpus.Report.TrainTextBytes);
    }

    [TestMethod]
    public void A_cancelled_corpus_reads_no_more_documents()
    {
        using var folder = new TemporaryFolder();
        int read = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => Corpus.Build(Count(), Letters, folder["a"], cancellationToken: new CancellationToken(canceled: true)));
        Assert.IsLessThan(2, read);

        // Nor does it tokenize those that it has read.
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => Corpus.Build(Last(), Letters, folder["a"], cancellationToken: cancellation.Token));
        Assert.IsEmpty(folder.Names);

        IEnumerable<string> Last()
        {
            for (int i = 0; i < 10; i++) yield return $"d{i}";
            cancellation.Cancel();
        }

        IEnumerable<string> Count()
        {
            for (; read < 100; read++) yield return $"d{read}";
        }
    }

    [TestMethod]
    [DataRow("abcd", 0.25, 3)]
    [DataRow("abcd", 0.0, 4)]
    [DataRow("a", 0.5, 0)]
    [DataRow("ab😀d", 0.4, 2)]          // three of five units: the pair stays whole
    public void A_text_is_cut_between_characters(string text, double fraction, int expected) => Assert.AreEqual(expected, CorpusDocument.CutAt(text, fraction));

    // Not as data rows: the attributes of an assembly hold well-formed text alone.
    [TestMethod]
    public void Halves_that_are_no_pair_are_cut_anywhere()
    {
        foreach ((string text, double fraction, int expected) in ((string, double, int)[])[("\uDE00x", 0.9, 0), ("\uD83Dx", 0.5, 1), ("x\uDE00", 0.5, 1), ("\uDE00\uD83D", 0.5, 1)])
            Assert.AreEqual(expected, CorpusDocument.CutAt(text, fraction));
    }

    [TestMethod]
    public void A_document_whose_number_is_the_fraction_itself_is_trained_on()
    {
        // The largest fraction at which a document is still on the training side, by halving, is its number; of 12 documents the sixth has some on either side of it.
        string[] texts = [.. Enumerable.Range(0, 12).Select(static i => $"document {i}")];
        double number = texts.Select(NumberOf).Order().ElementAt(5);
        foreach (double fraction in (double[])[double.BitDecrement(number), number, double.BitIncrement(number)])
        {
            using var folder = new TemporaryFolder();
            var options = new CorpusOptions { ValidationFraction = fraction };
            using Corpus corpus = Corpus.Build(texts, Letters, folder["a"], options);
            Assert.AreEqual(fraction > number ? 6 : 7, corpus.Train.DocumentCount);
            CollectionAssert.AreEquivalent(Corpus.TrainingTexts(texts, options).ToArray(), Texts(corpus.Train));
        }

        double NumberOf(string text)
        {
            (double on, double off) = (0, 1);
            while (double.BitIncrement(on) < off)
            {
                double between = (on + off) / 2;
                if (Corpus.TrainingTexts(texts, new() { ValidationFraction = between }).Contains(text)) on = between;
                else off = between;
            }

            return on;
        }
    }

    [TestMethod]
    public void A_second_file_that_can_not_be_begun_gives_the_first_one_back()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["validation.tokens"]);
        Assert.ThrowsExactly<FolderNotWritableException>(() => new CorpusWriter(folder.Path, Letters, new()));
        AtomicFile.Write(folder["train.tokens"], static stream => stream.WriteByte(1)); // nobody holds it
        CollectionAssert.AreEqual(new[] { "train.tokens", "validation.tokens" }, folder.Names);
    }

    [TestMethod]
    public void A_writer_that_is_given_up_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new CorpusWriter(folder.Path, Letters, new())) writer.Add(CorpusDocument.Whole("abc", 0.5, Letters));
        Assert.IsEmpty(folder.Names);
    }

    [TestMethod]
    public void A_single_token_leaves_no_shorter_context_to_choose()
    {
        using var folder = new TemporaryFolder();
        using TokenFile one = TokenFiles.Write(folder["one"], 4, 3, [1]), two = TokenFiles.Write(folder["two"], 4, 3, [1, 2]);
        Assert.AreEqual($"'{folder["one"]}' gives 2 tokens; one row of context length 2 needs 3. Add text, or lower the context length to 1 or less.", Assert.ThrowsExactly<EmptyCorpusException>(() => new PackedRows(one, 2)).Message);
        Assert.AreEqual($"'{folder["two"]}' gives 3 tokens; one row of context length 7 needs 8. Add text, or lower the context length to 2 or less.", Assert.ThrowsExactly<EmptyCorpusException>(() => new PackedRows(two, 7)).Message);
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => new PackedRows(two, 2).CopyRow(0, new int[4])).Message, "The span has 4 elements; a row of context length 2 fills 3.");

        // A file from elsewhere with one token, the end of a document that is empty: N at byte 24 and the last offset at byte 144 say so.
        byte[] bytes = File.ReadAllBytes(folder["one"]);
        (bytes[24], bytes[144]) = (1, 1);
        File.WriteAllBytes(folder["end"], bytes);
        using TokenFile end = TokenFile.Open(folder["end"]);
        Assert.AreEqual($"'{folder["end"]}' gives 1 tokens; one row of context length 1 needs 2. Add text.", Assert.ThrowsExactly<EmptyCorpusException>(() => new PackedRows(end, 1)).Message);
    }

    private static string[] Texts(TokenFile file)
    {
        var texts = new string[file.DocumentCount];
        for (int i = 0; i < texts.Length; i++)
        {
            TokenRange range = file.RangeOf(i);
            var tokens = new int[range.End - range.Start - 1];
            file.Read(range.Start, tokens);
            texts[i] = Letters.Decode(tokens);
        }

        return texts;
    }

    private sealed class Collect(List<CorpusProgress> reports) : IProgress<CorpusProgress>
    {
        public void Report(CorpusProgress value) => reports.Add(value);
    }
}
