namespace MLNet.Gpt;

/// <summary>
/// Lets many callers generate with one model at the same time: their sequences share a batch, which each joins as soon as there is a place, whatever the others are at, and leaves when it ends (continuous batching; Yu et al. 2022, "Orca").
/// Each caller has its own options.
/// </summary>
/// <remarks>
/// Thread-safe. A sequence's draws do not depend on the others in the batch; its logits do in their last bits, so that a draw may come out differently where two tokens are equal to within that error. One thread computes, and begins with
/// the first call. Disposing ends what is under way with an <see cref="OperationCanceledException"/> and leaves the model open.
/// </remarks>
public sealed class GptGenerationQueue : IDisposable
{
    private readonly GptModel _model;
    private readonly GenerationQueueOptions _options;
    private readonly Lock _gate = new();
    private readonly LinkedList<QueuedGeneration> _waiting = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private readonly CancellationTokenSource _stop = new();
    private Thread? _thread;
    private CancellationTokenSource _pass; // ends the pass under way
    private QueuedGeneration[] _inPass = []; // who has a place in it
    private long _reusedTokens;
    private bool _disposed;

    /// <summary>Makes a queue.</summary>
    /// <param name="model">The model; not disposed with the queue.</param>
    /// <param name="options">How it is shared; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public GptGenerationQueue(GptModel model, GenerationQueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _options = options ?? new();
        _options.Validate();
        _model = model;
        _pass = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
    }

    /// <summary>The model.</summary>
    public GptModel Model => _model;

    /// <summary>The sequences that wait for a place.</summary>
    public int WaitingCount
    {
        get
        {
            lock (_gate) return _waiting.Count;
        }
    }

    /// <summary>The sequences under way.</summary>
    public int RunningCount => Volatile.Read(ref _inPass).Count(static one => !one.Done.IsCompleted);

    /// <summary>The tokens of prompts that were found computed, see <see cref="GenerationQueueOptions.PrefixCacheTokens"/>.</summary>
    public long ReusedTokens => Volatile.Read(ref _reusedTokens);

    /// <summary>Continues a prompt.</summary>
    /// <param name="prompt">The prompt; an empty one begins with <see cref="GptModel.BeginTokenId"/>.</param>
    /// <param name="options">How to generate; null for <see cref="GptModel.Generation"/>. <see cref="GenerationOptions.SamplesPerPrompt"/> and <see cref="GenerationOptions.BeamCount"/> must be 1; <see cref="GenerationOptions.BatchSize"/> has no meaning here.</param>
    /// <param name="cancellationToken">Gives the place up: at once while the call waits, else before the next token; the task is then cancelled.</param>
    /// <returns>The new text, without the prompt.</returns>
    /// <exception cref="ArgumentException">An option is out of range; thrown by the call itself, as all errors in the arguments are.</exception>
    /// <exception cref="UnsupportedOptionException">Beam search is asked for, or the model's engine can't let sequences join a batch.</exception>
    /// <exception cref="PromptTooLongException">The prompt is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="GenerationQueueFullException">Too many calls wait already.</exception>
    /// <exception cref="ObjectDisposedException">The queue or the model has been disposed.</exception>
    public Task<GeneratedText> GenerateAsync(string prompt, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        GenerateTextOptions checkedOptions = Check(prompt, options);
        ICausalModel engine = _model.EngineFor(checkedOptions);
        return Task.Run(async () => _model.ToText(await Enqueue(engine, prompt, checkedOptions, null, cancellationToken).ConfigureAwait(false), checkedOptions), cancellationToken);
    }

    /// <summary>Continues a prompt and gives the text as it comes.</summary>
    /// <param name="prompt">The prompt; an empty one begins with <see cref="GptModel.BeginTokenId"/>.</param>
    /// <param name="options">How to generate, as for <see cref="GenerateAsync"/>.</param>
    /// <param name="cancellationToken">Gives the place up before the next token; the stream then ends with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>Pieces of text, as of <see cref="GptModel.GenerateStreaming"/>; together they are what <see cref="GenerateAsync"/> returns. Waiting begins with the enumeration, and leaving it gives the place up.</returns>
    /// <exception cref="ArgumentException">An option is out of range; thrown by the call itself, as all errors in the arguments are.</exception>
    /// <exception cref="GenerationQueueFullException">Too many calls wait already; thrown while enumerating.</exception>
    public IAsyncEnumerable<string> GenerateStreaming(string prompt, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        GenerateTextOptions checkedOptions = Check(prompt, options);
        ICausalModel engine = _model.EngineFor(checkedOptions);
        return TextStream.Enumerate(_model, (onToken, token) => Enqueue(engine, prompt, checkedOptions, onToken, token), checkedOptions, onEnd: null, cancellationToken);
    }

    /// <summary>Continues a prompt of tokens, and tells each token as soon as it is chosen: for servers and searches that keep the text themselves.</summary>
    /// <param name="prompt">The prompt's tokens, such as a <see cref="ChatPrompt"/>'s; an empty one begins with <see cref="GptModel.BeginTokenId"/>.</param>
    /// <param name="options">
    /// How to generate; null for <see cref="GptModel.Generation"/>. Each of <see cref="GenerationOptions.SamplesPerPrompt"/> sequences waits for a place of its own; <see cref="GenerationOptions.BeamCount"/> must be 1, and
    /// <see cref="GenerationOptions.BatchSize"/> has no meaning here.
    /// </param>
    /// <param name="onToken">
    /// Called for each token (not for stop tokens) from the thread that computes for all callers, which waits for it: it should hand the token on and return. What it throws ends its sequence, and no other. Null (the default) for no calls.
    /// </param>
    /// <param name="constraint">Says which tokens may come next in this call; null (the default) for no constraint.</param>
    /// <param name="cancellationToken">Gives the places up: at once while the call waits, else before the next token, and within a pass that computes for nobody else; the task is then cancelled.</param>
    /// <returns>The sequences, in the order of their samples.</returns>
    /// <exception cref="ArgumentException">An option is out of range; thrown by the call itself, as all errors in the arguments are.</exception>
    /// <exception cref="TokenOutOfRangeException">A token is none of the model's.</exception>
    /// <exception cref="PromptTooLongException">The prompt is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="UnsupportedOptionException">Beam search or guessed tokens are asked for; or, through the task, the model's engine can't let sequences join a batch.</exception>
    /// <exception cref="TokenConstraintException">The constraint left no token that could come next; through the task.</exception>
    /// <exception cref="GenerationQueueFullException">Too many sequences wait already; thrown by the call itself.</exception>
    /// <exception cref="ObjectDisposedException">The queue or the model has been disposed.</exception>
    public Task<IReadOnlyList<GeneratedSequence>> GenerateSequencesAsync(
        int[] prompt, GenerationOptions? options = null, Action<GeneratedToken>? onToken = null, ITokenConstraint? constraint = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ObjectDisposedException.ThrowIf(_disposed, this);
        options ??= _model.Generation;
        _model.CheckStops(options);
        QueuedGeneration[] samples = _model.ToQueue(_model.EngineFor(options), prompt, options, onToken, constraint, cancellationToken);
        Enqueue(samples);
        return AllOf(samples);

        static async Task<IReadOnlyList<GeneratedSequence>> AllOf(QueuedGeneration[] samples) => await Task.WhenAll(samples.Select(static sample => sample.Done)).ConfigureAwait(false);
    }

    /// <summary>
    /// Ends what waits and what is under way with an <see cref="OperationCanceledException"/>, and waits for the thread to end, unless that thread itself calls, from a listener to tokens. May be called more than once.
    /// </summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
        }

        _stop.Cancel();
        if (Thread.CurrentThread == _thread) return; // it ends behind this call, and still needs what is disposed below
        _thread?.Join();
        _arrived.Dispose();
        _pass.Dispose();
        _stop.Dispose();
    }

    private Task<GeneratedSequence> Enqueue(ICausalModel engine, string prompt, GenerateTextOptions options, Action<GeneratedToken>? onToken, CancellationToken cancellationToken)
    {
        QueuedGeneration[] one = _model.ToQueue(engine, _model.Tokenizer.Encode(prompt, options.SpecialTokens), options, onToken, constraint: null, cancellationToken);
        Enqueue(one);
        return one[0].Done;
    }

    /// <summary>Puts sequences behind those that wait: all of them or none.</summary>
    /// <exception cref="GenerationQueueFullException">Too many wait already.</exception>
    private void Enqueue(QueuedGeneration[] sequences)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_waiting.Count + (long)sequences.Length > _options.MaxWaiting + (long)Math.Max(0, _options.MaxRows - RunningCount)) throw new GenerationQueueFullException(_waiting.Count, _options.MaxWaiting);
            foreach (QueuedGeneration one in sequences) _waiting.AddLast(one);
            if (_thread is null)
            {
                _thread = new Thread(Run) { IsBackground = true, Name = nameof(GptGenerationQueue) };
                _thread.Start();
            }

            _arrived.Release();
        }

        foreach (QueuedGeneration one in sequences)
        {
            if (!one.CancellationToken.CanBeCanceled) continue;
            CancellationTokenRegistration left = one.CancellationToken.Register(() => Leave(one));
            _ = one.Done.ContinueWith(static (_, state) => ((CancellationTokenRegistration)state!).Unregister(), left, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    /// <summary>A caller has given up. Whoever waits leaves at once; a pass in which nobody is left has nobody to compute for.</summary>
    private void Leave(QueuedGeneration one)
    {
        lock (_gate)
        {
            if (_disposed) return;
            if (!_waiting.Remove(one))
            {
                if (Array.TrueForAll(_inPass, static other => other.IsCancelled || other.Done.IsCompleted)) _pass.Cancel();
                return;
            }
        }

        one.Cancel();
    }

    private void Run()
    {
        using var batch = new RunningBatch(_model.Engine, _options.MaxRows, _options.PrefillTokens, _options.PrefixCacheTokens);
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                if (batch.Count == 0 && WaitingCount == 0) _arrived.Wait(_stop.Token);
                while (_arrived.Wait(0)) { } // the rest of those that have come is looked at in one go
                CancellationToken pass;
                lock (_gate)
                {
                    if (batch.TakesMore) batch.Take(_waiting);
                    if (_pass.IsCancellationRequested && !_disposed)
                    {
                        _pass.Dispose();
                        _pass = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                    }

                    pass = _pass.Token;
                    Volatile.Write(ref _inPass, batch.Sequences);
                }

                batch.Step(pass);
                Volatile.Write(ref _reusedTokens, batch.ReusedTokens);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Disposed while it waited.
        }
        finally
        {
            lock (_gate)
            {
                foreach (QueuedGeneration one in _waiting) one.Cancel();
                _waiting.Clear();
            }
        }
    }

    private GenerateTextOptions Check(string prompt, GenerateTextOptions? options)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ObjectDisposedException.ThrowIf(_disposed, this);
        options ??= _model.Generation;
        _model.CheckStops(options);
        GptModel.RequireOneSample(options);
        return options;
    }
}
