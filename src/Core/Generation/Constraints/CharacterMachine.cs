namespace MLNet.Gpt;

/// <summary>A nondeterministic finite automaton over characters, without empty moves: what intersections of patterns and lengths are computed with.</summary>
internal sealed class CharacterMachine
{
    private const int MostStates = 100_000, MostEdges = 1_000_000, MostSteps = 20_000_000;

    private readonly List<List<(CodePointSet Set, int To)>> _edges = [];
    private readonly List<bool> _accepting = [];
    private int _edgeCount, _steps;

    private CharacterMachine()
    {
    }

    /// <summary>What it accepts, each character of a set written as told.</summary>
    public Expression ToExpression(Func<CodePointSet, Expression> write)
    {
        var written = new Dictionary<string, Expression>();
        return new Expression.Accepted([.. _edges.Select((edges, state) => (_accepting[state], (IReadOnlyList<(Expression, int)>)[.. edges.Select(edge => (Written(edge.Set), edge.To))]))]);

        Expression Written(CodePointSet set)
        {
            string key = set.Key;
            if (!written.TryGetValue(key, out Expression? found)) written.Add(key, found = write(set));
            return found;
        }
    }

    /// <summary>The machine of an expression without calls and anchors (Glushkov 1961: a state for each place where a character stands).</summary>
    public static CharacterMachine Of(Expression expression)
    {
        var machine = new CharacterMachine();
        int start = machine.Add();
        List<int> ends = machine.Append(expression, [start]);
        foreach (int end in ends) machine._accepting[end] = true;
        return machine;
    }

    /// <summary>The texts of min to max characters.</summary>
    public static CharacterMachine OfLength(int min, int? max) => Of(Expression.Times(Expression.Of(CodePointSet.All), min, max));

    /// <summary>The texts that both accept.</summary>
    public CharacterMachine Intersect(CharacterMachine other)
    {
        var product = new CharacterMachine();
        var places = new Dictionary<(int, int), int> { [(0, 0)] = product.Add() };
        var open = new Queue<(int A, int B)>([(0, 0)]);
        while (open.TryDequeue(out (int A, int B) pair))
        {
            int from = places[pair];
            product._accepting[from] = _accepting[pair.A] && other._accepting[pair.B];
            foreach ((CodePointSet setA, int toA) in _edges[pair.A])
            {
                foreach ((CodePointSet setB, int toB) in other._edges[pair.B])
                {
                    product.Step(1);
                    CodePointSet both = setA.Intersect(setB);
                    if (both.IsEmpty) continue;
                    if (!places.TryGetValue((toA, toB), out int to))
                    {
                        places.Add((toA, toB), to = product.Add());
                        open.Enqueue((toA, toB));
                    }

                    product.AddEdge(from, both, to);
                }
            }
        }

        return product;
    }

    /// <summary>Whether it accepts any text.</summary>
    public bool IsEmpty()
    {
        var seen = new HashSet<int> { 0 };
        var open = new Stack<int>([0]);
        while (open.TryPop(out int state))
        {
            if (_accepting[state]) return false;
            foreach ((_, int to) in _edges[state])
            {
                if (seen.Add(to)) open.Push(to);
            }
        }

        return true;
    }

    // Appends an expression behind some states and gives the states in which it may have ended.
    private List<int> Append(Expression expression, List<int> from)
    {
        Step(1); // also of what adds no state, and may be repeated all the more often
        switch (expression)
        {
            case Expression.Text text:
                foreach (System.Text.Rune rune in text.Value.EnumerateRunes()) from = Append(CodePointSet.Of(rune.Value), from);
                return from;
            case Expression.Characters characters:
                return Append(characters.Set, from);
            case Expression.Sequence sequence:
                foreach (Expression part in sequence.Parts) from = Append(part, from);
                return from;
            case Expression.Choice choice:
                return [.. choice.Alternatives.SelectMany(alternative => Append(alternative, from)).Distinct()];
            case Expression.Repeat repeat:
                for (int i = 0; i < repeat.Min; i++) from = Append(repeat.Part, from);
                HashSet<int> ends = [.. from];
                if (repeat.Max is { } max)
                {
                    for (int i = repeat.Min; i < max && from.Count > 0; i++)
                    {
                        from = Append(repeat.Part, from);
                        ends.UnionWith(from);
                    }

                    return [.. ends];
                }

                // A loop: what leads from its entry also leads from its ends.
                int entry = Add();
                List<int> once = Append(repeat.Part, [entry]);
                var firsts = _edges[entry].ToArray();
                foreach (int state in from.Union(once).ToArray())
                {
                    HashSet<(CodePointSet, int)> own = [.. _edges[state]];
                    foreach ((CodePointSet Set, int To) edge in firsts)
                    {
                        if (own.Add(edge)) AddEdge(state, edge.Set, edge.To);
                    }
                }

                return [.. ends.Union(once.Where(state => state != entry))];
            default:
                throw new InvalidOperationException($"{expression.GetType().Name} is no expression over characters.");
        }
    }

    private List<int> Append(CodePointSet set, List<int> from)
    {
        if (from.Count == 0 || set.IsEmpty) return [];
        int to = Add();
        foreach (int state in from) AddEdge(state, set, to);
        return [to];
    }

    private void AddEdge(int from, CodePointSet set, int to)
    {
        if (++_edgeCount > MostEdges) throw TooLarge($"{MostEdges} ways from one state to another");
        _edges[from].Add((set, to));
    }

    private void Step(int steps)
    {
        if ((_steps += steps) > MostSteps) throw TooLarge($"{MostSteps} steps");
    }

    private int Add()
    {
        if (_edges.Count == MostStates) throw TooLarge($"{MostStates} states");
        _edges.Add([]);
        _accepting.Add(false);
        return _edges.Count - 1;
    }

    private static ConstraintException TooLarge(string what) =>
        new(ConstraintProblem.TooLarge, "a pattern", $"Pattern and lengths together need more than {what}; lower the counts of repetitions or the length.");
}
