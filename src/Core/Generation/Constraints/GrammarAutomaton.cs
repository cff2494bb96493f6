using System.Runtime.CompilerServices;

namespace MLNet.Gpt;

/// <summary>
/// Reads a grammar's texts byte by byte and tells which tokens may come next. A state is a set of configurations, a place in a rule and a stack of the places to return to; states
/// and stacks are made when they are first met and shared (a determinised pushdown automaton, made on the way).
/// </summary>
/// <remarks>
/// Thread-safe: what has been made is read without a lock. A state's tokens are those that stay within what all its stacks have above their common part, which does not depend
/// on that part and so is computed once for all of them, and those that go on below it, which are looked at again (Dong et al. 2024, "XGrammar", sections 3.1 and 3.2, without its stack of
/// alternatives).
/// </remarks>
internal sealed class GrammarAutomaton
{
    private const int MostConfigurations = 20_000;

    private readonly GrammarGraph _graph;
    private readonly TokenTrie _trie;
    private readonly byte[] _classes = new byte[256]; // bytes that no edge tells apart
    private readonly byte[] _representatives;
    private readonly Lock _gate = new();
    private readonly State[] _path;
    private Dictionary<Configuration[], State> _states = new(ConfigurationsComparer.Instance);
    private Dictionary<(int Return, ReturnStack? Below), ReturnStack> _stacks = [];
    private State? _start;
    private int _nextStack = 1, _masks, _kept;

    public GrammarAutomaton(Grammar grammar, TokenTrie trie)
    {
        _ = GrammarGraph.Build(grammar, alphabet: null); // what is wrong without regard to the tokenizer
        _graph = GrammarGraph.Build(grammar, trie.Alphabet);
        _trie = trie;
        _path = new State[trie.MaxDepth + 1];

        bool[] cuts = new bool[257];
        foreach ((byte first, byte last, _) in _graph.Nodes.SelectMany(static node => node.Bytes)) cuts[first] = cuts[last + 1] = true;
        List<byte> representatives = [0];
        for (int b = 1; b < 256; b++)
        {
            if (cuts[b]) representatives.Add((byte)b);
            _classes[b] = (byte)(representatives.Count - 1);
        }

        _representatives = [.. representatives];
        Dead = new State([], isAccepting: false, classCount: 0);
    }

    public TokenTrie Trie => _trie;

    /// <summary>The most states that are remembered; for tests, fewer.</summary>
    internal int MostStates { get; init; } = 100_000;

    /// <summary>The most sets of tokens that are remembered, 25 MB with GPT-2's vocabulary; for tests, fewer.</summary>
    internal int MostMasks { get; init; } = 4_000;

    /// <summary>Of 16 bytes each.</summary>
    internal int MostKeptConfigurations { get; init; } = 4_000_000;

    /// <summary>The states that are remembered.</summary>
    internal int StateCount => _states.Count;

    /// <summary>The configurations of the states that are kept, together: of a grammar with much ambiguity each has thousands.</summary>
    internal int KeptConfigurations => _kept;

    /// <summary>The state from which nothing is left.</summary>
    public State Dead { get; }

    /// <summary>The state before the first byte.</summary>
    public State Start
    {
        get
        {
            lock (_gate) return _start ??= Close([new Configuration(_graph.Root, null)]);
        }
    }

    /// <summary>The state after one more byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public State Step(State state, byte next) => state.Next is { Length: > 0 } known ? Volatile.Read(ref known[_classes[next]]) ?? Explore(state, _classes[next]) : Dead;

    /// <summary>The state after a token.</summary>
    public State Step(State state, int token)
    {
        ReadOnlySpan<byte> bytes = _trie.BytesOf(token);
        if (bytes.IsEmpty) return Dead;
        foreach (byte b in bytes) state = Step(state, b);
        return state;
    }

    /// <summary>The tokens that may come in a state: a bit for each, in whole bytes and 8 bytes more.</summary>
    public byte[] TokensAfter(State state)
    {
        if (Volatile.Read(ref state.Tokens) is { } known) return known;
        lock (_gate)
        {
            if (state.Tokens is { } made) return made;
            byte[] tokens = ComputeTokens(state);
            Volatile.Write(ref state.Tokens, tokens);
            return tokens;
        }
    }

    private byte[] ComputeTokens(State state)
    {
        // 1. What does not depend on the common part of the stacks: the same for every state that is alike above it.
        ReturnStack? common = state.Configurations.Length == 0 ? null : state.Configurations[0].Stack;
        foreach (Configuration configuration in state.Configurations) common = Common(common, configuration.Stack);
        State local = common is null ? state : Intern([.. state.Configurations.Select(c => new Configuration(c.Node, Above(c.Stack, common)))], isAccepting: false);
        (byte[]? tokens, int[]? leaving) = (local.LocalTokens, local.Leaving);
        if (tokens is null || leaving is null)
        {
            CountMask();
            tokens = new byte[(_trie.VocabularySize + 7) / 8 + 8];
            List<int> nodes = [];
            Walk(local, 0, _trie.Bytes.Length, 0, tokens, nodes);
            (local.LocalTokens, local.Leaving) = (tokens, leaving = [.. nodes]);
        }

        if (common is null || leaving.Length == 0) return tokens;

        // 2. What goes on below it.
        CountMask();
        byte[] all = [.. tokens];
        State below = Close([new Configuration(common.Return, common.Below)]);
        foreach (int node in leaving)
            Walk(below, node + 1, _trie.Ends[node], _trie.Depths[node], all, leaving: null);
        return all;
    }

    // Goes through the tree of tokens between two nodes, beginning in a state, and sets the bits of the tokens that can be read. Where the state may leave its rules and tokens go on, the
    // node is noted.
    private void Walk(State state, int begin, int end, int depth, byte[] tokens, List<int>? leaving)
    {
        TokenTrie trie = _trie;
        _path[depth] = state;
        for (int node = begin; node < end;)
        {
            int d = trie.Depths[node];
            State next = Step(_path[d - 1], trie.Bytes[node]);
            if (ReferenceEquals(next, Dead))
            {
                node = trie.Ends[node];
                continue;
            }

            _path[d] = next;
            for (int i = trie.FirstTokens[node]; i < trie.FirstTokens[node + 1]; i++)
            {
                int id = trie.TokenIds[i];
                tokens[id >> 3] |= (byte)(1 << (id & 7));
            }

            if (leaving is not null && next.IsAccepting && trie.Ends[node] > node + 1) leaving.Add(node);
            node++;
        }
    }

    private State Explore(State state, byte byteClass)
    {
        lock (_gate)
        {
            if (state.Next[byteClass] is { } made) return made;
            byte next = _representatives[byteClass];
            List<Configuration> moved = [];
            foreach (Configuration configuration in state.Configurations)
            {
                foreach ((byte first, byte last, int to) in _graph.Nodes[configuration.Node].Bytes)
                {
                    if (next >= first && next <= last) moved.Add(new Configuration(to, configuration.Stack));
                }
            }

            State result = moved.Count == 0 ? Dead : Close(moved);
            Volatile.Write(ref state.Next[byteClass], result);
            return result;
        }
    }

    // Follows calls and returns until all configurations are about to read a byte.
    private State Close(List<Configuration> configurations)
    {
        bool accepting = false;
        var seen = new HashSet<Configuration>(configurations);
        var open = new Stack<Configuration>(seen);
        List<Configuration> reading = [];
        while (open.TryPop(out Configuration configuration))
        {
            GrammarGraph.Node node = _graph.Nodes[configuration.Node];
            if (node.Bytes.Count > 0) reading.Add(configuration);
            if (node.IsEnd)
            {
                if (configuration.Stack is null) accepting = true;
                else Open(new Configuration(configuration.Stack.Return, configuration.Stack.Below));
            }

            foreach ((int rule, int to) in node.Calls)
                Open(new Configuration(_graph.Starts[rule], _graph.Nodes[to].IsOnlyEnd ? configuration.Stack : Push(to, configuration.Stack)));
        }

        return reading.Count == 0 && !accepting ? Dead : Intern([.. reading], accepting);

        void Open(Configuration configuration)
        {
            if (!seen.Add(configuration)) return;
            if (seen.Count > MostConfigurations)
                throw new ConstraintException(ConstraintProblem.TooLarge, "the grammar", $"A text can be read in more than {MostConfigurations} ways at once; make the grammar less ambiguous.");
            open.Push(configuration);
        }
    }

    private State Intern(Configuration[] configurations, bool isAccepting)
    {
        Array.Sort(configurations);
        Configuration[] key = isAccepting ? [.. configurations, Configuration.Accepting] : configurations;
        if (_states.TryGetValue(key, out State? state)) return state;
        if (_states.Count >= MostStates || _kept + configurations.Length > MostKeptConfigurations) Forget();
        _kept += configurations.Length;
        _states.Add(key, state = new State(configurations, isAccepting, _representatives.Length));
        return state;
    }

    private ReturnStack Push(int node, ReturnStack? below)
    {
        if (!_stacks.TryGetValue((node, below), out ReturnStack? stack)) _stacks.Add((node, below), stack = new ReturnStack(node, below, _nextStack++));
        return stack;
    }

    private void CountMask()
    {
        if (++_masks > MostMasks) Forget();
    }

    // Sequences under way keep the states that they stand in. What they led to is cut off from them, since it would be kept with them; it is made anew.
    private void Forget()
    {
        foreach (State state in _states.Values) state.Forget();
        _states = new(ConfigurationsComparer.Instance);
        _stacks = [];
        _start = null;
        (_masks, _kept) = (0, 0);
    }

    private static ReturnStack? Common(ReturnStack? a, ReturnStack? b)
    {
        while (a?.Depth > (b?.Depth ?? 0)) a = a.Below;
        while (b?.Depth > (a?.Depth ?? 0)) b = b.Below;
        while (!ReferenceEquals(a, b)) (a, b) = (a!.Below, b!.Below);
        return a;
    }

    private ReturnStack? Above(ReturnStack? stack, ReturnStack common) =>
        ReferenceEquals(stack, common) ? null : Push(stack!.Return, Above(stack.Below, common));

    /// <summary>The places to return to, the next one on top.</summary>
    internal sealed class ReturnStack(int node, ReturnStack? below, int id)
    {
        public int Return { get; } = node;

        public ReturnStack? Below { get; } = below;

        public int Id { get; } = id;

        public int Depth { get; } = (below?.Depth ?? 0) + 1;
    }

    /// <summary>A place in a rule and where to return to.</summary>
    internal readonly record struct Configuration(int Node, ReturnStack? Stack) : IComparable<Configuration>
    {
        /// <summary>Stands for the end in a key.</summary>
        public static Configuration Accepting { get; } = new(-1, null);

        public int CompareTo(Configuration other) => Node != other.Node ? Node.CompareTo(other.Node) : (Stack?.Id ?? 0).CompareTo(other.Stack?.Id ?? 0);

        public bool Equals(Configuration other) => Node == other.Node && ReferenceEquals(Stack, other.Stack);

        public override int GetHashCode() => HashCode.Combine(Node, Stack?.Id ?? 0);
    }

    /// <summary>Where a text may stand.</summary>
    internal sealed class State(Configuration[] configurations, bool isAccepting, int classCount)
    {
        public readonly State?[] Next = classCount == 0 ? [] : new State?[classCount];
        public byte[]? Tokens;

        public Configuration[] Configurations { get; } = configurations;

        /// <summary>Whether the text may end here.</summary>
        public bool IsAccepting { get; } = isAccepting;

        /// <summary>The tokens that stay within the rules, computed without regard to what lies below the stacks; null until they are asked for.</summary>
        public byte[]? LocalTokens { get; set; }

        /// <summary>The nodes of the tree of tokens at which the rules may be left while a token goes on.</summary>
        public int[]? Leaving { get; set; }

        /// <summary>Lets go of what was computed from it. Called by whoever holds the automaton's lock; others find nothing, and compute it again.</summary>
        public void Forget()
        {
            for (int i = 0; i < Next.Length; i++) Volatile.Write(ref Next[i], null);
            Volatile.Write(ref Tokens, null);
            (LocalTokens, Leaving) = (null, null);
        }
    }

    private sealed class ConfigurationsComparer : IEqualityComparer<Configuration[]>
    {
        public static ConfigurationsComparer Instance { get; } = new();

        public bool Equals(Configuration[]? x, Configuration[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(Configuration[] key)
        {
            var hash = default(HashCode);
            foreach (Configuration configuration in key) hash.Add(configuration);
            return hash.ToHashCode();
        }
    }
}
