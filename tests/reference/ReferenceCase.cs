using System.Text.Json;

namespace MLNet.Gpt.Tests.Reference;

/// <summary>A model of gpt_reference.py and the logits that numpy computed for it in float64.</summary>
internal sealed record ReferenceCase(string Name, GptConfig Config, IReadOnlyList<ReferenceRow> Rows)
{
    private static readonly Lazy<ReferenceCase[]> Cases = new(ReadAll);

    public static IReadOnlyList<ReferenceCase> All => Cases.Value;

    public static ReferenceCase Named(string name) => All.Single(one => one.Name == name);

    public override string ToString() => Name;

    private static ReferenceCase[] ReadAll()
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "fixtures", "gpt_logits.json")));
        return [.. json.RootElement.GetProperty("cases").EnumerateArray().Select(Read)];
    }

    private static ReferenceCase Read(JsonElement one)
    {
        int? band = one.GetProperty("band").ValueKind == JsonValueKind.Null ? null : one.GetProperty("band").GetInt32();
        var config = new GptConfig
        {
            VocabularySize = one.GetProperty("V").GetInt32(),
            ContextLength = one.GetProperty("T").GetInt32(),
            EmbeddingSize = one.GetProperty("C").GetInt32(),
            LayerCount = one.GetProperty("L").GetInt32(),
            HeadCount = one.GetProperty("H").GetInt32(),
            FeedForwardSize = one.GetProperty("F").GetInt32(),
            BlockForm = one.GetProperty("post").GetBoolean() ? GptBlockForm.PostNorm : GptBlockForm.PreNorm,
        };
        if (band is { } width) config = config with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = width };
        return new ReferenceCase(one.GetProperty("name").GetString()!, config,
        [
            .. one.GetProperty("rows").EnumerateArray().Select(static row => new ReferenceRow(
                [.. row.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32())],
                [.. row.GetProperty("logits").EnumerateArray().Select(static logit => logit.GetSingle())])),
        ]);
    }
}

/// <summary>One sequence: n token ids, and (n, V) logits.</summary>
internal sealed record ReferenceRow(int[] Ids, float[] Logits)
{
    /// <summary>The logits of a position.</summary>
    public ReadOnlySpan<float> At(int position) => Logits.AsSpan(position * (Logits.Length / Ids.Length), Logits.Length / Ids.Length);
}
