using Microsoft.ML.Data;

namespace MLNet.Gpt.Transforms.Tests.Text;

/// <summary>A row with a column of each form that a cursor has to carry along.</summary>
internal sealed class Row
{
    public string Text { get; set; } = "";

    public float Number { get; set; }

    [VectorType(2)]
    public float[] Pair { get; set; } = [];

    public string[] Words { get; set; } = [];

    [KeyType(10)]
    public uint Key { get; set; }

    /// <summary>Rows whose vectors have different lengths, so that a reused buffer would show.</summary>
    public static Row[] Make(params string[] texts) =>
    [
        .. texts.Select((text, i) => new Row
        {
            Text = text,
            Number = i + 0.5f,
            Pair = [i, -i],
            Words = [.. Enumerable.Range(0, (i * 5) % 4).Select(w => $"{i}.{w}")],
            Key = (uint)(i % 10), // ML.NET's own reading of it is one more: 0 is its missing value
        }),
    ];
}

/// <summary>A row as the generating pipelines of the tests make it.</summary>
internal sealed class AnsweredRow
{
    public string Text { get; set; } = "";

    public float Number { get; set; }

    [VectorType(2)]
    public float[] Pair { get; set; } = [];

    public string[] Words { get; set; } = [];

    [KeyType(10)]
    public uint Key { get; set; }

    public string Answer { get; set; } = "";

    public string Reason { get; set; } = "";

    public int Count { get; set; }

    /// <summary>All of it as one text, to compare.</summary>
    public override string ToString() => $"{Text}|{Number}|{string.Join(",", Pair)}|{string.Join(",", Words)}|{Key}|{Answer}|{Reason}|{Count}";
}
