using System.Collections.Concurrent;
using System.Globalization;

namespace MLNet.Gpt;

/// <summary>
/// Reads the part of regular expressions that .NET and ECMAScript read alike. Where the two differ in which characters a class has, the result holds those of both, so that what it
/// makes is a match for either: <c>\d</c> is 0 to 9, <c>\D</c> has no digit of any script, <c>.</c> and complements are one UTF-16 unit.
/// </summary>
internal sealed class RegexReader
{
    private static readonly CodePointSet Digit = CodePointSet.Range('0', '9');
    private static readonly CodePointSet Word = CodePointSet.Union([Digit, CodePointSet.Range('a', 'z'), CodePointSet.Range('A', 'Z'), CodePointSet.Of('_')]);
    private static readonly CodePointSet Space = CodePointSet.OfCharacters(" \t\n\r\f\v");
    private static readonly CodePointSet LineEnds = CodePointSet.OfCharacters("\n\r\u2028\u2029");
    private static readonly CodePointSet Astral = CodePointSet.Range(0x10000, 0x10FFFF);
    private static readonly Lazy<CodePointSet> AnyDigit = new(static () => CodePointSet.OfCategories(static c => c == UnicodeCategory.DecimalDigitNumber).Union(Astral));
    private static readonly Lazy<CodePointSet> AnyWord = new(static () => CodePointSet.OfCategories(static c =>
        c is <= UnicodeCategory.OtherNumber or UnicodeCategory.ConnectorPunctuation).Union(CodePointSet.Range(0x200C, 0x200D)).Union(Astral));
    private static readonly Lazy<CodePointSet> AnySpace = new(static () => CodePointSet.OfCategories(static c =>
        c is UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator).Union(Space).Union(CodePointSet.OfCharacters("\u0085\uFEFF\u180E")));

    private static readonly Lazy<(CodePointSet Narrow, CodePointSet Wide)> NoDigit = new(static () => Not((Digit, AnyDigit.Value))), NoWord = new(static () => Not((Word, AnyWord.Value))), NoSpace = new(static () => Not((Space, AnySpace.Value)));
    private static readonly ConcurrentDictionary<string, CodePointSet> Categories = new(StringComparer.Ordinal); // of one or two letters each: 38 at most

    // Every place of a pattern holds a set of characters, before the states are counted.
    private const int LongestPattern = 100_000;

    private readonly string _pattern;
    private int _at, _depth, _anchors;

    private RegexReader(string pattern) => _pattern = pattern.Length <= LongestPattern ? pattern
        : throw new ConstraintException(ConstraintProblem.TooLarge, "the regular expression", $"It has {pattern.Length} characters; the most are {LongestPattern}. Write sets of characters and repetitions instead of what they stand for.");

    /// <summary>The texts that match as a whole.</summary>
    public static Expression ReadWhole(string pattern) => WithoutAnchors(new RegexReader(pattern).Read());

    /// <summary>The texts in which a match is found, as JSON Schema's "pattern" means it.</summary>
    public static Expression ReadSearch(string pattern)
    {
        Expression any = Expression.Times(Expression.Of(CodePointSet.All), 0, null);
        return WithoutAnchors(Expression.Then(any, new RegexReader(pattern).Read(), any));
    }

    private Expression Read()
    {
        Expression expression = ReadAlternatives();
        return _at == _pattern.Length ? expression : throw Wrong("A closing parenthesis has no opening one; write \\) for the character.");
    }

    private Expression ReadAlternatives()
    {
        List<Expression> alternatives = [ReadSequence()];
        while (Take('|')) alternatives.Add(ReadSequence());
        return Expression.AnyOf(alternatives);
    }

    private Expression ReadSequence()
    {
        List<Expression> parts = [];
        while (_at < _pattern.Length && Peek is not ('|' or ')'))
        {
            int begin = _at;
            Expression atom = ReadAtom();
            if (_at >= _pattern.Length || Peek is not ('*' or '+' or '?' or '{'))
            {
                parts.Add(atom);
                continue;
            }

            if (char.IsSurrogate(_pattern[begin])) throw Unsupported("a quantifier behind a character of two UTF-16 units", $"Write (?:{_pattern[begin.._at]}) with the quantifier behind it.");
            if (atom is Expression.Anchor) throw Wrong("A quantifier stands behind an anchor, which can't be repeated.");
            (int min, int? max) = ReadQuantifier();
            Take('?'); // lazy: the same texts
            if (_at < _pattern.Length && Peek is '*' or '+' or '?' or '{') throw Wrong("A quantifier stands behind a quantifier; put the first into a group.");
            parts.Add(Expression.Times(atom, min, max));
        }

        return Expression.Then(parts);
    }

    private (int Min, int? Max) ReadQuantifier()
    {
        switch (Next())
        {
            case '*': return (0, null);
            case '+': return (1, null);
            case '?': return (0, 1);
        }

        int close = _pattern.IndexOf('}', _at);
        string[] bounds = close < 0 ? [] : _pattern[_at..close].Split(',');
        if (bounds.Length is not (1 or 2) || !int.TryParse(bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out int min))
            throw Wrong("'{' begins no quantifier such as {2}, {2,} or {2,5}; write \\{ for the character.");
        int? max = bounds.Length == 1 ? min : null;
        if (bounds.Length == 2 && bounds[1].Length > 0)
            max = int.TryParse(bounds[1], NumberStyles.None, CultureInfo.InvariantCulture, out int most) ? most : throw Wrong($"'{{{_pattern[_at..close]}}}' is no quantifier; write {{2}}, {{2,}} or {{2,5}}.");
        if (max < min) throw Wrong($"The quantifier {{{_pattern[_at..close]}}} has a maximum below its minimum; exchange them.");
        if (Math.Max(min, max ?? 0) > Expression.MostRepetitions) throw new ConstraintException(ConstraintProblem.TooLarge, Here, $"It asks for {Math.Max(min, max ?? 0)} repetitions; the most are {Expression.MostRepetitions}.");
        _at = close + 1;
        return (min, max);
    }

    private Expression ReadAtom()
    {
        char c = Next();
        switch (c)
        {
            case '^' or '$': return ReadAnchor(isStart: c == '^');
            case '.': return Expression.Of(CodePointSet.BasicPlane.Except(LineEnds));
            case '(': return ReadGroup();
            case '[': return Expression.Of(ReadClass());
            case '*' or '+' or '?' or '{': throw Wrong($"The quantifier '{c}' has nothing before it; write \\{c} for the character.");
            case '\\': return ReadEscape();
        }

        if (!char.IsSurrogate(c)) return Expression.Of(c.ToString());
        if (!char.IsHighSurrogate(c) || _at == _pattern.Length || !char.IsLowSurrogate(Peek)) throw Wrong("It holds half of a surrogate pair.");
        return Expression.Of($"{c}{Next()}");
    }

    private Expression ReadGroup()
    {
        if (Take('?'))
        {
            if (Take(':')) { /* no capture */ }
            else if (_at + 1 < _pattern.Length && Peek == '<' && _pattern[_at + 1] is not ('=' or '!'))
            {
                int close = _pattern.IndexOf('>', _at);
                if (close < 0) throw Wrong("The name of a group has no '>'.");
                if (_pattern[_at..close].Contains('-', StringComparison.Ordinal)) throw Unsupported("a balancing group", "Leave it out.");
                _at = close + 1;
            }
            else
            {
                string kind = _at == _pattern.Length ? "(?" : Peek switch { '=' or '!' => "lookahead", '<' => "lookbehind", '>' => "atomic group", '(' => "conditional group", _ => "inline options" };
                throw Unsupported(kind, "Write the texts themselves; a set of characters such as [^\"] does in most cases.");
            }
        }

        if (++_depth > Expression.MostNesting) throw new ConstraintException(ConstraintProblem.TooLarge, Here, $"Its groups are nested more than {Expression.MostNesting} deep; nest fewer.");
        Expression inner = ReadAlternatives();
        _depth--;
        return Take(')') ? inner : throw Wrong("A parenthesis is not closed; write \\( for the character.");
    }

    private Expression ReadEscape()
    {
        if (_at == _pattern.Length) throw Wrong("It ends with a backslash; write \\\\ for the character.");
        if (Peek is 'A' or 'z' or 'Z') return ReadAnchor(isStart: Next() == 'A');
        if (Peek is 'b' or 'B') throw Unsupported($"\\{Peek}", "Write what may stand at the border of the word.");
        if (Peek is 'k' or (>= '1' and <= '9')) throw Unsupported("a back-reference", "Write the texts themselves; what was matched can't be asked for again.");
        return Expression.Of(ReadEscapedSet().Narrow);
    }

    // Alternatives of which some hold an anchor are resolved into each other.
    private Expression.Anchor ReadAnchor(bool isStart) => ++_anchors <= Expression.MostNesting ? new Expression.Anchor(isStart)
        : throw new ConstraintException(ConstraintProblem.TooLarge, Here, $"It has more than {Expression.MostNesting} anchors; leave out those that are not needed.");

    // A class's characters for certain, and those that one of the two languages would count to it.
    private (CodePointSet Narrow, CodePointSet Wide) ReadEscapedSet()
    {
        char c = Next();
        switch (c)
        {
            case 'd': return (Digit, AnyDigit.Value);
            case 'D': return NoDigit.Value;
            case 'w': return (Word, AnyWord.Value);
            case 'W': return NoWord.Value;
            case 's': return (Space, AnySpace.Value);
            case 'S': return NoSpace.Value;
            case 'p': return ReadCategory();
            case 'P': return Not(ReadCategory());
            case 't': return One('\t');
            case 'n': return One('\n');
            case 'r': return One('\r');
            case 'f': return One('\f');
            case 'v': return One('\v');
            case 'x': return One(ReadHex(2));
            case 'u': return One(ReadHex(4));
        }

        if (c == '0' && (_at == _pattern.Length || !char.IsAsciiDigit(Peek))) return One('\0');
        if (char.IsAsciiLetterOrDigit(c)) throw Unsupported($"\\{c}", "Write the character itself, or \\uXXXX.");
        return One(c);
    }

    private (CodePointSet Narrow, CodePointSet Wide) One(int c) =>
        c is >= 0xD800 and <= 0xDFFF ? throw Unsupported("a surrogate", "Write the character itself.") : (CodePointSet.Of(c), CodePointSet.Of(c));

    private static (CodePointSet Narrow, CodePointSet Wide) Not((CodePointSet Narrow, CodePointSet Wide) set) =>
        (CodePointSet.BasicPlane.Except(set.Wide), set.Narrow.Complement());

    private (CodePointSet Narrow, CodePointSet Wide) ReadCategory()
    {
        int close = _pattern.IndexOf('}', _at);
        string name = close > _at && Peek == '{' ? _pattern[(_at + 1)..close] : throw Wrong("\\p has no category; write \\p{L} or another general category.");
        UnicodeCategory[] categories = [.. Enum.GetValues<UnicodeCategory>().Where(category => CategoryName(category).StartsWith(name, StringComparison.Ordinal))];
        if (name.Length is < 1 or > 2 || categories.Length == 0 || categories.Contains(UnicodeCategory.Surrogate)) throw Unsupported($"\\p{{{name}}}", "Write a general category of one or two letters, such as L, Lu or Nd.");
        _at = close + 1;
        CodePointSet set = Categories.GetOrAdd(name, _ => CodePointSet.OfCategories(categories.Contains));
        return (set, set.Union(Astral));
    }

    private static string CategoryName(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu", UnicodeCategory.LowercaseLetter => "Ll", UnicodeCategory.TitlecaseLetter => "Lt", UnicodeCategory.ModifierLetter => "Lm", UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn", UnicodeCategory.SpacingCombiningMark => "Mc", UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd", UnicodeCategory.LetterNumber => "Nl", UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs", UnicodeCategory.LineSeparator => "Zl", UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc", UnicodeCategory.Format => "Cf", UnicodeCategory.Surrogate => "Cs", UnicodeCategory.PrivateUse => "Co", UnicodeCategory.OtherNotAssigned => "Cn",
        UnicodeCategory.ConnectorPunctuation => "Pc", UnicodeCategory.DashPunctuation => "Pd", UnicodeCategory.OpenPunctuation => "Ps", UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi", UnicodeCategory.FinalQuotePunctuation => "Pf", UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm", UnicodeCategory.CurrencySymbol => "Sc", UnicodeCategory.ModifierSymbol => "Sk", _ => "So",
    };

    private CodePointSet ReadClass()
    {
        bool negated = Take('^');
        List<(CodePointSet Narrow, CodePointSet Wide)> items = [];
        if (_at < _pattern.Length && Peek == ']') throw Unsupported("an empty set of characters", "Write \\] for the character.");
        while (true)
        {
            if (_at == _pattern.Length) throw Wrong("A set of characters is not closed; write \\[ for the character.");
            if (Take(']')) break;
            (CodePointSet Narrow, CodePointSet Wide) item = ReadClassItem(out int? single);
            RefuseSubtraction();
            if (single is { } first && _at + 1 < _pattern.Length && Peek == '-' && _pattern[_at + 1] != ']')
            {
                _at++;
                ReadClassItem(out int? last);
                if (last is null) throw Wrong("A range of characters ends with a class; write \\- for the character.");
                if (last < first) throw Wrong($"The range '{(char)first}-{(char)last}' ends before it begins; exchange the two.");
                item = (CodePointSet.Range(first, last.Value), CodePointSet.Range(first, last.Value));
                RefuseSubtraction();
            }

            items.Add(item);
        }

        CodePointSet set = CodePointSet.Union(items.Select(item => negated ? item.Wide : item.Narrow));
        return negated ? CodePointSet.BasicPlane.Except(set) : set;

        // .NET's, which it reads behind any character, range or class; elsewhere they are two characters, or a range.
        void RefuseSubtraction()
        {
            if (!_pattern.AsSpan(_at).StartsWith("-[")) return;
            _at++;
            throw Unsupported("the subtraction of a set", "Write the characters that remain.");
        }
    }

    private (CodePointSet Narrow, CodePointSet Wide) ReadClassItem(out int? single)
    {
        char c = Next();
        (CodePointSet Narrow, CodePointSet Wide) item;
        if (c == '\\')
        {
            if (_at == _pattern.Length) throw Wrong("It ends with a backslash; write \\\\ for the character.");
            item = Take('b') ? One('\b') : ReadEscapedSet();
        }
        else
        {
            if (char.IsSurrogate(c)) throw Unsupported("a character of two UTF-16 units in a set", "Write alternatives, such as (?:😀|😎).");
            item = One(c);
        }

        single = item.Narrow.Key == item.Wide.Key ? item.Narrow.First : null;
        return item;
    }

    private int ReadHex(int digits)
    {
        if (_at + digits > _pattern.Length || !int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
            throw Wrong($"An escape needs {digits} hexadecimal digits.");
        _at += digits;
        return value;
    }

    private char Peek => _pattern[_at];

    private char Next() => _pattern[_at++];

    private bool Take(char c)
    {
        if (_at == _pattern.Length || Peek != c) return false;
        _at++;
        return true;
    }

    private string Here => $"character {_at} of the regular expression '{CheckpointJson.Shorten(_pattern)}'";

    private ConstraintException Wrong(string message) => new(ConstraintProblem.Syntax, Here, message);

    private ConstraintException Unsupported(string what, string remedy) => new(ConstraintProblem.Unsupported, Here, $"It uses {what}, which is not supported. {remedy}", what);

    // Anchors: the text is followed through the expression with two flags, whether it has begun and whether it has ended.
    private static Expression WithoutAnchors(Expression expression) =>
        HasAnchor(expression) ? Expression.AnyOf([.. Resolve(expression, begun: false, ended: false, new(ReferenceEqualityComparer.Instance)).Select(static way => way.Expression)]) : expression;

    private static bool HasAnchor(Expression expression) => expression switch
    {
        Expression.Anchor => true,
        Expression.Sequence sequence => sequence.Parts.Any(HasAnchor),
        Expression.Choice choice => choice.Alternatives.Any(HasAnchor),
        Expression.Repeat repeat => HasAnchor(repeat.Part),
        _ => false,
    };

    // What has been resolved with the same flags is known: groups within groups would else be followed once more for each way to them.
    private static List<(Expression Expression, bool Begun, bool Ended)> Resolve(
        Expression expression, bool begun, bool ended, Dictionary<Expression, List<(Expression Expression, bool Begun, bool Ended)>?[]> known)
    {
        if (!known.TryGetValue(expression, out List<(Expression Expression, bool Begun, bool Ended)>?[]? ways)) known.Add(expression, ways = new List<(Expression Expression, bool Begun, bool Ended)>?[4]);
        return ways[(begun ? 1 : 0) + (ended ? 2 : 0)] ??= ResolveAnew(expression, begun, ended, known);
    }

    private static List<(Expression Expression, bool Begun, bool Ended)> ResolveAnew(
        Expression expression, bool begun, bool ended, Dictionary<Expression, List<(Expression Expression, bool Begun, bool Ended)>?[]> known)
    {
        if (expression is Expression.Anchor anchor) return anchor.IsStart ? begun ? [] : [(Expression.Empty, begun, ended)] : [(Expression.Empty, begun, true)];
        if (!HasAnchor(expression))
        {
            if (ended) return expression.CanBeEmpty ? [(Expression.Empty, begun, true)] : [];
            return begun || !expression.CanBeEmpty ? [(expression, true, false)] : [(Expression.Empty, false, false), (expression, true, false)];
        }

        switch (expression)
        {
            case Expression.Choice choice:
                return Join(choice.Alternatives.SelectMany(alternative => Resolve(alternative, begun, ended, known)));
            case Expression.Repeat { Min: 0, Max: 1 } optional:
                return Join([.. Resolve(optional.Part, begun, ended, known), (Expression.Empty, begun, ended)]);
            case Expression.Sequence sequence:
                // Each way is a list: a sequence may be longer than the stack is deep.
                List<(List<Expression> Parts, bool Begun, bool Ended)> ways = [([], begun, ended)];
                foreach (Expression part in BetweenAnchors(sequence.Parts))
                {
                    ways = [.. ways.SelectMany(way => Resolve(part, way.Begun, way.Ended, known).Select(next => (Parts: (List<Expression>)[.. way.Parts, next.Expression], next.Begun, next.Ended)))
                        .GroupBy(static way => (way.Begun, way.Ended))
                        .Select(static group => (group.Count() == 1 ? group.First().Parts : [Expression.AnyOf([.. group.Select(static way => Expression.Then(way.Parts))])], group.Key.Begun, group.Key.Ended))];
                }

                return [.. ways.Select(static way => (Expression.Then(way.Parts), way.Begun, way.Ended))];
            default:
                throw new ConstraintException(ConstraintProblem.Unsupported, "the regular expression", "It repeats a group with an anchor in it, which is not supported. Move the anchor out of the group.", "an anchor in a repeated group");
        }
    }

    /// <summary>The parts that hold anchors, and what stands between them each as one.</summary>
    private static IEnumerable<Expression> BetweenAnchors(IReadOnlyList<Expression> parts)
    {
        List<Expression> plain = [];
        foreach (Expression part in parts)
        {
            if (!HasAnchor(part))
            {
                plain.Add(part);
                continue;
            }

            if (plain.Count > 0) yield return Expression.Then(plain);
            plain = [];
            yield return part;
        }

        if (plain.Count > 0) yield return Expression.Then(plain);
    }

    private static List<(Expression Expression, bool Begun, bool Ended)> Join(IEnumerable<(Expression Expression, bool Begun, bool Ended)> ways) =>
        [.. ways.GroupBy(static way => (way.Begun, way.Ended)).Select(static group => (Expression.AnyOf([.. group.Select(static way => way.Expression)]), group.Key.Begun, group.Key.Ended))];
}
