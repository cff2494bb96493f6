using Microsoft.ML.Data;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

/// <summary>A member of every kind that a row class may have.</summary>
public sealed class EveryKind
{
    public string Text { get; set; } = "";
    public ReadOnlyMemory<char> Characters;
    public float Single { get; set; }
    public double Double;
    public int Int32 { get; set; }
    public long Int64;
    public uint UInt32;
    public bool Boolean { get; set; }
    public string[] Texts = [];
    [VectorType(3)] public float[] Known = [];
    [VectorType] public long[] Unknown { get; set; } = [];
    [VectorType(4)] public VBuffer<float> Sparse;
    [ColumnName("Named")] public int Renamed;
    [NoColumn] public Uri? Ignored;

    public static EveryKind Example(int i) => new()
    {
        Text = $"text {i}",
        Characters = $"characters {i}".AsMemory(),
        Single = i + 0.5f,
        Double = -i - 0.25,
        Int32 = -i,
        Int64 = (long)i << 40,
        UInt32 = (uint)i,
        Boolean = i % 2 == 0,
        Texts = ["a", $"{i}"],
        Known = [i, i + 1, i + 2],
        Unknown = [.. Enumerable.Range(0, i).Select(j => (long)j)],
        Sparse = new(4, 1, [i + 1f], [2]),
        Renamed = 100 + i,
    };
}

public sealed class TextRow
{
    public string Text { get; set; } = "";
}

public sealed class NumberRow
{
    public int Number { get; set; }

    public static IEnumerable<NumberRow> Many(int count) => Enumerable.Range(0, count).Select(i => new NumberRow { Number = i });
}
