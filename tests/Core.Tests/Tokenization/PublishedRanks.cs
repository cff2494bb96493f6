using System.IO.Compression;
using System.Reflection;
using System.Text;

namespace MLNet.Gpt.Core.Tests.Tokenization;

/// <summary>OpenAI's vocabularies as rank files, out of the packages Microsoft.ML.Tokenizers.Data.*.</summary>
internal static class PublishedRanks
{
    private static readonly Lazy<GptTokenizer> s_gpt2 = new(() =>
    {
        using var folder = new TemporaryFolder();
        return GptTokenizer.FromTiktoken(Write(folder, "R50kBase"));
    });

    /// <summary>GPT-2's tokenizer (r50k_base).</summary>
    public static GptTokenizer Gpt2 => s_gpt2.Value;

    /// <summary>Writes the rank file of a data package.</summary>
    public static string Write(TemporaryFolder folder, string package)
    {
        var assembly = Assembly.Load("Microsoft.ML.Tokenizers.Data." + package);
        string resource = assembly.GetManifestResourceNames().Single(name => name.EndsWith(".tiktoken.deflate", StringComparison.Ordinal));
        using var reader = new StreamReader(new DeflateStream(assembly.GetManifestResourceStream(resource)!, CompressionMode.Decompress));

        // A first line with the capacity, then a token on each line, in the order of ranks.
        var ranks = new StringBuilder();
        string[] lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        for (int rank = 0; rank < lines.Length - 1; rank++) ranks.Append(lines[rank + 1]).Append(' ').Append(rank).Append('\n');
        return folder.Write(package + ".tiktoken", ranks.ToString());
    }
}
