using System.Buffers.Binary;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class TokenFileTests
{
    [TestMethod]
    [DataRow(65_536, 2)]
    [DataRow(65_537, 4)]
    public void Documents_come_back_each_with_an_end_of_text_id(int vocabularySize, int bytesPerToken)
    {
        using var folder = new TemporaryFolder();
        int last = vocabularySize - 1;
        using TokenFile file = TokenFiles.Write(folder["a.tokens"], vocabularySize, 7, [1, 2, last], [3], [4, 5]);
        Assert.AreEqual(bytesPerToken, file.BytesPerToken);
        Assert.AreEqual(vocabularySize, file.VocabularySize);
        Assert.AreEqual(7, file.EndOfTextId);
        Assert.AreEqual(TokenFiles.Hash, file.TokenizerHash);
        Assert.AreEqual(9L, file.TokenCount);
        Assert.AreEqual(3, file.DocumentCount);
        var ids = new int[9];
        file.Read(0, ids);
        CollectionAssert.AreEqual(new[] { 1, 2, last, 7, 3, 7, 4, 5, 7 }, ids);
        var part = new long[4];
        file.Read(2, part);
        CollectionAssert.AreEqual(new long[] { last, 7, 3, 7 }, part);
        Assert.AreEqual(new TokenRange(0, 4), file.RangeOf(0));
        Assert.AreEqual(new TokenRange(4, 2), file.RangeOf(1));
        Assert.AreEqual(new TokenRange(6, 3), file.RangeOf(2));
        CollectionAssert.AreEqual(new[] { 0, 0, 0, 0, 1, 1, 2, 2, 2 }, Enumerable.Range(0, 9).Select(token => file.DocumentOf(token)).ToArray());
    }

    // The format as docs/file-formats.md gives it, read by hand.
    [TestMethod]
    public void The_bytes_are_those_of_the_documented_format()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new TokenFileWriter(folder["a"], 300, 299, TokenFiles.Hash))
        {
            writer.Append([0x0102, 5], textByteCount: 11);
            writer.Append([6], textByteCount: 4);
            writer.Complete();
        }

        byte[] bytes = File.ReadAllBytes(folder["a"]);
        Assert.AreEqual("MLGPTTOK", System.Text.Encoding.ASCII.GetString(bytes, 0, 8));
        CollectionAssert.AreEqual(new[] { 1, 2, 300, 299 }, Enumerable.Range(0, 4).Select(i => BitConverter.ToInt32(bytes, 8 + (4 * i))).ToArray());

        // 5 tokens of 2 bytes end at 138; the next multiple of 8 is 144; 3 offsets make 168.
        CollectionAssert.AreEqual(new long[] { 5, 2, 128, 144, 168 }, Enumerable.Range(0, 5).Select(i => BitConverter.ToInt64(bytes, 24 + (8 * i))).ToArray());
        Assert.AreEqual(TokenFiles.Hash, Convert.ToHexStringLower(bytes, 64, 32));
        Assert.AreEqual(15L, BitConverter.ToInt64(bytes, 96));
        Assert.IsTrue(bytes[104..128].All(static b => b == 0));
        CollectionAssert.AreEqual(new ushort[] { 0x0102, 5, 299, 6, 299, 0, 0, 0 }, Enumerable.Range(0, 8).Select(i => BitConverter.ToUInt16(bytes, 128 + (2 * i))).ToArray());
        CollectionAssert.AreEqual(new long[] { 0, 3, 5 }, Enumerable.Range(0, 3).Select(i => BitConverter.ToInt64(bytes, 144 + (8 * i))).ToArray());
        Assert.HasCount(168, bytes);
    }

    [TestMethod]
    [DataRow(200)]
    [DataRow(100_000)]
    public void Many_documents_of_all_lengths_come_back(int vocabularySize)
    {
        // Longer than the writer's buffers of 64 KiB, with documents across their borders.
        using var folder = new TemporaryFolder();
        var random = new Random(1);
        int[][] documents = [.. Enumerable.Range(0, 300).Select(_ => Enumerable.Range(0, random.Next(1, 1_000)).Select(_ => random.Next(vocabularySize)).ToArray())];
        using TokenFile file = TokenFiles.Write(folder["a"], vocabularySize, 3, documents);
        Assert.AreEqual(300, file.DocumentCount);
        Assert.AreEqual(documents.Sum(static document => document.Length + 1L), file.TokenCount);
        for (int i = 0; i < documents.Length; i++)
        {
            TokenRange range = file.RangeOf(i);
            var ids = new int[range.Length];
            file.Read(range.Start, ids);
            CollectionAssert.AreEqual((int[])[.. documents[i], 3], ids);
            Assert.AreEqual(i, file.DocumentOf(range.Start));
            Assert.AreEqual(i, file.DocumentOf(range.End - 1));
        }
    }

    [TestMethod]
    public void Without_completion_there_is_no_file()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new TokenFileWriter(folder["a"], 10, 9, TokenFiles.Hash)) writer.Append([1, 2]);
        Assert.IsEmpty(folder.Names);
    }

    [TestMethod]
    public void A_writer_refuses_what_no_reader_could_use()
    {
        using var folder = new TemporaryFolder();
        using var writer = new TokenFileWriter(folder["a"], 10, 9, TokenFiles.Hash);
        Assert.AreEqual($"No document was written to '{folder["a"]}'. Give one document with text, or more.", Assert.ThrowsExactly<EmptyCorpusException>(writer.Complete).Message);
        Assert.ThrowsExactly<ArgumentException>(() => writer.Append([]));
        TokenOutOfRangeException exception = Assert.ThrowsExactly<TokenOutOfRangeException>(() => writer.Append([1, 10]));
        Assert.AreEqual(10, exception.TokenId);
        StringAssert.Contains(exception.Message, "document 0, position 1");
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => writer.Append([-1]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TokenFileWriter(folder["b"], 10, 10, TokenFiles.Hash));
        Assert.ThrowsExactly<ArgumentException>(() => new TokenFileWriter(folder["b"], 10, 9, TokenFiles.Hash[1..]));

        // The refused document left nothing behind.
        writer.Append([8]);
        writer.Complete();
        using TokenFile file = TokenFile.Open(folder["a"]);
        Assert.AreEqual(2L, file.TokenCount);
    }

    [TestMethod]
    public void Arguments_that_make_no_sense_are_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new TokenFileWriter(folder["a"], 70_000, 9, TokenFiles.Hash.ToUpperInvariant()))
        {
            Assert.AreEqual("textByteCount", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => writer.Append([1], -1)).ParamName);
            var nothing = Assert.ThrowsExactly<ArgumentException>(() => writer.Append([]));
            Assert.AreEqual("document", nothing.ParamName);
            StringAssert.StartsWith(nothing.Message, "The document has no tokens; leave it out.");
            writer.Append([1, 2], 5);
            Assert.AreEqual((3L, 1), (writer.TokenCount, writer.DocumentCount));
            writer.Complete();
        }

        Assert.AreEqual("tokenizer", Assert.ThrowsExactly<ArgumentNullException>(() => new TokenFileWriter(folder["b"], null!)).ParamName);
        Assert.AreEqual("vocabularySize", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TokenFileWriter(folder["b"], 0, 0, TokenFiles.Hash)).ParamName);
        Assert.AreEqual("endOfTextId", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TokenFileWriter(folder["b"], 10, -1, TokenFiles.Hash)).ParamName);
        Assert.AreEqual("tokenizerHash", Assert.ThrowsExactly<ArgumentNullException>(() => new TokenFileWriter(folder["b"], 10, 9, null!)).ParamName);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new TokenFileWriter(folder["b"], 10, 9, "g" + TokenFiles.Hash[1..])).Message, "isn't a SHA-256 of 64 hexadecimal digits");

        using TokenFile file = TokenFile.Open(folder["a"]);
        Assert.AreEqual(TokenFiles.Hash, file.TokenizerHash);
        Assert.AreEqual(5L, file.TextByteCount);
        file.Read(3, Span<int>.Empty);
        file.Read(3, Span<long>.Empty);
        Assert.AreEqual("document", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.RangeOf(-1)).ParamName);
        Assert.AreEqual("document", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.RangeOf(1)).ParamName);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.DocumentOf(-1));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read(2, new int[2])).Message, $"Tokens 2 to 3 were asked for; '{folder["a"]}' holds 3, from 0.");
        Assert.AreEqual("tokenizer", Assert.ThrowsExactly<ArgumentNullException>(() => file.RequireTokenizer(null!)).ParamName);
        Assert.AreEqual("config", Assert.ThrowsExactly<ArgumentNullException>(() => file.RequireModel(null!)).ParamName);
        Assert.ThrowsExactly<ArgumentException>(() => TokenFile.Open(" "));
    }

    [TestMethod]
    public void Tokens_outside_the_file_are_refused()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 10);
        file.Read(10, Span<int>.Empty);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read(-1, new int[1]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read(9, new int[2]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read(long.MaxValue, new long[2]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.RangeOf(1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.DocumentOf(10));
    }

    [TestMethod]
    public void A_closed_file_says_so()
    {
        using var folder = new TemporaryFolder();
        TokenFile file = TokenFiles.Counting(folder, 10);
        file.Dispose();
        file.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => file.Read(0, new int[1]));
        Assert.ThrowsExactly<ObjectDisposedException>(() => file.DocumentOf(0));
    }

    [TestMethod]
    public void A_file_can_be_replaced_while_it_is_open()
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("Windows keeps an open file in place.");
        using var folder = new TemporaryFolder();
        using TokenFile before = TokenFiles.Write(folder["a"], 10, 9, [1, 1, 1]);
        using TokenFile after = TokenFiles.Write(folder["a"], 10, 9, [2]);
        int[] old = new int[4], @new = new int[2];
        before.Read(0, old);
        after.Read(0, @new);
        CollectionAssert.AreEqual(new[] { 1, 1, 1, 9 }, old);
        CollectionAssert.AreEqual(new[] { 2, 9 }, @new);
    }

    [TestMethod]
    public void The_tokenizer_and_the_model_that_a_file_is_used_with_are_checked()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abc"]), other = GptTokenizer.FromCharacters(["abd"]);
        using (var writer = new TokenFileWriter(folder["a"], tokenizer))
        {
            writer.Append(tokenizer.Encode("cab"));
            writer.Complete();
        }

        using TokenFile file = TokenFile.Open(folder["a"]);
        file.RequireTokenizer(tokenizer);
        TokenizerMismatchException exception = Assert.ThrowsExactly<TokenizerMismatchException>(() => file.RequireTokenizer(other));
        StringAssert.Contains(exception.Expected, tokenizer.Hash);
        Assert.AreEqual(other.Hash, exception.Found);
        StringAssert.Contains(exception.Message, "Use the tokenizer that made the file, or write the token file again with this one.");
        file.RequireModel(new GptConfig { VocabularySize = file.VocabularySize });
        exception = Assert.ThrowsExactly<TokenizerMismatchException>(() => file.RequireModel(new GptConfig { VocabularySize = file.VocabularySize - 1 }));
        Assert.AreEqual(("a vocabulary of 4 tokens", "a model of 3"), (exception.Expected, exception.Found));
        StringAssert.Contains(exception.Message, "Set the model's VocabularySize to 4 or more.");
    }

    [TestMethod]
    public void A_full_disk_leaves_the_old_file()
    {
        using var disk = new TinyDisk(kilobytes: 128);
        using (TokenFiles.Write(disk["a"], 10, 9, [1])) { }
        using (var writer = new TokenFileWriter(disk["a"], 70_000, 9, TokenFiles.Hash))
        {
            Assert.ThrowsExactly<DiskFullException>(() => writer.Append(new int[100_000]));
            Assert.ThrowsExactly<ObjectDisposedException>(writer.Complete);
        }

        // 12,000 documents: 48,000 bytes of tokens, which a buffer still holds, and 96,000 of offsets, which come last.
        using (var writer = new TokenFileWriter(disk["a"], 10, 9, TokenFiles.Hash))
        {
            for (int i = 0; i < 12_000; i++) writer.Append([1]);
            Assert.AreEqual(disk["a"], Assert.ThrowsExactly<DiskFullException>(writer.Complete).Path);
        }

        using TokenFile file = TokenFile.Open(disk["a"]);
        Assert.AreEqual(2L, file.TokenCount);
        CollectionAssert.AreEqual(new[] { "a" }, TemporaryFolder.NamesIn(disk.Path));
    }

    [TestMethod]
    public void A_writer_that_was_given_up_says_so()
    {
        using var folder = new TemporaryFolder();
        var writer = new TokenFileWriter(folder["a"], 10, 9, TokenFiles.Hash);
        writer.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => writer.Append(new int[40_000]));
        Assert.ThrowsExactly<ObjectDisposedException>(writer.Complete);
    }

    public static IEnumerable<object[]> Damages => new (string Name, Func<byte[], byte[]> Damage, string Problem)[]
    {
        // The file: header 128, tokens 1 2 9 | 3 9 at 128 (10 bytes), offsets 0 3 5 at 144, 168 bytes.
        ("empty", static _ => [], "it has 0 bytes"),
        ("cut in the header", static b => b[..127], "it has 127 bytes"),
        ("cut behind the header", static b => b[..128], "it has 128 bytes where its header says 168: it is cut short."),
        ("another magic", static b => With(b, 0, (byte)'X'), "it begins with 584C475054544F4B, not with a token file's 4D4C475054544F4B (\"MLGPTTOK\")."),
        ("a newer version", static b => With32(b, 8, 2), "its version is 2; this library reads version 1."),
        ("another token width", static b => With32(b, 12, 4), "it stores 4 bytes a token, where a vocabulary of 10 asks for 2."),
        ("no vocabulary", static b => With32(b, 16, 0), "its vocabulary size is 0; it must be 1 or more."),
        ("end-of-text outside the vocabulary", static b => With32(b, 20, 10), "its end-of-text id 10 is outside the vocabulary of 10."),
        ("negative end-of-text", static b => With32(b, 20, -1), "end-of-text id -1"),
        ("no tokens", static b => With64(b, 24, 0), "holds 0 tokens"),
        ("one token", static b => With64(b, 24, 1), "it says that it holds 2 documents in 1 tokens."),
        ("negative tokens", static b => With64(b, 24, -5), "holds -5 tokens"),
        ("more tokens than bytes", static b => With64(b, 24, 1_000), "1000 tokens, which 168 bytes do not"),
        ("as many tokens as the bytes of the file could be", static b => With64(b, 24, 84), "its document offsets begin at byte 144; 84 tokens put them at 296."),
        ("one token more", static b => With64(b, 24, 85), "it says that it holds 85 tokens, which 168 bytes do not."),
        ("tokens whose size overflows", static b => With64(b, 24, long.MaxValue), "tokens, which 168 bytes do not"),
        ("no documents", static b => With64(b, 32, 0), "holds 0 documents"),
        ("more documents than tokens", static b => With64(b, 32, 6), "holds 6 documents in 5 tokens"),
        ("as many documents as tokens", static b => With64(b, 32, 5), "its length is said to be 168 bytes; 5 tokens and 5 documents make 192."),
        ("documents whose size overflows", static b => With64(b, 32, long.MaxValue), "documents in 5 tokens"),
        ("tokens elsewhere", static b => With64(b, 40, 130), "tokens begin at byte 130"),
        ("offsets inside the tokens", static b => With64(b, 48, 136), "document offsets begin at byte 136"),
        ("offsets past the end", static b => With64(b, 48, long.MaxValue - 7), "document offsets begin at byte"),
        ("another length", static b => With64(b, 56, 200), "said to be 200 bytes"),
        ("cut at the end", static b => b[..^1], "it is cut short"),
        ("something after the end", static b => [.. b, 0], "it is too long"),
        ("a negative text length", static b => With64(b, 96, -1), "said to have -1 bytes"),
        ("a first document that begins late", static b => With64(b, 144, 1), "first document begins at token 1"),
        ("overlapping documents", static b => With64(b, 152, 0), "document 0 begins at token 0 and ends at 0"),
        ("documents in the wrong order", static b => With64(b, 152, 6), "overlap or are empty"),
        ("a last document that ends early", static b => With64(b, 160, 4), "ends at token 4; the file holds 5"),
    }.Select(static damage => new object[] { damage.Name, damage.Damage, damage.Problem });

    [TestMethod]
    [DynamicData(nameof(Damages))]
    public void A_damaged_file_is_refused_with_the_reason_and_the_remedy(string name, Func<byte[], byte[]> damage, string problem)
    {
        using var folder = new TemporaryFolder();
        using (TokenFiles.Write(folder["a"], 10, 9, [1, 2], [3])) { }
        File.WriteAllBytes(folder["b"], damage(File.ReadAllBytes(folder["a"])));
        CorruptFileException exception = Assert.ThrowsExactly<CorruptFileException>(() => TokenFile.Open(folder["b"]), name);
        Assert.AreEqual(folder["b"], exception.Path);
        StringAssert.Contains(exception.Message, problem);
        StringAssert.Contains(exception.Message, "Write the token file again");
    }

    [TestMethod]
    [DataRow(10)]
    [DataRow(70_000)]
    public void A_token_outside_the_vocabulary_is_found_when_it_is_read(int vocabularySize)
    {
        using var folder = new TemporaryFolder();
        int width = vocabularySize > 65_536 ? 4 : 2;
        using (TokenFiles.Write(folder["a"], vocabularySize, 9, [1, 2], [3])) { }
        byte[] bytes = File.ReadAllBytes(folder["a"]);
        if (width == 2) BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(128 + (3 * width)), 10);
        else BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(128 + (3 * width)), uint.MaxValue);
        File.WriteAllBytes(folder["b"], bytes);
        using TokenFile file = TokenFile.Open(folder["b"]);
        file.Read(0, new int[3]);
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => file.Read(1, new int[3])).Message, "token 3 (document 1) is ");
        Assert.ThrowsExactly<CorruptFileException>(() => file.Read(3, new long[1]));
    }

    // The first id that is outside, in either width: 65,535 is the largest number of two bytes.
    [TestMethod]
    [DataRow(65_535)]
    [DataRow(70_000)]
    public void The_first_id_beyond_the_vocabulary_is_found(int vocabularySize)
    {
        using var folder = new TemporaryFolder();
        using (TokenFiles.Write(folder["a"], vocabularySize, 9, [1, 2])) { }
        byte[] bytes = File.ReadAllBytes(folder["a"]);
        if (vocabularySize > 65_536) BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(132), vocabularySize);
        else BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(130), (ushort)vocabularySize);
        File.WriteAllBytes(folder["b"], bytes);
        using TokenFile file = TokenFile.Open(folder["b"]);
        foreach (CorruptFileException exception in new[]
        {
            Assert.ThrowsExactly<CorruptFileException>(() => file.Read(0, new int[3])), Assert.ThrowsExactly<CorruptFileException>(() => file.Read(1, new long[1])),
        })
            StringAssert.Contains(exception.Message, $"token 1 (document 0) is {vocabularySize}, outside the vocabulary of {vocabularySize}.");
    }

    [TestMethod]
    public void A_vocabulary_may_be_the_end_of_the_text_alone()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Write(folder["a"], 1, 0, [0, 0], [0]);
        Assert.AreEqual((1, 0, 5L, 2), (file.VocabularySize, file.EndOfTextId, file.TokenCount, file.DocumentCount));
    }

    [TestMethod]
    public void A_missing_file_is_the_file_systems_own_exception()
    {
        using var folder = new TemporaryFolder();
        string message = Assert.ThrowsExactly<CheckpointNotFoundException>(() => TokenFile.Open(folder["none"])).Message;
        StringAssert.Contains(message, "There is no such file.", StringComparison.OrdinalIgnoreCase);
        StringAssert.Contains(message, "Write it with ");
    }

    private static byte[] With(byte[] bytes, int position, byte value)
    {
        bytes[position] = value;
        return bytes;
    }

    private static byte[] With32(byte[] bytes, int position, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(position), value);
        return bytes;
    }

    private static byte[] With64(byte[] bytes, int position, long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(position), value);
        return bytes;
    }
}
