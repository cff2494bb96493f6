using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

[TestClass]
public sealed class DataTests
{
    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    public void Objects_become_rows_and_rows_become_objects()
    {
        var data = _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 3).Select(EveryKind.Example));
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3), data.Schema["Known"].Type);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Int64), data.Schema["Unknown"].Type);
        Assert.AreEqual(TextDataViewType.Instance, data.Schema["Text"].Type);
        Assert.IsNull(data.Schema.GetColumnOrNull("Renamed"));
        Assert.IsNull(data.Schema.GetColumnOrNull("Ignored"));

        var rows = _ml.Data.CreateEnumerable<EveryKind>(data, reuseRowObject: false).ToArray();
        Assert.AreEqual(3, rows.Length);
        for (int i = 0; i < 3; i++)
        {
            var (expected, actual) = (EveryKind.Example(i), rows[i]);
            Assert.AreEqual(expected.Text, actual.Text);
            Assert.AreEqual(expected.Characters.ToString(), actual.Characters.ToString());
            Assert.AreEqual((expected.Single, expected.Double, expected.Int32, expected.Int64), (actual.Single, actual.Double, actual.Int32, actual.Int64));
            Assert.AreEqual((expected.UInt32, expected.Boolean, expected.Renamed), (actual.UInt32, actual.Boolean, actual.Renamed));
            CollectionAssert.AreEqual(expected.Texts, actual.Texts);
            CollectionAssert.AreEqual(expected.Known, actual.Known);
            CollectionAssert.AreEqual(expected.Unknown, actual.Unknown);
            Assert.IsFalse(actual.Sparse.IsDense);
            CollectionAssert.AreEqual(expected.Sparse.DenseValues().ToArray(), actual.Sparse.DenseValues().ToArray());
        }
    }

    private sealed class KeyRow
    {
        [KeyType(3)] public uint Key { get; set; }
    }

    [TestMethod]
    public void A_member_counts_its_keys_from_zero_and_a_column_from_one()
    {
        var data = _ml.Data.LoadFromEnumerable(new uint[] { 0, 2, 3 }.Select(key => new KeyRow { Key = key }));
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), data.Schema["Key"].Type);
        // 3 is past the last of three keys, so it is missing.
        CollectionAssert.AreEqual(new uint[] { 1, 3, 0 }, data.GetColumn<uint>("Key").ToArray());
        CollectionAssert.AreEqual(new uint[] { 1, 3, 0 }, _ml.Data.CreateEnumerable<KeyRow>(data, false).Select(row => row.Key).ToArray());
    }

    [TestMethod]
    public void Rows_are_read_only_when_a_cursor_reaches_them()
    {
        int read = 0;
        IEnumerable<NumberRow> Source()
        {
            foreach (var row in NumberRow.Many(100))
            {
                read++;
                yield return row;
            }
        }
        var data = _ml.Data.LoadFromEnumerable(Source());
        using var cursor = data.GetRowCursor(data.Schema);
        Assert.AreEqual(-1, cursor.Position);
        Assert.AreEqual(0, read);
        cursor.MoveNext();
        cursor.MoveNext();
        Assert.AreEqual(2, read);
        Assert.AreEqual(1, cursor.Position);
        Assert.IsNull(data.GetRowCount());
    }

    [TestMethod]
    public void A_column_that_was_not_asked_for_is_inactive()
    {
        var data = _ml.Data.LoadFromEnumerable([EveryKind.Example(1)]);
        using var cursor = data.GetRowCursor([data.Schema["Text"]]);
        Assert.IsTrue(cursor.IsColumnActive(data.Schema["Text"]));
        Assert.IsFalse(cursor.IsColumnActive(data.Schema["Single"]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => cursor.GetGetter<float>(data.Schema["Single"]));
        Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<string>(data.Schema["Text"]));
    }

    [TestMethod]
    public void A_finished_cursor_stays_finished()
    {
        var data = _ml.Data.LoadFromEnumerable(NumberRow.Many(1));
        using var cursor = data.GetRowCursor(data.Schema);
        Assert.IsTrue(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.AreEqual(-1, cursor.Position);
    }

    [TestMethod]
    public void A_null_row_is_an_error()
    {
        var data = _ml.Data.LoadFromEnumerable(new NumberRow[] { new(), null! });
        Assert.ThrowsExactly<InvalidOperationException>(() => data.GetColumn<int>("Number").ToArray());
    }

    [TestMethod]
    public void A_member_without_a_column_is_an_error_unless_it_may_be_missing()
    {
        var data = _ml.Data.LoadFromEnumerable(NumberRow.Many(2));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Data.CreateEnumerable<TextRow>(data, false));
        Assert.AreEqual("", _ml.Data.CreateEnumerable<TextRow>(data, false, ignoreMissingColumns: true).First().Text);
    }

    private sealed class WrongType
    {
        public float Number { get; set; }
    }

    [TestMethod]
    public void A_member_of_another_type_than_its_column_is_an_error()
    {
        var data = _ml.Data.LoadFromEnumerable(NumberRow.Many(2));
        Assert.ThrowsExactly<InvalidOperationException>(() => _ml.Data.CreateEnumerable<WrongType>(data, false));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => data.GetColumn<float>("Number"));
    }

    [TestMethod]
    public void A_reused_row_object_is_one_object()
    {
        var data = _ml.Data.LoadFromEnumerable(NumberRow.Many(3));
        Assert.AreEqual(1, _ml.Data.CreateEnumerable<NumberRow>(data, reuseRowObject: true).ToHashSet(ReferenceEqualityComparer.Instance).Count);
    }

    [TestMethod]
    public void A_list_is_read_by_one_cursor_and_a_cache_by_several_that_share_the_rows()
    {
        var list = _ml.Data.LoadFromEnumerable(NumberRow.Many(1000).ToList());
        Assert.AreEqual(1000, list.GetRowCount());
        Assert.AreEqual(1, list.GetRowCursorSet(list.Schema, 4).Length);

        var cache = _ml.Data.Cache(list);
        var cursors = cache.GetRowCursorSet(cache.Schema, 4);
        Assert.AreEqual(4, cursors.Length);
        var seen = new List<int>();
        Parallel.ForEach(cursors, cursor =>
        {
            using (cursor)
            {
                var get = cursor.GetGetter<int>(cache.Schema["Number"]);
                long batch = -1;
                int value = 0, last = -1;
                while (cursor.MoveNext())
                {
                    Assert.IsTrue(cursor.Batch >= batch, "batches come in order");
                    batch = cursor.Batch;
                    get(ref value);
                    Assert.IsTrue(value > last, "and rows within them");
                    last = value;
                    lock (seen)
                        seen.Add(value);
                }
            }
        });
        CollectionAssert.AreEquivalent(Enumerable.Range(0, 1000).ToArray(), seen);
    }

    [TestMethod]
    public void A_cache_reads_each_column_of_its_source_once()
    {
        int read = 0;
        var cache = _ml.Data.Cache(_ml.Data.LoadFromEnumerable(NumberRow.Many(10).Select(row =>
        {
            read++;
            return row;
        })));
        for (int i = 0; i < 3; i++)
            CollectionAssert.AreEqual(Enumerable.Range(0, 10).ToArray(), cache.GetColumn<int>("Number").ToArray());
        Assert.AreEqual(10, read);
    }

    [TestMethod]
    public void A_split_puts_each_row_on_one_side_and_stays_the_same()
    {
        var data = _ml.Data.LoadFromEnumerable(NumberRow.Many(1000));
        var split = _ml.Data.TrainTestSplit(data, testFraction: 0.2);
        int[] test = [.. split.TestSet.GetColumn<int>("Number")];
        int[] train = [.. split.TrainSet.GetColumn<int>("Number")];
        CollectionAssert.AreEquivalent(Enumerable.Range(0, 1000).ToArray(), test.Concat(train).ToArray());
        // 200 expected, with a standard deviation of sqrt(1000 * 0.2 * 0.8) = 12.6; five of them either way.
        Assert.IsTrue(Math.Abs(test.Length - 200) < 64, $"{test.Length} of 1000");
        CollectionAssert.AreEqual(test, split.TestSet.GetColumn<int>("Number").ToArray());
        CollectionAssert.AreEqual(test, new MLContext(seed: 1).Data.TrainTestSplit(data, 0.2).TestSet.GetColumn<int>("Number").ToArray());
        CollectionAssert.AreNotEqual(test, _ml.Data.TrainTestSplit(data, 0.2, seed: 7).TestSet.GetColumn<int>("Number").ToArray());
        Assert.AreEqual(1, split.TrainSet.Schema.Count);
    }

    [TestMethod]
    public void Taking_and_skipping_count_rows()
    {
        var data = _ml.Data.LoadFromEnumerable(NumberRow.Many(10));
        CollectionAssert.AreEqual(new[] { 3, 4 }, _ml.Data.TakeRows(_ml.Data.SkipRows(data, 3), 2).GetColumn<int>("Number").ToArray());
        CollectionAssert.AreEqual(Array.Empty<int>(), _ml.Data.SkipRows(data, 11).GetColumn<int>("Number").ToArray());
    }
}
