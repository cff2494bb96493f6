using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// A grammar as a graph over bytes: nodes with edges that read a byte and edges that call a rule. Every node can reach the end of its rule, so that whatever was begun can be
/// finished; no node has empty moves.
/// </summary>
internal sealed class GrammarGraph
{
    private const int MostNodes = 1_000_000, MostEdges = 10_000_000;

    private readonly Grammar _grammar;
    private readonly CodePointSet? _alphabet; // the characters that can be written; null for all
    private readonly List<Node> _nodes = [];
    private readonly List<int> _starts = [];
    private readonly List<string> _names = [];
    private readonly Dictionary<string, int> _characterRules = [];
    private readonly SortedSet<int> _missing = [];

    private GrammarGraph(Grammar grammar, CodePointSet? alphabet)
    {
        _grammar = grammar;
        _alphabet = alphabet;
    }

    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>Where each rule begins.</summary>
    public IReadOnlyList<int> Starts => _starts;

    public int Root => _starts[_grammar.Root];

    /// <summary>Builds the graph.</summary>
    /// <param name="grammar">The grammar.</param>
    /// <param name="alphabet">The only characters that can be written; null for all.</param>
    /// <exception cref="ConstraintException">Nothing satisfies the grammar, a rule begins with itself, or the graph is too large.</exception>
    public static GrammarGraph Build(Grammar grammar, CodePointSet? alphabet)
    {
        // 1. Nodes and edges of every rule; rules of sets of characters are added on the way.
        var graph = new GrammarGraph(grammar, alphabet);
        foreach ((string name, _) in grammar.Rules) graph.AddRule(name);
        for (int rule = 0; rule < grammar.Rules.Count; rule++) graph.Connect(grammar.Rules[rule].Body, graph._starts[rule], graph.End());

        // 2. What can't be finished goes.
        bool[] live = graph.Reaching(withBytes: true, anyCall: false, out bool[] liveRules);
        if (!liveRules[grammar.Root]) throw graph.Nothing(liveRules);
        graph.Prune(live, liveRules);
        graph.RemoveEmptyMoves();

        // 3. A rule that begins with itself would be called for ever.
        graph.CheckLeftRecursion();
        return graph;
    }

    private ConstraintException Nothing(bool[] liveRules)
    {
        if (_alphabet is not null && _missing.Count > 0)
        {
            string characters = string.Join(", ", _missing.Take(10).Select(static c => $"'{char.ConvertFromUtf32(c)}' (U+{c:X4})"));
            return new(ConstraintProblem.MissingCharacters, _names[_grammar.Root], $"The tokenizer has no token for {characters}{(_missing.Count > 10 ? ", …" : "")}, without which nothing satisfies it; take a byte-level tokenizer, or one that knows these characters.");
        }

        if (_grammar.Contradiction is { } contradiction) return contradiction;
        _ = Reaching(withBytes: true, anyCall: true, out bool[] withoutRecursion);
        if (!withoutRecursion[_grammar.Root]) return new(ConstraintProblem.Contradictory, _names[_grammar.Root], "Nothing satisfies it: whatever is begun can't be finished.");
        string stuck = _names[Enumerable.Range(0, liveRules.Length).FirstOrDefault(rule => !liveRules[rule] && rule != _grammar.Root && rule < _grammar.Rules.Count, _grammar.Root)];
        return new(ConstraintProblem.EndlessRecursion, stuck, "Nothing finite satisfies it: each way through it leads into itself again. Give it a way out, such as a property that is not required, or an alternative.");
    }

    private int AddRule(string name)
    {
        _starts.Add(AddNode());
        _names.Add(name);
        return _starts.Count - 1;
    }

    private int AddNode()
    {
        if (_nodes.Count == MostNodes)
            throw new ConstraintException(ConstraintProblem.TooLarge, _names[^1], $"It needs more than {MostNodes} places; lower the counts of repetitions or the lengths.");
        _nodes.Add(new Node());
        return _nodes.Count - 1;
    }

    private int End()
    {
        int node = AddNode();
        _nodes[node].IsEnd = true;
        return node;
    }

    private void Connect(Expression expression, int from, int to)
    {
        switch (expression)
        {
            case Expression.Text text:
                Rune[] runes = [.. text.Value.EnumerateRunes()];
                if (runes.Length == 0) _nodes[from].Empty.Add(to);
                for (int i = 0; i < runes.Length; i++)
                {
                    int next = i == runes.Length - 1 ? to : AddNode();
                    ConnectBytes(runes[i], from, next);
                    from = next;
                }

                break;
            case Expression.Characters characters:
                ConnectSet(characters.Set, from, to);
                break;
            case Expression.Call call:
                _nodes[from].Calls.Add((call.Rule, to));
                break;
            case Expression.Sequence sequence:
                if (sequence.Parts.Count == 0) _nodes[from].Empty.Add(to);
                for (int i = 0; i < sequence.Parts.Count; i++)
                {
                    int next = i == sequence.Parts.Count - 1 ? to : AddNode();
                    Connect(sequence.Parts[i], from, next);
                    from = next;
                }

                break;
            case Expression.Nested nested:
                Connect(nested.Inner, from, to);
                break;
            case Expression.Choice choice:
                foreach (Expression alternative in choice.Alternatives) Connect(alternative, from, to);
                break;
            case Expression.Repeat repeat:
                ConnectRepeat(repeat, from, to);
                break;
            case Expression.Accepted accepted:
                int[] places = [.. accepted.States.Select(_ => AddNode())];
                _nodes[from].Empty.Add(places[0]);
                for (int state = 0; state < places.Length; state++)
                {
                    if (accepted.States[state].IsEnd) _nodes[places[state]].Empty.Add(to);
                    foreach ((Expression written, int next) in accepted.States[state].Edges) Connect(written, places[state], places[next]);
                }

                break;
            default:
                throw new InvalidOperationException($"{expression.GetType().Name} has no graph.");
        }
    }

    private void ConnectRepeat(Expression.Repeat repeat, int from, int to)
    {
        for (int i = 0; i < repeat.Min; i++)
        {
            int next = AddNode();
            Connect(repeat.Part, from, next);
            from = next;
        }

        if (repeat.Max is { } max)
        {
            for (int i = repeat.Min; i < max; i++)
            {
                int next = AddNode();
                _nodes[from].Empty.Add(to);
                Connect(repeat.Part, from, next);
                from = next;
            }

            _nodes[from].Empty.Add(to);
            return;
        }

        // A node of its own, since others may lead from or to the two ends.
        int loop = AddNode();
        _nodes[from].Empty.Add(loop);
        _nodes[loop].Empty.Add(to);
        Connect(repeat.Part, loop, loop);
    }

    private void ConnectBytes(Rune rune, int from, int to)
    {
        if (_alphabet?.Contains(rune.Value) == false)
        {
            _missing.Add(rune.Value);
            return;
        }

        Span<byte> bytes = stackalloc byte[4];
        int count = rune.EncodeToUtf8(bytes);
        for (int i = 0; i < count; i++)
        {
            int next = i == count - 1 ? to : AddNode();
            _nodes[from].Bytes.Add((bytes[i], bytes[i], next));
            from = next;
        }
    }

    // ASCII stands here; what has more bytes is a rule that all places with the same set share.
    private void ConnectSet(CodePointSet set, int from, int to)
    {
        CodePointSet written = _alphabet is null ? set : set.Intersect(_alphabet);
        if (written.IsEmpty && !set.IsEmpty) _missing.Add(set.First);
        foreach ((int first, int last) in written.Ranges)
        {
            if (first <= 0x7F) _nodes[from].Bytes.Add(((byte)first, (byte)Math.Min(last, 0x7F), to));
        }

        CodePointSet rest = written.Intersect(CodePointSet.Range(0x80, 0x10FFFF));
        if (rest.IsEmpty) return;
        string key = rest.Key;
        if (!_characterRules.TryGetValue(key, out int rule))
        {
            _characterRules.Add(key, rule = AddRule("characters"));
            int end = End();
            var prefixes = new Dictionary<(int, byte, byte), int>();
            foreach ((byte First, byte Last)[] box in rest.Ranges.SelectMany(static range => Utf8Ranges.Of(range.First, range.Last)))
            {
                int place = _starts[rule];
                foreach ((byte low, byte high) in box[..^1])
                {
                    if (!prefixes.TryGetValue((place, low, high), out int next))
                    {
                        prefixes.Add((place, low, high), next = AddNode());
                        _nodes[place].Bytes.Add((low, high, next));
                    }

                    place = next;
                }

                _nodes[place].Bytes.Add((box[^1].First, box[^1].Last, end));
            }
        }

        _nodes[from].Calls.Add((rule, to));
    }

    /// <summary>The nodes from which the end of their rule can be reached, with bytes or without any; and the rules whose beginning is such a node. With any call, a call counts as a byte.</summary>
    private bool[] Reaching(bool withBytes, bool anyCall, out bool[] rules)
    {
        var plain = new List<int>?[_nodes.Count];
        var calls = new List<(int From, int Rule)>?[_nodes.Count];
        var callers = new List<(int From, int To)>?[_starts.Count];
        var beginning = new Dictionary<int, int>();
        for (int rule = 0; rule < _starts.Count; rule++) beginning[_starts[rule]] = rule;
        for (int from = 0; from < _nodes.Count; from++)
        {
            foreach (int to in _nodes[from].Empty) (plain[to] ??= []).Add(from);
            foreach ((_, _, int to) in withBytes ? _nodes[from].Bytes : []) (plain[to] ??= []).Add(from);
            foreach ((int rule, int to) in _nodes[from].Calls)
            {
                if (anyCall) (plain[to] ??= []).Add(from);
                (calls[to] ??= []).Add((from, rule));
                (callers[rule] ??= []).Add((from, to));
            }
        }

        bool[] found = new bool[_nodes.Count];
        bool[] foundRules = rules = new bool[_starts.Count];
        var open = new Stack<int>();
        for (int node = 0; node < found.Length; node++)
        {
            if (_nodes[node].IsEnd) Mark(node);
        }

        while (open.TryPop(out int node))
        {
            foreach (int from in plain[node] ?? []) Mark(from);
            foreach ((int from, int rule) in calls[node] ?? [])
            {
                if (foundRules[rule]) Mark(from);
            }

            if (!beginning.TryGetValue(node, out int begun) || foundRules[begun]) continue;
            foundRules[begun] = true;
            foreach ((int from, int to) in callers[begun] ?? [])
            {
                if (found[to]) Mark(from);
            }
        }

        return found;

        void Mark(int node)
        {
            if (found[node]) return;
            found[node] = true;
            open.Push(node);
        }
    }

    private void Prune(bool[] live, bool[] liveRules)
    {
        foreach (Node node in _nodes)
        {
            node.Bytes.RemoveAll(edge => !live[edge.To]);
            node.Empty.RemoveAll(to => !live[to]);
            node.Calls.RemoveAll(call => !liveRules[call.Rule] || !live[call.To]);
        }
    }

    private void RemoveEmptyMoves()
    {
        var bytes = new List<(byte, byte, int)>[_nodes.Count];
        var calls = new List<(int, int)>[_nodes.Count];
        bool[] ends = new bool[_nodes.Count];
        var seen = new HashSet<int>();
        var open = new Stack<int>();
        long visited = 0;
        for (int node = 0; node < _nodes.Count; node++)
        {
            (bytes[node], calls[node], ends[node]) = (_nodes[node].Bytes, _nodes[node].Calls, _nodes[node].IsEnd);
            if (_nodes[node].Empty.Count == 0) continue;
            seen.Clear();
            seen.Add(node);
            open.Push(node);
            List<(byte, byte, int)> allBytes = [];
            List<(int, int)> allCalls = [];
            while (open.TryPop(out int place))
            {
                if ((visited += 1 + _nodes[place].Bytes.Count + _nodes[place].Calls.Count) > MostEdges)
                    throw new ConstraintException(ConstraintProblem.TooLarge, _names[_grammar.Root], "Its repetitions of what may be empty can be left out in too many ways; lower their counts, or repeat what is not empty.");
                allBytes.AddRange(_nodes[place].Bytes);
                allCalls.AddRange(_nodes[place].Calls);
                ends[node] |= _nodes[place].IsEnd;
                foreach (int to in _nodes[place].Empty)
                {
                    if (seen.Add(to)) open.Push(to);
                }
            }

            bytes[node] = [.. allBytes.Distinct()];
            calls[node] = [.. allCalls.Distinct()];
        }

        for (int node = 0; node < _nodes.Count; node++)
            _nodes[node] = new Node { Bytes = bytes[node], Calls = calls[node], IsEnd = ends[node] };
    }

    private void CheckLeftRecursion()
    {
        _ = Reaching(withBytes: false, anyCall: false, out bool[] nullableRules);
        var state = new byte[_starts.Count]; // 0 not visited, 1 on the way, 2 done
        var path = new Stack<(int Rule, IEnumerator<int> Next)>();
        for (int root = 0; root < _starts.Count; root++)
        {
            if (state[root] != 0) continue;
            Enter(root);
            while (path.TryPeek(out (int Rule, IEnumerator<int> Next) top))
            {
                if (!top.Next.MoveNext())
                {
                    state[top.Rule] = 2;
                    path.Pop();
                }
                else if (state[top.Next.Current] == 1)
                {
                    string name = _names[top.Next.Current];
                    throw new ConstraintException(ConstraintProblem.LeftRecursion, name, $"The rule '{name}' begins with itself; write the repetition instead, such as 'list ::= item (\",\" item)*' for 'list ::= list \",\" item | item'.");
                }
                else if (state[top.Next.Current] == 0)
                {
                    Enter(top.Next.Current);
                }
            }
        }

        void Enter(int rule)
        {
            state[rule] = 1;
            path.Push((rule, First(_starts[rule]).GetEnumerator()));
        }

        // The rules that may be called before a byte is read.
        IEnumerable<int> First(int start)
        {
            var seen = new HashSet<int> { start };
            var open = new Stack<int>([start]);
            var called = new HashSet<int>();
            while (open.TryPop(out int node))
            {
                foreach ((int rule, int to) in _nodes[node].Calls)
                {
                    called.Add(rule);
                    if (nullableRules[rule] && seen.Add(to)) open.Push(to);
                }
            }

            return called;
        }
    }

    /// <summary>A place within a rule.</summary>
    internal sealed class Node
    {
        public List<(byte First, byte Last, int To)> Bytes { get; init; } = [];

        public List<(int Rule, int To)> Calls { get; init; } = [];

        /// <summary>Moves that read nothing; none once the graph is built.</summary>
        public List<int> Empty { get; } = [];

        /// <summary>Whether the rule may end here.</summary>
        public bool IsEnd { get; set; }

        /// <summary>Whether the rule must end here.</summary>
        public bool IsOnlyEnd => IsEnd && Bytes.Count == 0 && Calls.Count == 0;
    }
}
