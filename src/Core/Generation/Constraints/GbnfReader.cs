using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Reads a grammar in llama.cpp's GBNF. An alternative may also begin on a line of its own with its '|'.</summary>
internal sealed class GbnfReader
{
    private readonly string _text;
    private readonly Grammar _grammar = new();
    private readonly Dictionary<string, int> _rules = [];
    private readonly HashSet<string> _defined = [];
    private int _at, _depth;

    private GbnfReader(string text) => _text = text;

    public static Grammar Read(string text, string startRule)
    {
        var reader = new GbnfReader(text);
        reader.Skip(lines: true);
        while (reader._at < text.Length) reader.ReadRule();
        if (!reader._defined.Contains(startRule))
            throw new ConstraintException(ConstraintProblem.UndefinedReference, "the grammar", $"It has no rule '{startRule}' to begin with; the rules are {string.Join(", ", reader._defined.Order(StringComparer.Ordinal).Take(20).Select(static name => $"'{name}'"))}.", startRule);
        foreach (string name in reader._rules.Keys)
        {
            if (!reader._defined.Contains(name)) throw new ConstraintException(ConstraintProblem.UndefinedReference, "the grammar", $"The rule '{name}' is used and not defined; define it, or mend its name.", name);
        }

        reader._grammar.Root = reader._rules[startRule];
        return reader._grammar;
    }

    private void ReadRule()
    {
        string name = ReadName();
        if (name.Length == 0) throw Wrong($"'{Peek}' begins no rule; a rule is a name, '::=' and what it stands for.");
        Skip(lines: false);
        if (!_text.AsSpan(_at).StartsWith("::=")) throw Wrong($"Behind the name '{name}' stands no '::='.");
        _at += 3;
        if (!_defined.Add(name)) throw Wrong($"The rule '{name}' is defined twice; join the two with '|'.");
        _grammar.Define(RuleOf(name), ReadAlternatives(nested: false));
        Skip(lines: true);
    }

    private Expression ReadAlternatives(bool nested)
    {
        List<Expression> alternatives = [];
        do
        {
            Skip(lines: true);
            alternatives.Add(ReadSequence(nested));
        }
        while (TakeBar());
        return Expression.AnyOf(alternatives);
    }

    // A '|' may also stand at the beginning of the next line.
    private bool TakeBar()
    {
        int before = _at;
        Skip(lines: true);
        if (_at < _text.Length && Peek == '|')
        {
            _at++;
            return true;
        }

        _at = before;
        return false;
    }

    private Expression ReadSequence(bool nested)
    {
        List<Expression> parts = [];
        while (_at < _text.Length && Peek is not ('|' or ')' or '\r' or '\n'))
        {
            Expression atom = ReadAtom();
            Skip(lines: nested);
            for (int quantifiers = 1; _at < _text.Length && Peek is '*' or '+' or '?' or '{'; quantifiers++)
            {
                if (quantifiers > Expression.MostNesting) throw TooDeep();
                (int min, int? max) = ReadQuantifier();
                atom = Expression.Times(atom, min, max);
                Skip(lines: nested);
            }

            parts.Add(atom);
        }

        return Expression.Then(parts);
    }

    private Expression ReadAtom()
    {
        switch (Peek)
        {
            case '"':
                _at++;
                var literal = new StringBuilder();
                while (Character("a literal") != '"') literal.Append(char.ConvertFromUtf32(ReadCharacter()));
                _at++;
                return Expression.Of(literal.ToString());
            case '[':
                return Expression.Of(ReadClass());
            case '(':
                _at++;
                if (++_depth > Expression.MostNesting) throw TooDeep();
                Expression group = ReadAlternatives(nested: true);
                _depth--;
                if (_at == _text.Length || Peek != ')') throw Wrong("A parenthesis is not closed.");
                _at++;
                return group;
            case '.':
                _at++;
                return Expression.Of(CodePointSet.All);
            case '<' or '!':
                throw new ConstraintException(ConstraintProblem.Unsupported, Here, $"It names a token with '{Peek}', which is not supported. Write the token's text as a literal.", Peek.ToString());
        }

        string name = ReadName();
        return name.Length > 0 ? new Expression.Call(RuleOf(name)) : throw Wrong($"'{Peek}' begins nothing that a grammar knows: a literal, a set of characters, a name, a group.");
    }

    private CodePointSet ReadClass()
    {
        _at++;
        bool negated = Character("a set of characters") == '^';
        if (negated) _at++;
        List<CodePointSet> items = [];
        while (Character("a set of characters") != ']')
        {
            int first = ReadCharacter(), last = first;
            if (Character("a set of characters") == '-' && _at + 1 < _text.Length && _text[_at + 1] != ']')
            {
                _at++;
                last = ReadCharacter();
                if (last < first) throw Wrong("A range of characters ends before it begins; exchange the two.");
            }

            items.Add(CodePointSet.Range(first, last));
        }

        _at++;
        CodePointSet set = CodePointSet.Union(items);
        return negated ? set.Complement() : set;
    }

    private (int Min, int? Max) ReadQuantifier()
    {
        switch (_text[_at++])
        {
            case '*': return (0, null);
            case '+': return (1, null);
            case '?': return (0, 1);
        }

        int close = _text.IndexOf('}', _at);
        string[] bounds = close < 0 ? [] : [.. _text[_at..close].Split(',').Select(static bound => bound.Trim())];
        if (bounds.Length is not (1 or 2) || !int.TryParse(bounds[0].Length == 0 && bounds.Length == 2 ? "0" : bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out int min))
            throw Wrong("'{' begins no count such as {2}, {2,} or {2,5}.");
        int? max = bounds.Length == 1 ? min : null;
        if (bounds.Length == 2 && bounds[1].Length > 0) max = int.TryParse(bounds[1], NumberStyles.None, CultureInfo.InvariantCulture, out int most) ? most : throw Wrong("'{' begins no count such as {2}, {2,} or {2,5}.");
        if (max < min) throw Wrong("A count has a maximum below its minimum; exchange them.");
        if (Math.Max(min, max ?? 0) > Expression.MostRepetitions) throw new ConstraintException(ConstraintProblem.TooLarge, Here, $"It asks for {Math.Max(min, max ?? 0)} repetitions; the most are {Expression.MostRepetitions}.");
        _at = close + 1;
        return (min, max);
    }

    // One character of a literal or a set, escapes resolved.
    private int ReadCharacter()
    {
        if (Peek != '\\')
        {
            if (!Rune.TryGetRuneAt(_text, _at, out Rune rune)) throw Wrong("It holds half of a surrogate pair.");
            _at += rune.Utf16SequenceLength;
            return rune.Value;
        }

        _at++;
        char escape = Character("an escape");
        _at++;
        switch (escape)
        {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case '\\' or '"' or '[' or ']' or '-' or '^': return escape;
            case 'x' or 'u' or 'U':
                int digits = escape switch { 'x' => 2, 'u' => 4, _ => 8 };
                if (_at + digits > _text.Length || !int.TryParse(_text.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) || !Rune.IsValid(value))
                    throw Wrong($"\\{escape} needs {digits} hexadecimal digits of a character.");
                _at += digits;
                return value;
            default:
                throw Wrong($"\\{escape} is no escape; there are \\n, \\r, \\t, \\\\, \\\", \\[, \\], \\xHH, \\uHHHH and \\UHHHHHHHH.");
        }
    }

    private string ReadName()
    {
        int begin = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(Peek) || Peek is '-' or '_')) _at++;
        return _text[begin.._at];
    }

    private int RuleOf(string name)
    {
        if (!_rules.TryGetValue(name, out int rule)) _rules.Add(name, rule = _grammar.Declare(name));
        return rule;
    }

    private void Skip(bool lines)
    {
        while (_at < _text.Length)
        {
            if (Peek == '#')
            {
                while (_at < _text.Length && Peek is not ('\r' or '\n')) _at++;
            }
            else if (Peek is ' ' or '\t' || (lines && Peek is '\r' or '\n'))
            {
                _at++;
            }
            else
            {
                return;
            }
        }
    }

    private char Character(string of) => _at < _text.Length ? Peek : throw Wrong($"It ends within {of}.");

    private char Peek => _text[_at];

    private string Here => $"line {1 + _text.AsSpan(0, Math.Min(_at, _text.Length)).Count('\n')} of the grammar";

    private ConstraintException Wrong(string message) => new(ConstraintProblem.Syntax, Here, message);

    private ConstraintException TooDeep() => new(ConstraintProblem.TooLarge, Here, $"Its groups or quantifiers are nested more than {Expression.MostNesting} deep; make rules of the inner ones.");
}
