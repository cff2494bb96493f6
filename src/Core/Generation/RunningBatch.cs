namespace MLNet.Gpt;

/// <summary>
/// A batch that sequences join and leave between any two tokens (Yu et al. 2022, "Orca", section 3.1). A long prompt is computed in pieces, between which the others go on.
/// </summary>
/// <remarks>Belongs to one thread. A sequence's draws do not depend on the others; its logits do in their last bits, as sums of another order do.</remarks>
internal sealed class RunningBatch(ICausalModel model, int maxRows, int prefillTokens, int prefixCacheTokens) : IDisposable
{
    // Places between two compactions, each of which moves the whole cache.
    private const int Slack = 64;

    private readonly List<QueuedGeneration> _active = [];
    private readonly PrefixCache _prefixes = new(prefixCacheTokens);
    private float[] _logits = []; // (B, V), of as many rows as there have been at once
    private IForkableDecoder? _decoder;

    // The prompt, or the short prompts, that are being computed: their tokens from Begun on are still to come.
    private QueuedGeneration[] _joining = [];
    private IForkableDecoder? _joiner;
    private int _begun;

    /// <summary>The most sequences at once.</summary>
    public int MaxRows { get; } = TokenGenerator.MostRows(maxRows, model.Config.VocabularySize);

    /// <summary>The sequences that have a place.</summary>
    public int Count => _active.Count + _joining.Length;

    /// <summary>Those sequences, at this moment.</summary>
    public QueuedGeneration[] Sequences => [.. _active, .. _joining];

    /// <summary>Whether new sequences can begin: there is a place, and no prompt is being computed.</summary>
    public bool TakesMore => _joining.Length == 0 && Count < MaxRows;

    /// <summary>The tokens of prompts that were found computed.</summary>
    public long ReusedTokens => _prefixes.ReusedTokens;

    private int Capacity => model.Config.ContextLength + Slack;

    /// <summary>Takes new sequences: one, or several whose prompts are computed in one piece together.</summary>
    /// <param name="waiting">Those that wait, in order; those that are taken leave it.</param>
    public void Take(LinkedList<QueuedGeneration> waiting)
    {
        var taken = new List<QueuedGeneration>();
        int longest = 0;
        while (Count + taken.Count < MaxRows && waiting.First?.Value is { } next)
        {
            if (next.IsCancelled)
            {
                waiting.RemoveFirst();
                next.Cancel();
                continue;
            }

            // With a cache of prefixes each prompt is looked up alone; a prompt of several pieces is computed alone.
            int width = Math.Max(longest, next.Row.Prompt.Length);
            if (taken.Count > 0 && (prefixCacheTokens > 0 || (long)width * (taken.Count + 1) > prefillTokens)) break;
            longest = width;
            waiting.RemoveFirst();
            taken.Add(next);
        }

        (_joining, _begun) = ([.. taken], 0);
    }

    /// <summary>A piece of the joining prompts, then a token for each of the others.</summary>
    /// <param name="cancellationToken">Ends the computation; every sequence then ends with an <see cref="OperationCanceledException"/>.</param>
    public void Step(CancellationToken cancellationToken)
    {
        Guard([.. _active], Leave, DropAll);
        if (_joining.Length > 0) Guard(_joining, () => Prefill(cancellationToken), () => Drop(ref _joiner, ref _joining));
        if (_active.Count > 0) Guard([.. _active], () => Decode(cancellationToken), DropAll);
    }

    /// <summary>Ends every sequence that has a place.</summary>
    public void Dispose()
    {
        foreach (QueuedGeneration one in _active.Concat(_joining)) one.Cancel();
        DropAll();
        Drop(ref _joiner, ref _joining);
        _prefixes.Dispose();
    }

    /// <summary>An engine that fails ends the sequences that it computed, and no others.</summary>
    private static void Guard(QueuedGeneration[] affected, Action work, Action drop)
    {
        try
        {
            work();
        }
        catch (Exception exception)
        {
            drop();
            foreach (QueuedGeneration one in affected)
            {
                if (exception is OperationCanceledException) one.Cancel();
                else one.Fail(exception);
            }
        }
    }

    private void Prefill(CancellationToken cancellationToken)
    {
        int rows = _joining.Length;
        Span<float> logits = LogitsOf(rows); // those of the others' last step have been drawn from
        if (rows == 1)
        {
            // 1a. One prompt, from where it is known, at most a piece of it.
            int[] prompt = _joining[0].Row.Prompt;
            if (_joiner is null && prefixCacheTokens > 0 && (_joiner = _prefixes.Find(prompt, _joining[0].Step.Adapter, Capacity)) is not null) _begun = _joiner.Length;
            _joiner ??= Begin();
            int piece = Math.Min(prefillTokens, prompt.Length - _begun);
            _joiner.Append(prompt.AsSpan(_begun, piece), default, LogitsScope.LastPosition, logits, cancellationToken);
            _begun += piece;
            if (_begun < prompt.Length) return;
            if (prefixCacheTokens > 0) _prefixes.Add(prompt, _joining[0].Step.Adapter, _joiner);
        }
        else
        {
            // 1b. Several short ones at once, padded on the left.
            int width = _joining.Max(static one => one.Row.Prompt.Length);
            int[] ids = new int[rows * width];
            byte[] mask = new byte[rows * width];
            for (int i = 0; i < rows; i++)
            {
                int[] prompt = _joining[i].Row.Prompt;
                prompt.CopyTo(ids, ((i + 1) * width) - prompt.Length);
                mask.AsSpan(((i + 1) * width) - prompt.Length, prompt.Length).Fill(1);
            }

            _joiner = Begin();
            _joiner.Append(ids, Array.IndexOf(mask, (byte)0) < 0 ? default : mask, LogitsScope.LastPosition, logits, cancellationToken);
        }

        // 2. Each one's first token; who goes on joins the others.
        int[] stay = Sample(_joining, logits);
        if (stay.Length == 0)
        {
            Drop(ref _joiner, ref _joining);
            return;
        }

        if (stay.Length < rows) _joiner.SelectRows(stay);
        if (_decoder is null) _decoder = _joiner;
        else _decoder.Join(_joiner);
        _active.AddRange(stay.Select(i => _joining[i]));
        (_joining, _joiner) = ([], null);
    }

    private void Decode(CancellationToken cancellationToken)
    {
        // Those that have just joined have their first token already, and nothing behind it yet, as the others have.
        if (_decoder!.Length == Capacity) _decoder.Compact();
        int[] next = [.. _active.Select(static one => one.Row.Tokens[^1])];
        Span<float> logits = LogitsOf(_active.Count);
        _decoder.Append(next, default, LogitsScope.LastPosition, logits, cancellationToken);   // (B, V)
        Keep(Sample(_active, logits));
    }

    /// <summary>Draws a token for each sequence. One whose draw fails ends alone.</summary>
    /// <returns>Those that go on.</returns>
    private int[] Sample(IReadOnlyList<QueuedGeneration> rows, Span<float> logits)
    {
        int vocabulary = model.Config.VocabularySize;
        var stay = new List<int>(rows.Count);
        for (int i = 0; i < rows.Count; i++)
        {
            QueuedGeneration one = rows[i];
            try
            {
                if (TokenGenerator.Advance(one.Step, one.Row, logits.Slice(i * vocabulary, vocabulary))) stay.Add(i);
                else one.Finish();
            }
            catch (Exception exception)
            {
                one.Fail(exception);
            }
        }

        return [.. stay];
    }

    /// <summary>Lets those go whose callers have given up.</summary>
    private void Leave()
    {
        if (_joining.Length > 0 && _joining.All(static one => one.IsCancelled))
        {
            foreach (QueuedGeneration one in _joining) one.Cancel();
            Drop(ref _joiner, ref _joining);
        }

        if (!_active.Exists(static one => one.IsCancelled)) return;
        foreach (QueuedGeneration one in _active)
        {
            if (one.IsCancelled) one.Cancel();
        }

        Keep([.. Enumerable.Range(0, _active.Count).Where(i => !_active[i].Done.IsCompleted)]);
    }

    private void Keep(int[] stay)
    {
        if (stay.Length == _active.Count) return;
        QueuedGeneration[] kept = [.. stay.Select(i => _active[i])];
        if (kept.Length == 0) DropAll();
        else _decoder!.SelectRows(stay);
        _active.Clear();
        _active.AddRange(kept);
    }

    private Span<float> LogitsOf(int rows)
    {
        int count = rows * model.Config.VocabularySize;
        if (_logits.Length < count) _logits = new float[count];
        return _logits.AsSpan(0, count);
    }

    private IForkableDecoder Begin() => GenerationStep.BeginForkable(model, [.. _joining.Select(static one => one.Step.Adapter)], Capacity);

    private void DropAll()
    {
        _decoder?.Dispose();
        _decoder = null;
        _active.Clear();
    }

    private static void Drop(ref IForkableDecoder? decoder, ref QueuedGeneration[] rows)
    {
        decoder?.Dispose();
        (decoder, rows) = (null, []);
    }
}
