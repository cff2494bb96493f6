using System.Globalization;

namespace MLNet.Gpt;

/// <summary>A set of Unicode scalar values as sorted ranges that do not touch.</summary>
internal sealed class CodePointSet
{
    private readonly int[] _bounds; // first, last, first, last, …

    private CodePointSet(int[] bounds) => _bounds = bounds;

    public static CodePointSet Empty { get; } = new([]);

    /// <summary>All scalar values: no surrogates.</summary>
    public static CodePointSet All { get; } = new([0, 0xD7FF, 0xE000, 0x10FFFF]);

    /// <summary>Those that are one UTF-16 unit.</summary>
    public static CodePointSet BasicPlane { get; } = new([0, 0xD7FF, 0xE000, 0xFFFF]);

    public bool IsEmpty => _bounds.Length == 0;

    /// <summary>The first of them.</summary>
    public int First => _bounds[0];

    public IEnumerable<(int First, int Last)> Ranges
    {
        get
        {
            for (int i = 0; i < _bounds.Length; i += 2) yield return (_bounds[i], _bounds[i + 1]);
        }
    }

    /// <summary>Tells equal sets.</summary>
    public string Key => string.Join(',', _bounds);

    public static CodePointSet Of(int codePoint) => Range(codePoint, codePoint);

    /// <summary>A range, without the surrogates in it.</summary>
    public static CodePointSet Range(int first, int last) => new CodePointSet([first, last]).Intersect(All);

    public static CodePointSet OfCharacters(string characters) => Union(characters.EnumerateRunes().Select(static rune => Of(rune.Value)));

    /// <summary>The characters of the basic plane of some categories.</summary>
    public static CodePointSet OfCategories(Func<UnicodeCategory, bool> belongs)
    {
        List<int> bounds = [];
        for (int c = 0; c <= 0xFFFF; c++)
        {
            if (c is >= 0xD800 and <= 0xDFFF || !belongs(CharUnicodeInfo.GetUnicodeCategory((char)c))) continue;
            if (bounds.Count > 0 && bounds[^1] == c - 1) bounds[^1] = c;
            else bounds.AddRange([c, c]);
        }

        return new([.. bounds]);
    }

    public static CodePointSet Union(IEnumerable<CodePointSet> sets)
    {
        List<int> bounds = [];
        foreach ((int first, int last) in sets.SelectMany(static set => set.Ranges).OrderBy(static range => range.First))
        {
            if (bounds.Count > 0 && first <= bounds[^1] + 1) bounds[^1] = Math.Max(bounds[^1], last);
            else bounds.AddRange([first, last]);
        }

        return new([.. bounds]);
    }

    public CodePointSet Union(CodePointSet other) => Union([this, other]);

    public CodePointSet Complement()
    {
        List<int> bounds = [];
        int next = 0;
        foreach ((int first, int last) in Ranges)
        {
            if (first > next) bounds.AddRange([next, first - 1]);
            next = last + 1;
        }

        if (next <= 0x10FFFF) bounds.AddRange([next, 0x10FFFF]);
        return new CodePointSet([.. bounds]).Intersect(All);
    }

    public CodePointSet Intersect(CodePointSet other)
    {
        List<int> bounds = [];
        for (int i = 0, j = 0; i < _bounds.Length && j < other._bounds.Length;)
        {
            int first = Math.Max(_bounds[i], other._bounds[j]), last = Math.Min(_bounds[i + 1], other._bounds[j + 1]);
            if (first <= last) bounds.AddRange([first, last]);
            if (_bounds[i + 1] < other._bounds[j + 1]) i += 2;
            else j += 2;
        }

        return new([.. bounds]);
    }

    public CodePointSet Except(CodePointSet other) => Intersect(other.Complement());

    public bool Contains(int codePoint)
    {
        int place = Array.BinarySearch(_bounds, codePoint);
        return place >= 0 || (~place & 1) != 0; // between a first and a last one
    }
}
