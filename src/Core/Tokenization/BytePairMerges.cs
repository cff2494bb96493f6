namespace MLNet.Gpt;

/// <summary>
/// The merges of a byte-level vocabulary, made ready for look-up: the rank of a pair of tokens, the token that each merge gives, and
/// which bytes may stand side by side inside a token. Immutable.
/// </summary>
internal sealed class BytePairMerges
{
    /// <summary>The rank of a pair that isn't merged: above all others.</summary>
    public const int None = int.MaxValue;

    private const ulong Empty = ulong.MaxValue; // no pair: ids are not negative

    // Open addressing with linear probing, at most half full: _pairs[slot] is merged at _ranks[slot].
    private readonly ulong[] _pairs;
    private readonly int[] _ranks;
    private readonly int _shift;

    private readonly int[] _results;
    private readonly int[] _byteTokens = new int[256];
    private readonly bool[] _join = new bool[0x10000];

    public BytePairMerges(TokenizerDefinition definition)
    {
        int bits = Math.Max(4, 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)definition.Merges.Count * 2));
        (_pairs, _ranks, _shift) = (new ulong[1 << bits], new int[1 << bits], 64 - bits);
        Array.Fill(_pairs, Empty);
        _results = new int[definition.Merges.Count];

        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < definition.Tokens.Count; id++) ids.Add(definition.Tokens[id], id);
        for (int value = 0; value < 256; value++) _byteTokens[value] = ids.GetValueOrDefault(ByteAlphabet.ToCharacter((byte)value).ToString(), -1);
        for (int rank = 0; rank < _results.Length; rank++)
        {
            (int left, int right) = definition.Merges[rank];
            _results[rank] = ids[definition.Tokens[left] + definition.Tokens[right]];
            if (definition.IsWhole[_results[rank]]) continue; // where its text is looked for, it is found before words are; else it must not come of merges
            Add(left, right, rank);
            _join[(definition.TokenBytes[left][^1] << 8) | definition.TokenBytes[right][0]] = true;
        }
    }

    /// <summary>The token of a byte; -1 where the vocabulary has none, as it need not for bytes that UTF-8 never has.</summary>
    public int TokenOf(byte value) => _byteTokens[value];

    /// <summary>The token that a merge gives.</summary>
    public int Result(int rank) => _results[rank];

    /// <summary>Whether any merge joins two tokens of which the first ends, and the second begins, with these bytes. If not, no token reaches over that place.</summary>
    public bool MayJoin(byte left, byte right) => _join[(left << 8) | right];

    /// <summary>The priority at which a pair of tokens is merged, 0 being the highest; <see cref="None"/> where it isn't.</summary>
    public int RankOf(int left, int right)
    {
        ulong pair = ((ulong)(uint)left << 32) | (uint)right;
        for (int slot = SlotOf(pair); ; slot = (slot + 1) & (_pairs.Length - 1))
        {
            if (_pairs[slot] == pair) return _ranks[slot];
            if (_pairs[slot] == Empty) return None;
        }
    }

    private void Add(int left, int right, int rank)
    {
        ulong pair = ((ulong)(uint)left << 32) | (uint)right;
        int slot = SlotOf(pair);
        while (_pairs[slot] != Empty) slot = (slot + 1) & (_pairs.Length - 1);
        (_pairs[slot], _ranks[slot]) = (pair, rank);
    }

    // Fibonacci hashing, of both halves.
    private int SlotOf(ulong pair) => (int)(((pair ^ (pair >> 29)) * 0x9E3779B97F4A7C15) >> _shift);
}
