namespace MLNet.Gpt;

/// <summary>What a rule of a grammar stands for.</summary>
internal abstract record Expression
{
    /// <summary>The most repetitions that a count may ask for: each is a place of the automaton.</summary>
    public const int MostRepetitions = 100_000;

    /// <summary>The most groups within each other that a source may have: expressions are walked through by recursion.</summary>
    public const int MostNesting = 256;

    /// <summary>The empty text.</summary>
    public static Expression Empty { get; } = new Text("");

    /// <summary>No text at all.</summary>
    public static Expression Never { get; } = new Choice([]);

    public static Expression Of(string text) => new Text(text);

    public static Expression Of(CodePointSet set) => new Characters(set);

    public static Expression Then(params IReadOnlyList<Expression> parts) => parts.Count == 1 ? parts[0] : new Sequence(parts);

    public static Expression AnyOf(params IReadOnlyList<Expression> alternatives) => alternatives.Count == 1 ? alternatives[0] : new Choice(alternatives);

    public static Expression Optional(Expression part) => new Choice([part, Empty]);

    public static Expression Times(Expression part, int min, int? max) => (min, max) == (1, 1) ? part : new Repeat(part, min, max);

    /// <summary>Whether it can be the empty text; a call counts as one that can't.</summary>
    public bool CanBeEmpty => this switch
    {
        Text text => text.Value.Length == 0,
        Sequence sequence => sequence.Parts.All(static part => part.CanBeEmpty),
        Choice choice => choice.Alternatives.Any(static part => part.CanBeEmpty),
        Repeat repeat => repeat.Min == 0 || repeat.Part.CanBeEmpty,
        Anchor => true,
        _ => false,
    };

    /// <summary>A text, letter by letter.</summary>
    public sealed record Text(string Value) : Expression;

    /// <summary>One character of a set.</summary>
    public sealed record Characters(CodePointSet Set) : Expression;

    /// <summary>One after the other.</summary>
    public sealed record Sequence(IReadOnlyList<Expression> Parts) : Expression;

    /// <summary>Any of several; of none, nothing.</summary>
    public sealed record Choice(IReadOnlyList<Expression> Alternatives) : Expression;

    /// <summary>As often as Min to Max; without Max as often as one likes.</summary>
    public sealed record Repeat(Expression Part, int Min, int? Max) : Expression;

    /// <summary>What a rule stands for.</summary>
    public sealed record Call(int Rule) : Expression;

    /// <summary>What stands between brackets, with them: one more level of a JSON document.</summary>
    public sealed record Nested(Expression Inner) : Expression;

    /// <summary>What a machine over characters accepts: for each of its states whether the text may end there, and what is written on the way to which other.</summary>
    public sealed record Accepted(IReadOnlyList<(bool IsEnd, IReadOnlyList<(Expression Written, int To)> Edges)> States) : Expression;

    /// <summary>The beginning or the end of the text; <see cref="RegexReader"/> resolves them.</summary>
    public sealed record Anchor(bool IsStart) : Expression;
}
