using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// tiktoken's rank file: on each line a token in Base64, a space and its rank, which is its id. Ranks may be left out, for special
/// tokens (p50k_base leaves out 50256). It has no merges; a token's merge is the last one that its bytes undergo when only the merges
/// of lower rank are known.
/// </summary>
internal static class TiktokenFile
{
    /// <summary>Longer tokens are refused; the longest in use have 128 bytes.</summary>
    private const int LongestToken = 1_024;

    public static TokenizerDefinition Read(string path, IReadOnlyDictionary<string, int>? specialTokens)
    {
        var vocabulary = new List<KeyValuePair<string, long>>();
        var ranks = new Dictionary<string, int>(StringComparer.Ordinal);
        string[] lines = TokenizerFile.ReadLines(path);
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length == 0) continue;
            (string token, int rank) = ReadLine(lines[i], i + 1, path);
            if (!ranks.TryAdd(token, rank)) throw TokenizerFile.Corrupt(path, $"line {i + 1} repeats token '{token}' of rank {ranks[token]}.");
            vocabulary.Add(KeyValuePair.Create(token, (long)rank));
        }

        if (vocabulary.Count == 0) throw TokenizerFile.Corrupt(path, "it holds no tokens.");
        WordPattern.Require(ranks.Keys.Where(token => token.Length > 1), path);
        List<(string, string)> merges = DeriveMerges(ranks, path);
        IReadOnlyCollection<string> specials = TokenizerFile.AddSpecialTokens(vocabulary, specialTokens, path);
        return TokenizerDefinition.Create(GptTokenizerKind.ByteLevelBpe, vocabulary, merges, specials, path);
    }

    private static (string Token, int Rank) ReadLine(string line, int number, string path)
    {
        int space = line.IndexOf(' ');
        if (space <= 0
            || !int.TryParse(line.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int rank)
            || !Base64.IsValid(line.AsSpan(0, space), out int length))
        {
            throw TokenizerFile.Corrupt(path, $"line {number} isn't a token in Base64, a space and a rank.");
        }

        if (length is 0 or > LongestToken) throw TokenizerFile.Corrupt(path, $"the token in line {number} has {length} bytes; 1 to {LongestToken} are allowed.");
        return (ByteAlphabet.ToText(Convert.FromBase64String(line[..space])), rank);
    }

    private static List<(string Left, string Right)> DeriveMerges(Dictionary<string, int> ranks, string path)
    {
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> rankOf = ranks.GetAlternateLookup<ReadOnlySpan<char>>();
        var merges = new List<(string, string)>(ranks.Count);
        var ends = new List<int>(); // where the parts of the token under work end
        foreach ((string token, int rank) in ranks.Where(pair => pair.Key.Length > 1).OrderBy(pair => pair.Value))
        {
            ends.Clear();
            ends.AddRange(Enumerable.Range(1, token.Length));
            while (ends.Count > 2)
            {
                int best = -1, bestRank = rank;
                for (int i = 0; i + 1 < ends.Count; i++)
                {
                    if (rankOf.TryGetValue(token.AsSpan((i == 0 ? 0 : ends[i - 1])..ends[i + 1]), out int candidate) && candidate < bestRank) (best, bestRank) = (i, candidate);
                }

                if (best < 0) break;
                ends.RemoveAt(best);
            }

            if (ends.Count != 2) throw TokenizerFile.Corrupt(path, $"token '{token}' of rank {rank} can't be made by merging two tokens of lower rank.");
            merges.Add((token[..ends[0]], token[ends[0]..]));
        }

        return merges;
    }
}
