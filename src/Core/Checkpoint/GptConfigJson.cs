using System.Text;

namespace MLNet.Gpt;

/// <summary>A configuration as the <c>config.json</c> of a checkpoint or an ONNX package: Hugging Face's form.</summary>
internal static class GptConfigJson
{
    /// <summary>Writes a configuration.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <param name="endOfTextId">The tokenizer's end-of-text token; null (the default) where it is not known.</param>
    /// <param name="heads">The heads that a package has beside the language model's; null (the default) for none.</param>
    /// <returns>The contents of <c>config.json</c>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The configuration is not valid.</exception>
    public static string Write(GptConfig config, int? endOfTextId = null, IReadOnlyList<PackageHead>? heads = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        using var stream = new MemoryStream();
        CheckpointConfig.Write(stream, config.Validate(), endOfTextId, writeMore: json => PackageHeadsJson.Write(json, heads ?? []));
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="CorruptFileException">The file is no JSON, or a value is missing, of another type or outside its range.</exception>
    /// <exception cref="UnsupportedModelException">A value asks for a computation that this library does not perform.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static GptConfig Read(string path)
    {
        using CheckpointJson json = CheckpointJson.Read(path);
        return CheckpointConfig.Read(json);
    }

    /// <summary>Reads a configuration that lies within another file.</summary>
    /// <param name="json">What would be the contents of a <c>config.json</c>.</param>
    /// <param name="path">The file, for messages.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="CorruptFileException">The text is no JSON, or a value is missing, of another type or outside its range.</exception>
    /// <exception cref="UnsupportedModelException">A value asks for a computation that this library does not perform.</exception>
    public static GptConfig Parse(string json, string path)
    {
        ArgumentNullException.ThrowIfNull(json);
        using CheckpointJson parsed = CheckpointJson.Parse(Encoding.UTF8.GetBytes(json), path);
        return CheckpointConfig.Read(parsed);
    }
}
