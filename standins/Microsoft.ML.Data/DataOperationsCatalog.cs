using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

public sealed class DataOperationsCatalog
{
    private readonly int? _environmentSeed;

    internal DataOperationsCatalog(IHostEnvironment env, int? environmentSeed)
    {
        Environment = env;
        _environmentSeed = environmentSeed;
    }

    internal IHostEnvironment Environment { get; }

    public IDataView LoadFromEnumerable<TRow>(IEnumerable<TRow> data, SchemaDefinition schemaDefinition = null) where TRow : class
    {
        Contracts.CheckValue(data, nameof(data));
        return new EnumerableDataView<TRow>(data, new(schemaDefinition));
    }

    public IEnumerable<TRow> CreateEnumerable<TRow>(
        IDataView data, bool reuseRowObject, bool ignoreMissingColumns = false, SchemaDefinition schemaDefinition = null) where TRow : class, new()
    {
        Contracts.CheckValue(data, nameof(data));
        return Enumerate(data, new ObjectFiller<TRow>(data.Schema, ignoreMissingColumns, schemaDefinition), reuseRowObject);
    }

    public IDataView Cache(IDataView input, params string[] columnsToPrefetch)
    {
        Contracts.CheckValue(input, nameof(input));
        var columns = (columnsToPrefetch ?? []).Select(name =>
            input.Schema.GetColumnOrNull(name) ?? throw Contracts.ExceptMissingColumn("prefetch", name)).ToArray();
        var cache = new CacheDataView(input);
        if (columns.Length > 0)
            cache.Prefetch(columns);
        return cache;
    }

    public IDataView SkipRows(IDataView input, long count)
    {
        Contracts.CheckValue(input, nameof(input));
        Contracts.CheckParam(count > 0, nameof(count), "Must be greater than zero.");
        return new RowFilter(input, () =>
        {
            long row = 0;
            return () => row++ < count ? RowFilter.Verdict.Skip : RowFilter.Verdict.Take;
        });
    }

    public IDataView TakeRows(IDataView input, long count)
    {
        Contracts.CheckValue(input, nameof(input));
        Contracts.CheckParam(count > 0, nameof(count), "Must be greater than zero.");
        return new RowFilter(input, () =>
        {
            long row = 0;
            return () => row++ < count ? RowFilter.Verdict.Take : RowFilter.Verdict.Stop;
        });
    }

    public TrainTestData TrainTestSplit(IDataView data, double testFraction = 0.1, string samplingKeyColumnName = null, int? seed = null)
    {
        Contracts.CheckValue(data, nameof(data));
        Contracts.CheckParam(testFraction is > 0 and < 1, nameof(testFraction), "Must be between 0 and 1 exclusive");
        return Split(data, samplingKeyColumnName, seed, draw => draw < testFraction);
    }

    /// <summary>Each row is in the test set of one fold and in the training set of the others.</summary>
    internal IEnumerable<TrainTestData> Folds(IDataView data, int numberOfFolds, string samplingKeyColumnName, int? seed)
    {
        Contracts.CheckValue(data, nameof(data));
        Contracts.CheckParam(numberOfFolds > 1, nameof(numberOfFolds), "Must be more than 1");
        for (int i = 0; i < numberOfFolds; i++)
        {
            int fold = i;
            yield return Split(data, samplingKeyColumnName, seed, draw => (int)(draw * numberOfFolds) == fold);
        }
    }

    private TrainTestData Split(IDataView data, string samplingKeyColumnName, int? seed, Func<double, bool> isTest)
    {
        if (samplingKeyColumnName is not null)
            throw new NotSupportedException("The stand-in can't split by a sampling key.");
        int usedSeed = seed ?? _environmentSeed ?? 42;
        return new(Side(test: false), Side(test: true));

        IDataView Side(bool test) => new RowFilter(data, () =>
        {
            var random = new Random(usedSeed);
            return () => isTest(random.NextDouble()) == test ? RowFilter.Verdict.Take : RowFilter.Verdict.Skip;
        });
    }

    private static IEnumerable<TRow> Enumerate<TRow>(IDataView data, ObjectFiller<TRow> filler, bool reuseRowObject) where TRow : class, new()
    {
        using var cursor = data.GetRowCursor(filler.Columns);
        var fill = filler.Bind(cursor);
        TRow row = null;
        while (cursor.MoveNext())
        {
            if (!reuseRowObject || row is null)
                row = new();
            fill(row);
            yield return row;
        }
    }

    public struct TrainTestData
    {
        public readonly IDataView TrainSet;
        public readonly IDataView TestSet;

        internal TrainTestData(IDataView trainSet, IDataView testSet)
        {
            TrainSet = trainSet;
            TestSet = testSet;
        }
    }
}
