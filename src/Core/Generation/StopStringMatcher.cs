using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// Finds stop strings in a sequence's new bytes, across token boundaries, in one pass (Knuth, Morris and Pratt 1977).
/// UTF-8 is self-synchronising, so that a match in bytes is a match in characters.
/// </summary>
internal sealed class StopStringMatcher
{
    private readonly Pattern[] _patterns;
    private readonly int[] _matched; // per pattern: how many of its bytes the end of the text matches

    private StopStringMatcher(Pattern[] patterns)
    {
        _patterns = patterns;
        _matched = new int[patterns.Length];
    }

    /// <summary>A matcher at the beginning of a text.</summary>
    public StopStringMatcher(IReadOnlyList<string> stopStrings)
        : this([.. stopStrings.Select(text => new Pattern(text))])
    {
    }

    /// <summary>The text's bytes; after a match, those before it.</summary>
    public int ByteCount { get; private set; }

    /// <summary>The bytes that no match under way can take back.</summary>
    public int SettledByteCount => Match is null ? ByteCount - (_matched.Length == 0 ? 0 : _matched.Max()) : ByteCount;

    /// <summary>The string that was found, or null.</summary>
    public string? Match { get; private set; }

    /// <summary>A matcher of the same strings at the beginning of another text.</summary>
    public StopStringMatcher Fresh() => new(_patterns);

    /// <summary>A matcher that stands where this one does.</summary>
    public StopStringMatcher Fork()
    {
        var fork = new StopStringMatcher(_patterns) { ByteCount = ByteCount, Match = Match };
        _matched.CopyTo(fork._matched, 0);
        return fork;
    }

    /// <summary>Goes on with more of the text, up to the first byte that completes a stop string; of several, the longest counts.</summary>
    /// <returns>Whether a stop string was found.</returns>
    public bool Feed(ReadOnlySpan<byte> bytes)
    {
        if (_patterns.Length == 0)
        {
            ByteCount += bytes.Length;
            return false;
        }

        foreach (byte b in bytes)
        {
            ByteCount++;
            Pattern? found = null;
            for (int i = 0; i < _patterns.Length; i++)
            {
                Pattern pattern = _patterns[i];
                _matched[i] = pattern.Advance(_matched[i], b);
                if (_matched[i] == pattern.Length && pattern.Length > (found?.Length ?? 0)) found = pattern;
            }

            if (found is null) continue;
            Match = found.Text;
            ByteCount -= found.Length;
            return true;
        }

        return false;
    }

    private sealed class Pattern
    {
        private readonly byte[] _bytes;
        private readonly int[] _border; // [n]: the longest proper prefix of the first n bytes that is also their suffix

        public Pattern(string text)
        {
            Text = text;
            _bytes = Encoding.UTF8.GetBytes(text);
            _border = new int[_bytes.Length + 1];
            for (int n = 2; n <= _bytes.Length; n++)
                _border[n] = Advance(_border[n - 1], _bytes[n - 1]);
        }

        public string Text { get; }

        public int Length => _bytes.Length;

        public int Advance(int matched, byte next)
        {
            while (matched > 0 && (matched == _bytes.Length || _bytes[matched] != next))
                matched = _border[matched];
            return _bytes[matched] == next ? matched + 1 : 0;
        }
    }
}
