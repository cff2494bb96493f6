namespace MLNet.Gpt;

/// <summary>
/// Keeps what a grammar of JSON writes as flat as it can be read: rules that lead into themselves, such as that of any value, would nest without end, and JSON's readers take 64 levels. Such rules are copied for each level, and
/// the copies of the last lead no deeper.
/// </summary>
internal static class JsonNesting
{
    // Of copies; each is some places of the automaton. Beyond them, rules stay as they are.
    private const int MostCopies = 10_000;

    private const int Endless = int.MaxValue;

    /// <summary>The rule that stands for what a rule stands for, as far as it is nested no deeper than a limit.</summary>
    /// <param name="grammar">The grammar; copies are added to it.</param>
    /// <param name="first">The first rule of the schema; none of its rules calls one before it but for characters and white space.</param>
    /// <param name="root">The rule that a document is.</param>
    /// <param name="most">The most brackets within each other.</param>
    public static int Limit(Grammar grammar, int first, int root, int most)
    {
        // 1. How deep each rule nests.
        var calls = new List<(int Rule, int Nesting)>[grammar.Rules.Count - first];
        int[] own = new int[calls.Length];
        for (int i = 0; i < calls.Length; i++)
        {
            calls[i] = [];
            own[i] = Collect(grammar.Rules[first + i].Body, 0, calls[i]);
            calls[i].RemoveAll(call => call.Rule < first);
        }

        int[] depths = Depths(calls, own, first);
        if (depths[root - first] <= most || CountCopies() > MostCopies) return root;

        // 2. Copies of those that nest too deep, level by level: a call that can't go too deep any more is one of the rule itself.
        var copies = new Dictionary<(int Rule, int Level), int>();
        var undefined = new Queue<(int Rule, int Level)>(); // there may be more than the stack is deep
        var parts = new Dictionary<Expression, Expression>(ReferenceEqualityComparer.Instance);
        int copy = CopyOf(root, 0);
        while (undefined.TryDequeue(out (int Rule, int Level) next)) grammar.Define(copies[next], Rewrite(grammar.Rules[next.Rule].Body, next.Level, grammar.Rules[next.Rule].Name));
        Check(grammar, copy, exception =>
        {
            Check(grammar, root, static own => own); // what can't be at all is told as such, and not as nested too deep
            return new ConstraintException(ConstraintProblem.TooLarge, grammar.Rules[root].Name, $"Whatever satisfies it is nested more than {most} deep, which is not read. Make it flatter.", innerException: exception);
        });
        return copy;

        int CopyOf(int rule, int level)
        {
            if (!copies.TryGetValue((rule, level), out int made))
            {
                copies.Add((rule, level), made = grammar.Declare(grammar.Rules[rule].Name));
                undefined.Enqueue((rule, level));
            }

            return made;
        }

        int CountCopies()
        {
            var seen = new HashSet<(int Rule, int Level)> { (root, 0) };
            var open = new Stack<(int Rule, int Level)>(seen);
            while (seen.Count <= MostCopies && open.TryPop(out (int Rule, int Level) one))
            {
                foreach ((int rule, int nesting) in calls[one.Rule - first])
                {
                    (int Rule, int Level) next = (rule, one.Level + nesting);
                    if (next.Level <= most && !Fits(next.Rule, next.Level) && seen.Add(next)) open.Push(next);
                }
            }

            return seen.Count;
        }

        bool Fits(int rule, int level) => rule < first || (depths[rule - first] is not Endless and var depth && level + depth <= most);

        Expression Rewrite(Expression expression, int level, string name)
        {
            if (!Leads(expression, level)) return Shared(expression, name);
            return expression switch
            {
                Expression.Call call => new Expression.Call(CopyOf(call.Rule, level)),
                Expression.Nested when level == most => Expression.Never,
                Expression.Nested nested => new Expression.Nested(Rewrite(nested.Inner, level + 1, name)),
                Expression.Sequence sequence => Expression.Then([.. sequence.Parts.Select(part => Rewrite(part, level, name))]),
                Expression.Choice choice => Expression.AnyOf([.. choice.Alternatives.Select(part => Rewrite(part, level, name))]),
                Expression.Repeat repeat => Expression.Times(Rewrite(repeat.Part, level, name), repeat.Min, repeat.Max),
                _ => expression,
            };
        }

        // Whether it may lead too deep.
        bool Leads(Expression expression, int level) => expression switch
        {
            Expression.Call call => !Fits(call.Rule, level),
            Expression.Nested nested => level == most || Leads(nested.Inner, level + 1),
            Expression.Sequence sequence => sequence.Parts.Any(part => Leads(part, level)),
            Expression.Choice choice => choice.Alternatives.Any(part => Leads(part, level)),
            Expression.Repeat repeat => Leads(repeat.Part, level),
            _ => false,
        };

        // What all copies have in common is a rule of its own.
        Expression Shared(Expression expression, string name)
        {
            if (expression is Expression.Text or Expression.Characters or Expression.Call || expression.CanBeEmpty) return expression;
            if (!parts.TryGetValue(expression, out Expression? call))
            {
                int rule = grammar.Declare(name);
                grammar.Define(rule, expression);
                parts.Add(expression, call = new Expression.Call(rule));
            }

            return call;
        }
    }

    private static void Check(Grammar grammar, int root, Func<ConstraintException, ConstraintException> tell)
    {
        int was = grammar.Root;
        grammar.Root = root;
        try
        {
            GrammarGraph.Build(grammar, null);
        }
        catch (ConstraintException exception) when (exception.Problem != ConstraintProblem.TooLarge)
        {
            throw tell(exception);
        }
        finally
        {
            grammar.Root = was;
        }
    }

    // The brackets within each other in an expression itself, and what it calls within how many.
    private static int Collect(Expression expression, int nesting, List<(int, int)> calls)
    {
        switch (expression)
        {
            case Expression.Call call:
                calls.Add((call.Rule, nesting));
                return nesting;
            case Expression.Nested nested:
                return Collect(nested.Inner, nesting + 1, calls);
            case Expression.Sequence sequence:
                return sequence.Parts.Select(part => Collect(part, nesting, calls)).DefaultIfEmpty(nesting).Max();
            case Expression.Choice choice:
                return choice.Alternatives.Select(part => Collect(part, nesting, calls)).DefaultIfEmpty(nesting).Max();
            case Expression.Repeat repeat:
                return Collect(repeat.Part, nesting, calls);
            default:
                return nesting;
        }
    }

    // Tarjan's components, without recursion: callees come before their callers. A component with a bracket on a way back into it is endless, and so is what calls one.
    private static int[] Depths(List<(int Rule, int Nesting)>[] calls, int[] own, int first)
    {
        int count = calls.Length, visits = 0, components = 0;
        int[] order = new int[count], low = new int[count], component = new int[count], next = new int[count], depths = new int[count];
        var open = new Stack<int>();
        var path = new Stack<int>();
        for (int start = 0; start < count; start++)
        {
            if (order[start] != 0) continue;
            path.Push(start);
            while (path.TryPeek(out int rule))
            {
                if (order[rule] == 0)
                {
                    order[rule] = low[rule] = ++visits;
                    open.Push(rule);
                }

                if (next[rule] < calls[rule].Count)
                {
                    int callee = calls[rule][next[rule]].Rule - first;
                    if (order[callee] == 0)
                    {
                        path.Push(callee);
                        continue;
                    }

                    if (component[callee] == 0) low[rule] = Math.Min(low[rule], low[callee]);
                    next[rule]++;
                    continue;
                }

                path.Pop();
                if (low[rule] != order[rule]) continue;
                List<int> members = [];
                int member;
                components++;
                do
                {
                    members.Add(member = open.Pop());
                    component[member] = components;
                }
                while (member != rule);
                int depth = 0;
                foreach (int one in members)
                {
                    depth = Math.Max(depth, own[one]);
                    foreach ((int callee, int nesting) in calls[one])
                    {
                        bool within = component[callee - first] == components;
                        int below = within ? nesting > 0 ? Endless : 0 : depths[callee - first];
                        depth = Math.Max(depth, below >= Endless - nesting ? Endless : below + nesting);
                    }
                }

                foreach (int one in members) depths[one] = depth;
            }
        }

        return depths;
    }
}
