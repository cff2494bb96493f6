using CsCheck;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class PackedRowsTests
{
    [TestMethod]
    public void Rows_of_T_plus_one_tokens_share_one_token_with_the_next()
    {
        // 12 tokens 0 … 11, T = 4: rows 0–4, 4–8; a third would end at 12. With the last 3 tokens left over, (12 - 1) / 4 = 2.
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 12);
        var rows = new PackedRows(file, 4);
        Assert.AreEqual(2L, rows.RowCount);
        var row = new int[5];
        rows.CopyRow(0, row);
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3, 4 }, row);
        rows.CopyRow(4, row);
        CollectionAssert.AreEqual(new[] { 4, 5, 6, 7, 8 }, row);
        var wide = new long[5];
        rows.CopyRow(7, wide);
        CollectionAssert.AreEqual(new long[] { 7, 8, 9, 10, 11 }, wide);
        long[] inputs = new long[4], targets = new long[4];
        rows.CopyRow(7, inputs, targets);
        CollectionAssert.AreEqual(new long[] { 7, 8, 9, 10 }, inputs);
        CollectionAssert.AreEqual(new long[] { 8, 9, 10, 11 }, targets);
    }

    [TestMethod]
    public void A_context_of_one_predicts_each_token_from_the_one_before()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 3);
        var rows = new PackedRows(file, 1);
        Assert.AreEqual(2L, rows.RowCount);
        Assert.AreEqual(0, rows.MaxOffset);
        long[] inputs = new long[1], targets = new long[1];
        rows.CopyRow(1, inputs, targets);
        Assert.AreEqual((1L, 2L), (inputs[0], targets[0]));
    }

    [TestMethod]
    public void Each_token_but_the_first_is_predicted_once_whatever_the_offset()
    {
        using var folder = new TemporaryFolder();
        for (int tokens = 2; tokens < 40; tokens++)
        {
            using TokenFile file = TokenFiles.Counting(folder, tokens);
            for (int context = 1; context < tokens; context++)
            {
                var rows = new PackedRows(file, context);
                for (int offset = 0; offset <= rows.MaxOffset; offset++)
                {
                    var predicted = new int[tokens];
                    var targets = new long[context];
                    long count = rows.RowCountFrom(offset);
                    Assert.IsTrue(count >= 1);
                    for (long i = 0; i < count; i++)
                    {
                        rows.CopyRow(offset + (i * context), new long[context], targets);
                        foreach (long target in targets) predicted[target]++;
                    }

                    // Skipped: the offset's tokens, the first one after them, and fewer than T at the end.
                    int left = tokens - 1 - offset - (int)(count * context);
                    Assert.IsTrue(left >= 0 && left < context);
                    for (int token = 0; token < tokens; token++) Assert.AreEqual(token > offset && token < tokens - left ? 1 : 0, predicted[token]);
                }

                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.RowCountFrom(rows.MaxOffset + 1));
            }
        }
    }

    [TestMethod]
    public void A_range_of_documents_is_a_view_of_its_own()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Write(folder["a"], 100, 99, [1, 2, 3], [4, 5], [6], [7, 8]);
        var rows = new PackedRows(file, 2, firstDocument: 1, documentCount: 2);
        Assert.AreEqual(5L, rows.TokenCount); // 4 5 99 6 99
        Assert.AreEqual(2L, rows.RowCount);
        var row = new int[3];
        rows.CopyRow(2, row);
        CollectionAssert.AreEqual(new[] { 99, 6, 99 }, row);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.CopyRow(3, row));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 2, 3, 2));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 2, 4, 1));
    }

    [TestMethod]
    public void The_documents_of_a_row_are_known()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Write(folder["a"], 100, 99, [1, 2, 3], [4, 5], [6], [7, 8]);
        var rows = new PackedRows(file, 3);
        Assert.AreEqual(new DocumentRange(0, 0), rows.DocumentsOf(0)); // 1 2 3 99
        Assert.AreEqual(new DocumentRange(0, 1), rows.DocumentsOf(3)); // 99 4 5 99
        Assert.AreEqual(new DocumentRange(1, 3), rows.DocumentsOf(6)); // 99 6 99 7
        Assert.AreEqual("documents 1 to 3", rows.DocumentsOf(6).ToString());
        Assert.AreEqual("document 0", rows.DocumentsOf(0).ToString());
        Assert.AreEqual(new DocumentRange(2, 3), new PackedRows(file, 2, 2, 2).DocumentsOf(0));
    }

    [TestMethod]
    public void Too_few_tokens_for_one_row_say_what_would_fit()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 5);
        Assert.AreEqual(1L, new PackedRows(file, 4).RowCount);
        EmptyCorpusException exception = Assert.ThrowsExactly<EmptyCorpusException>(() => new PackedRows(file, 5));
        StringAssert.Contains(exception.Message, "gives 5 tokens; one row of context length 5 needs 6. Add text, or lower the context length to 4 or less.");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 0));
    }

    [TestMethod]
    public void A_span_of_another_length_is_refused()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 10);
        var rows = new PackedRows(file, 4);
        Assert.ThrowsExactly<ArgumentException>(() => rows.CopyRow(0, new int[4]));
        Assert.ThrowsExactly<ArgumentException>(() => rows.CopyRow(0, new long[6]));
        Assert.ThrowsExactly<ArgumentException>(() => rows.CopyRow(0, new long[4], new long[5]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.CopyRow(-1, new int[5]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.CopyRow(6, new int[5]));
        Assert.ThrowsExactly<ArgumentException>(() => rows.CopyRow(0, new long[5], new long[4]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.CopyRow(6, new long[5]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.CopyRow(6, new long[4], new long[4]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.DocumentsOf(-1));
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.DocumentsOf(6));
        StringAssert.Contains(exception.Message, "A row can begin at 0 to 5 (10 tokens, context length 4).");
    }

    [TestMethod]
    public void Arguments_that_name_no_rows_are_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Write(folder["a"], 100, 99, [1, 2, 3], [4, 5]);
        Assert.AreEqual("file", Assert.ThrowsExactly<ArgumentNullException>(() => new PackedRows(null!, 2)).ParamName);
        Assert.AreEqual("file", Assert.ThrowsExactly<ArgumentNullException>(() => new PackedRows(null!, 2, 0, 1)).ParamName);
        Assert.AreEqual("contextLength", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 0)).ParamName);
        Assert.AreEqual("firstDocument", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 2, -1, 1)).ParamName);
        Assert.AreEqual("documentCount", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 2, 0, 0)).ParamName);
        Assert.AreEqual("documentCount", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 2, 1, 2)).ParamName);
        Assert.AreEqual("offset", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PackedRows(file, 2).RowCountFrom(-1)).ParamName);
    }

    [TestMethod]
    public void Any_documents_give_every_token_once_and_in_order_whatever_the_context()
    {
        using var folder = new TemporaryFolder();
        Gen.Select(Documents, Gen.Int[1, 12]).Always(
            (documents, context) =>
            {
                using TokenFile file = TokenFiles.Write(folder["any"], 50, 49, documents);
                long[] stream = [.. documents.SelectMany(document => document.Append(49)).Select(token => (long)token)];
                if (stream.Length <= context)
                {
                    Assert.ThrowsExactly<EmptyCorpusException>(() => new PackedRows(file, context));
                    return;
                }

                var rows = new PackedRows(file, context);
                Assert.AreEqual(stream.Length, rows.TokenCount);
                for (int offset = 0; offset <= rows.MaxOffset; offset++)
                {
                    var read = new List<long>();
                    long[] inputs = new long[context], targets = new long[context], row = new long[context + 1];
                    int[] narrow = new int[context + 1];
                    for (long i = 0; i < rows.RowCountFrom(offset); i++)
                    {
                        long start = offset + (i * context);
                        rows.CopyRow(start, inputs, targets);
                        rows.CopyRow(start, row);
                        rows.CopyRow(start, narrow);
                        CollectionAssert.AreEqual(row[..^1], inputs);
                        CollectionAssert.AreEqual(row[1..], targets);
                        CollectionAssert.AreEqual(row, narrow.Select(token => (long)token).ToArray());
                        read.AddRange(inputs);
                    }

                    read.Add(targets[^1]);
                    CollectionAssert.AreEqual(stream[offset..(offset + read.Count)], read);
                    Assert.IsLessThan(context, stream.Length - offset - read.Count, "less than a row is left over");
                }
            },
            iter: 300);
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Any_range_of_documents_holds_their_tokens_alone_and_names_them()
    {
        using var folder = new TemporaryFolder();
        Gen.Select(Documents, Gen.Int[0, 100], Gen.Int[0, 100]).Always(
            (documents, first, count) =>
            {
                first %= documents.Length;
                count = 1 + (count % (documents.Length - first));
                using TokenFile file = TokenFiles.Write(folder["any"], 50, 49, documents);
                long[] stream = [.. documents[first..(first + count)].SelectMany(document => document.Append(49)).Select(token => (long)token)];
                int[] owners = [.. Enumerable.Range(first, count).SelectMany(index => Enumerable.Repeat(index, documents[index].Length + 1))];
                if (stream.Length < 2) return;
                var rows = new PackedRows(file, 1, first, count);
                Assert.AreEqual(stream.Length, rows.TokenCount);
                long[] row = new long[2];
                for (int start = 0; start + 1 < stream.Length; start++)
                {
                    rows.CopyRow(start, row);
                    Assert.AreEqual((stream[start], stream[start + 1]), (row[0], row[1]));
                    Assert.AreEqual(new DocumentRange(owners[start], owners[start + 1]), rows.DocumentsOf(start));
                }

                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.CopyRow(stream.Length - 1, row));
            },
            iter: 300);
    }

    private static Gen<int[][]> Documents => Gen.Int[0, 48].Array[1, 9].Array[1, 8];
}
