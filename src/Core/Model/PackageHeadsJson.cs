using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>The object <c>mlnet_gpt_heads</c> in the <c>config.json</c> of a package that has several heads over one trunk: each head by its name.</summary>
internal static class PackageHeadsJson
{
    private const string Section = "mlnet_gpt_heads";
    private const string Kind = "kind", Output = "output", FirstToken = "first_token_id", Pooling = "pooling", Normalize = "normalize";
    private const string Remedy = "Export the model again, or copy the whole package again.";

    /// <summary>Writes the object, where there are heads.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<PackageHead> heads)
    {
        if (heads.Count == 0) return;
        json.WriteStartObject(Section);
        foreach (PackageHead head in heads)
        {
            json.WriteStartObject(head.Name);
            json.WriteString(Kind, head.Kind.ToString());
            json.WriteString(Output, head.Output);
            if (head.AddedTokenCount > 0) json.WriteNumber(FirstToken, head.FirstTokenId);
            if (head.Classifier is { } classifier) ClassifierConfigJson.WriteHead(json, classifier);
            if (head.Reward is { } reward) RewardConfigJson.WriteHead(json, reward);
            if (head.Kind == OnnxHeadKind.Embedding)
            {
                json.WriteString(Pooling, head.Pooling.ToString());
                json.WriteBoolean(Normalize, head.Normalize);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    /// <summary>Reads the object from a <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="config">The trunk's shape.</param>
    /// <returns>The heads; none where the file has no such object.</returns>
    /// <exception cref="CorruptFileException">A value is missing or outside its range.</exception>
    public static IReadOnlyList<PackageHead> Read(string path, GptConfig config)
    {
        using CheckpointJson json = CheckpointJson.Read(path);
        if (json.Find(Section) is not { } section) return [];
        if (section.ValueKind != JsonValueKind.Object) throw json.Wrong(Section, section, "an object");
        var heads = new List<PackageHead>();
        foreach (JsonProperty property in section.EnumerateObject())
        {
            if (!OnnxPackageLayout.IsPlainName(property.Name) || property.Value.ValueKind != JsonValueKind.Object) throw json.Wrong($"{Section}.{property.Name}", property.Value, "an object under the name of a head");
            using CheckpointJson values = CheckpointJson.Parse(Encoding.UTF8.GetBytes(property.Value.GetRawText()), path);
            try
            {
                heads.Add(ReadHead(property.Name, values, config));
            }
            catch (ArgumentException exception)
            {
                throw new CorruptFileException(path, exception.Message, Remedy, exception);
            }
        }

        return heads;
    }

    /// <summary>Whether two configurations have the same heads.</summary>
    /// <param name="first">The text of a <c>config.json</c>.</param>
    /// <param name="second">The text of another.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="CorruptFileException">A text is no JSON.</exception>
    public static bool AreSame(string first, string second, string path)
    {
        using CheckpointJson one = CheckpointJson.Parse(Encoding.UTF8.GetBytes(first), path), other = CheckpointJson.Parse(Encoding.UTF8.GetBytes(second), path);
        return (one.Find(Section), other.Find(Section)) switch
        {
            (null, null) => true,
            ({ } left, { } right) => JsonElement.DeepEquals(left, right),
            _ => false,
        };
    }

    private static PackageHead ReadHead(string name, CheckpointJson values, GptConfig config)
    {
        var head = new PackageHead(name, values.Required<OnnxHeadKind>(Kind));
        head = head.Kind switch
        {
            OnnxHeadKind.Classifier => head with { Classifier = ClassifierConfigJson.ReadHead(values).Validate() },
            OnnxHeadKind.Reward => head with { Reward = RewardConfigJson.ReadHead(values).Validate() },
            OnnxHeadKind.Embedding => head with { Pooling = values.Required<EmbeddingPooling>(Pooling), Normalize = values.Boolean(Normalize) ?? throw values.Wrong(Normalize, null, "true or false") },
            _ => head,
        };
        if (head.AddedTokenCount == 0) return head;
        int first = values.Int32(FirstToken) ?? throw values.Wrong(FirstToken, null, "a token's id");
        return first >= config.VocabularySize ? head with { FirstTokenId = first } : throw values.Wrong(FirstToken, values.Find(FirstToken), $"{config.VocabularySize} or more: the head's tokens stand behind the vocabulary");
    }
}
