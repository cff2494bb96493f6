using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>JSON's own rules: strings, white space, values of any kind.</summary>
internal sealed class JsonRules
{
    // Control characters are written as \n and the like; those that have no such form are left out of free texts.
    private static readonly CodePointSet Rare = CodePointSet.Range(0, 0x1F).Except(CodePointSet.OfCharacters("\b\t\n\f\r"));
    private static readonly CodePointSet NeedEscape = CodePointSet.Range(0, 0x1F).Union(CodePointSet.OfCharacters("\"\\"));

    private readonly Grammar _grammar;
    private readonly Dictionary<string, Expression> _escapes = [];
    private const int LongestFreeName = 64;

    private int? _string, _value;

    public JsonRules(Grammar grammar, JsonWhitespace whitespace)
    {
        if (!Enum.IsDefined(whitespace)) throw new ArgumentOutOfRangeException(nameof(whitespace), whitespace, $"{whitespace} is none of {nameof(JsonWhitespace)}'s values; choose {JsonWhitespace.None} or {JsonWhitespace.Optional}.");
        _grammar = grammar;
        Space = Expression.Empty;
        if (whitespace == JsonWhitespace.None) return;
        int space = grammar.Declare("white space");
        grammar.Define(space, Expression.AnyOf(
            Expression.Empty, Expression.Of(" "), Expression.Then(Expression.Of("\n"), Expression.Times(Expression.Of(" "), 0, 20))));
        Space = new Expression.Call(space);
    }

    /// <summary>White space where it may stand.</summary>
    public Expression Space { get; }

    /// <summary>Any string.</summary>
    public Expression String => Rule(ref _string, "string", () => Quoted(Expression.Times(Written(CodePointSet.All.Except(Rare)), 0, null)));

    /// <summary>Any value.</summary>
    public Expression Value
    {
        get
        {
            if (_value is { } known) return new Expression.Call(known);
            _value = _grammar.Declare("value");
            var numbers = new JsonNumbers(_grammar);
            Expression value = new Expression.Call(_value.Value), member = Expression.Then(FreeName([]), Colon, value);
            _grammar.Define(_value.Value, Expression.AnyOf(
                String, numbers.Between(null, false, null, false, null), Expression.Of("true"), Expression.Of("false"), Expression.Of("null"), List("{", member, "}"), List("[", value, "]")));
            return value;
        }
    }

    /// <summary>A colon with its white space.</summary>
    public Expression Colon => Expression.Then(Expression.Of(":"), Space);

    /// <summary>A comma with its white space.</summary>
    public Expression Comma => Expression.Then(Expression.Of(","), Space);

    /// <summary>Something between quotation marks.</summary>
    public static Expression Quoted(Expression inner) => Expression.Then(Expression.Of("\""), inner, Expression.Of("\""));

    /// <summary>A value as it is written.</summary>
    public static Expression Literal(JsonElement value) => Expression.Of(Text(value));

    /// <summary>A string as it is written.</summary>
    public static Expression Literal(string text) => Expression.Of(Quote(text));

    /// <summary>A string as JSON, with the escapes that it needs and no others.</summary>
    public static string Quote(string text) => $"\"{string.Concat(text.Select(static c => NeedEscape.Contains(c) ? Escape(c) : c.ToString()))}\"";

    /// <summary>Any number of items between brackets.</summary>
    public Expression List(string open, Expression item, string close) =>
        Between(open, Expression.Optional(Expression.Then(item, Expression.Times(Expression.Then(Comma, item), 0, null), Space)), close);

    /// <summary>Something between brackets.</summary>
    public Expression Between(string open, Expression inner, string close) => new Expression.Nested(Expression.Then(Expression.Of(open), Space, inner, Expression.Of(close)));

    /// <summary>A free text of min to max characters.</summary>
    public Expression StringOf(int min, int? max) => (min, max) == (0, null) ? String : Quoted(Expression.Times(Written(CodePointSet.All.Except(Rare)), min, max));

    /// <summary>A character of a set as it stands in a string: escaped where it must be, in the shortest form.</summary>
    public Expression Written(CodePointSet set)
    {
        CodePointSet escaped = set.Intersect(NeedEscape);
        if (escaped.IsEmpty) return Expression.Of(set);
        if (!_escapes.TryGetValue(escaped.Key, out Expression? escapes))
        {
            int rule = _grammar.Declare("escape");
            _grammar.Define(rule, Expression.AnyOf([.. escaped.Ranges.SelectMany(static range => Enumerable.Range(range.First, range.Last - range.First + 1)).Select(static c => Expression.Of(Escape(c)))]));
            _escapes.Add(escaped.Key, escapes = new Expression.Call(rule));
        }

        CodePointSet plain = set.Except(NeedEscape);
        return plain.IsEmpty ? escapes : Expression.AnyOf(Expression.Of(plain), escapes);
    }

    /// <summary>The name of a member that a schema does not name: any string of up to 64 characters but some, by the tree of their characters.</summary>
    public Expression FreeName(IReadOnlyCollection<string> texts)
    {
        Rune[][] runes = [.. texts.Select(static text => text.EnumerateRunes().ToArray())];
        return Quoted(Except(runes, 0));

        Expression Except(Rune[][] under, int depth)
        {
            List<Expression> ways = [];
            if (under.All(text => text.Length > depth)) ways.Add(Expression.Empty);
            if (depth == LongestFreeName) return Expression.AnyOf(ways);
            IGrouping<int, Rune[]>[] next = [.. under.Where(text => text.Length > depth).GroupBy(text => text[depth].Value)];
            CodePointSet others = CodePointSet.All.Except(Rare).Except(CodePointSet.Union(next.Select(static group => CodePointSet.Of(group.Key))));
            ways.Add(Expression.Then(Written(others), Expression.Times(Written(CodePointSet.All.Except(Rare)), 0, LongestFreeName - 1 - depth)));
            ways.AddRange(next.Select(group => Expression.Then(Written(CodePointSet.Of(group.Key)), Except([.. group], depth + 1))));
            return Expression.AnyOf(ways);
        }
    }

    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Quote(value.GetString()!),
        JsonValueKind.Array => $"[{string.Join(',', value.EnumerateArray().Select(Text))}]",
        JsonValueKind.Object => $"{{{string.Join(',', value.EnumerateObject().Select(static member => $"{Quote(member.Name)}:{Text(member.Value)}"))}}}",
        _ => value.GetRawText(),
    };

    private static string Escape(int c) => c switch
    {
        '"' => "\\\"", '\\' => "\\\\", '\b' => "\\b", '\t' => "\\t", '\n' => "\\n", '\f' => "\\f", '\r' => "\\r",
        _ => $"\\u{c:X4}",
    };

    private Expression Rule(ref int? rule, string name, Func<Expression> body)
    {
        if (rule is { } known) return new Expression.Call(known);
        int made = _grammar.Declare(name);
        rule = made;
        _grammar.Define(made, body());
        return new Expression.Call(made);
    }
}
