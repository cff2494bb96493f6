namespace MLNet.Gpt;

/// <summary>Rules and where they begin.</summary>
internal sealed class Grammar
{
    public const int MostRules = 100_000;

    private readonly List<(string Name, Expression Body)> _rules = [];

    public IReadOnlyList<(string Name, Expression Body)> Rules => _rules;

    /// <summary>The rule that a text is.</summary>
    public int Root { get; set; }

    /// <summary>The first contradiction that was met while the rules were made: why nothing may satisfy them.</summary>
    public ConstraintException? Contradiction { get; set; }

    /// <summary>A grammar of one rule.</summary>
    public static Grammar Of(Expression body)
    {
        var grammar = new Grammar();
        grammar.Define(grammar.Declare("text"), body);
        return grammar;
    }

    /// <summary>Adds a rule, which stands for nothing until it is defined.</summary>
    public int Declare(string name)
    {
        if (_rules.Count == MostRules)
            throw new ConstraintException(ConstraintProblem.TooLarge, name, $"It needs more than {MostRules} rules; lower the counts of properties or repetitions.");
        _rules.Add((name, Expression.Never));
        return _rules.Count - 1;
    }

    public void Define(int rule, Expression body) => _rules[rule] = (_rules[rule].Name, body);
}
