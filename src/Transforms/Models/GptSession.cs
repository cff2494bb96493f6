using System.Runtime.CompilerServices;

namespace MLNet.Gpt;

/// <summary>
/// A text or a conversation that goes on: the model's keys and values of what has been said are kept, so that each call computes only what is new, and can be saved, so that it goes on in
/// another process or on another day. <see cref="GptModel.BeginSession"/> and <see cref="GptModel.RestoreSession(string)"/> make one.
/// </summary>
/// <remarks>
/// A session is a text (<see cref="Continue"/>) or a conversation (<see cref="Ask"/>); its first call says which. Belongs to one thread at a time. A call that fails or is cancelled leaves the
/// session as it was. Takes memory for the whole context: 2 · layers · width numbers a token. Disposing it leaves the model open; it may outlive the model's disposal, and keeps the weights until it is disposed itself.
/// </remarks>
public sealed class GptSession : IDisposable
{
    private readonly List<ConversationTurn> _turns;
    private int[] _tokens;             // what the last call saw and wrote
    private int _computed;             // how many of them the decoder has seen
    private IForkableDecoder? _decoder;
    private IModelAdapter? _adapter;   // what they were computed with
    private bool _disposed;

    internal GptSession(GptModel model, IEnumerable<ConversationTurn> turns, int[] tokens, IForkableDecoder? decoder) =>
        (Model, _turns, _tokens, _decoder, _adapter, _computed) = (model, [.. turns], tokens, decoder, (decoder as IAdaptedDecoder)?.Adapters[0], decoder?.Length ?? 0);

    /// <summary>The model.</summary>
    public GptModel Model { get; }

    /// <summary>The turns so far; none where the session is a text.</summary>
    public IReadOnlyList<ConversationTurn> Turns => _turns;

    /// <summary>The tokens so far, as the model saw and wrote them; without a stop string and what came behind it, and without those that <see cref="PromptOverflow.KeepTail"/> has left out.</summary>
    public IReadOnlyList<int> TokenIds => _tokens;

    /// <summary>How many of <see cref="TokenIds"/> need not be computed again.</summary>
    public int ComputedTokens => _computed;

    /// <summary>Appends to the text, and lets the model go on.</summary>
    /// <param name="text">What is appended; empty to go on from the end of what the last call gave.</param>
    /// <param name="options">How to generate; null for <see cref="GptModel.Generation"/>. <see cref="GenerationOptions.SamplesPerPrompt"/> and <see cref="GenerationOptions.BeamCount"/> must be 1.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>The new text, without what was appended.</returns>
    /// <exception cref="InvalidOperationException">The session is a conversation.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="UnsupportedOptionException">Beam search is asked for, or the model's engine can't cut its state back.</exception>
    /// <exception cref="PromptTooLongException">The text is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="ObjectDisposedException">The session or the model has been disposed.</exception>
    public GeneratedText Continue(string text, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        (int[] prompt, GenerateTextOptions checkedOptions) = PromptOf(text, options);
        return Model.ToText(Keep(Run(Model.EngineFor(checkedOptions), prompt, checkedOptions, onToken: null, cancellationToken)), checkedOptions);
    }

    /// <summary>As <see cref="Continue"/>, and gives the text as it comes.</summary>
    /// <param name="text">What is appended.</param>
    /// <param name="options">How to generate.</param>
    /// <param name="cancellationToken">Ends the stream with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>Pieces of text, as of <see cref="GptModel.GenerateStreaming"/>. Generation begins with the enumeration; where that is left before its end, the session stays as it was, even if the last token has been generated.</returns>
    /// <exception cref="InvalidOperationException">The session is a conversation.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public IAsyncEnumerable<string> ContinueStreaming(string text, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        (int[] prompt, GenerateTextOptions checkedOptions) = PromptOf(text, options);
        ICausalModel engine = Model.EngineFor(checkedOptions);
        return Stream((onToken, token) => Run(engine, prompt, checkedOptions, onToken, token), checkedOptions, cancellationToken);
    }

    /// <summary>Says something in the conversation, and lets the model answer.</summary>
    /// <param name="message">The user's turn.</param>
    /// <param name="options">How to generate, as for <see cref="GptModel.Chat"/>. <see cref="GenerationOptions.BeamCount"/> must be 1.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>The answer, without markers; it is the last of <see cref="Turns"/> then.</returns>
    /// <exception cref="InvalidOperationException">The session is a text.</exception>
    /// <exception cref="ChatTemplateException">The model has no chat template, or one that can't be used.</exception>
    /// <exception cref="ConversationException">The conversation breaks a rule.</exception>
    /// <exception cref="PromptTooLongException">The conversation does not fit the context.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="UnsupportedOptionException">Beam search is asked for, or the model's engine can't cut its state back.</exception>
    /// <exception cref="ObjectDisposedException">The session or the model has been disposed.</exception>
    public GeneratedText Ask(string message, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = CheckConversation(message, options);
        return Model.ToText(Keep(Answer(Model.EngineFor(options), message, options, onToken: null, cancellationToken)), options);
    }

    /// <summary>As <see cref="Ask"/>, and gives the answer as it comes.</summary>
    /// <param name="message">The user's turn.</param>
    /// <param name="options">How to generate.</param>
    /// <param name="cancellationToken">Ends the stream with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>Pieces of the answer. Generation begins with the enumeration; where that is left before its end, the session stays as it was, even if the last token has been generated.</returns>
    /// <exception cref="InvalidOperationException">The session is a text.</exception>
    /// <exception cref="ChatTemplateException">The model has no chat template, or one that can't be used.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public IAsyncEnumerable<string> AskStreaming(string message, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        GenerateTextOptions checkedOptions = CheckConversation(message, options);
        ICausalModel engine = Model.EngineFor(checkedOptions);
        return Stream((onToken, token) => Answer(engine, message, checkedOptions, onToken, token), checkedOptions, cancellationToken);
    }

    /// <summary>A session that stands where this one does and goes on independently.</summary>
    /// <exception cref="InferenceFailedException">There is too little memory for the copy.</exception>
    /// <exception cref="ObjectDisposedException">The session has been disposed.</exception>
    public GptSession Fork()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new(Model, _turns, _tokens, _decoder?.Fork(_decoder.Capacity)) { _computed = _computed };
    }

    /// <summary>Goes back to an earlier place of the text: what came behind it is forgotten, what stays need not be computed again.</summary>
    /// <param name="tokenCount">How many of <see cref="TokenIds"/> stay: 0, to begin anew, up to all.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many.</exception>
    /// <exception cref="InvalidOperationException">The session is a conversation.</exception>
    /// <exception cref="ObjectDisposedException">The session has been disposed.</exception>
    public void RewindToToken(int tokenCount)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_turns.Count > 0) throw new InvalidOperationException($"The session is a conversation of {_turns.Count} turns; call {nameof(RewindToTurn)}.");
        if ((uint)tokenCount > (uint)_tokens.Length) throw new ArgumentOutOfRangeException(nameof(tokenCount), tokenCount, $"The session can't go back to {tokenCount} tokens; it has {_tokens.Length}.");
        (_tokens, _computed) = (_tokens[..tokenCount], Math.Min(_computed, tokenCount));
    }

    /// <summary>Goes back to an earlier place of the conversation: the turns behind it are forgotten, what stays need not be computed again.</summary>
    /// <param name="turnCount">How many of <see cref="Turns"/> stay: 0, to begin anew, up to all. Behind a turn of the user's the next <see cref="Ask"/> breaks the rule of templates that ask for alternation.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many.</exception>
    /// <exception cref="InvalidOperationException">The session is a text.</exception>
    /// <exception cref="ObjectDisposedException">The session has been disposed.</exception>
    public void RewindToTurn(int turnCount)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_turns.Count == 0 && _tokens.Length > 0) throw new InvalidOperationException($"The session is a text of {_tokens.Length} tokens; call {nameof(RewindToToken)}.");
        if ((uint)turnCount > (uint)_turns.Count) throw new ArgumentOutOfRangeException(nameof(turnCount), turnCount, $"The session can't go back to {turnCount} turns; it has {_turns.Count}.");
        if (turnCount == _turns.Count) return;
        int[] tokens = turnCount == 0 ? [] : [.. Model.RequireChatTemplate().RenderBeginning([.. _turns.Take(turnCount)], Model.Tokenizer).TokenIds];
        _computed = Math.Min(_computed, _tokens.AsSpan().CommonPrefixLength(tokens));
        _turns.RemoveRange(turnCount, _turns.Count - turnCount);
        _tokens = tokens;
    }

    /// <summary>Writes the session into a file, which appears, or replaces the one of that name, only when it is complete and on the disk. A token takes 2 · layers · width numbers.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this file.</exception>
    /// <exception cref="CheckpointNotFoundException">The model's package, which tells one model from another, is no longer there.</exception>
    /// <exception cref="UnsupportedOptionException">The model's engine can't write its state down.</exception>
    /// <exception cref="ObjectDisposedException">The session has been disposed.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        AtomicFile.Write(path, Save);
    }

    /// <summary>Writes the session from where a stream stands.</summary>
    /// <param name="target">A writable stream; it stays open.</param>
    /// <exception cref="ArgumentException">The stream can't be written.</exception>
    /// <exception cref="IOException">The stream could not take what was written.</exception>
    /// <exception cref="CheckpointNotFoundException">The model's package, which tells one model from another, is no longer there.</exception>
    /// <exception cref="UnsupportedOptionException">The model's engine can't write its state down.</exception>
    /// <exception cref="ObjectDisposedException">The session has been disposed.</exception>
    public void Save(Stream target)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_computed == 0) Forget(); // of a call that failed
        else if (_decoder!.Length > _computed) _decoder.Truncate(_computed);
        GptSessionFile.Write(target, Model.Tokenizer.Hash, _tokens, _turns, _decoder switch
        {
            null => null,
            ISavableDecoder savable => savable,
            _ => throw new UnsupportedOptionException("engine", Model.Engine.GetType().Name, $"Its decoders are no {nameof(ISavableDecoder)}, so that their state can't be written down; keep the text, and begin anew from it."),
        });
    }

    /// <summary>Frees the keys and values. May be called more than once.</summary>
    public void Dispose()
    {
        _disposed = true;
        Forget();
    }

    private void Forget()
    {
        _decoder?.Dispose();
        (_decoder, _computed) = (null, 0);
    }

    private (int[] Prompt, GenerateTextOptions Options) PromptOf(string text, GenerateTextOptions? options)
    {
        ArgumentNullException.ThrowIfNull(text);
        options = Check(options);
        if (_turns.Count > 0) throw new InvalidOperationException($"The session is a conversation of {_turns.Count} turns; call {nameof(Ask)}, or begin another session.");
        int[] added = Model.Tokenizer.Encode(text, options.SpecialTokens);
        return ([.. _tokens, .. added], options);
    }

    private GenerateTextOptions CheckConversation(string message, GenerateTextOptions? options)
    {
        ArgumentNullException.ThrowIfNull(message);
        options = Check(options);
        Model.RequireChatTemplate();
        if (_turns.Count == 0 && _tokens.Length > 0) throw new InvalidOperationException($"The session is a text of {_tokens.Length} tokens; call {nameof(Continue)}, or begin another session.");
        return options;
    }

    private GenerateTextOptions Check(GenerateTextOptions? options)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        options ??= Model.Generation;
        Model.CheckStops(options);
        GptModel.RequireOneSample(options);
        return options;
    }

    /// <summary>Gives the text as it comes, and keeps what was generated only when all of it has been taken: generation runs ahead of whoever reads, who may leave when it has ended already.</summary>
    private async IAsyncEnumerable<string> Stream(
        Func<Action<GeneratedToken>, CancellationToken, Outcome> generate, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Outcome? outcome = null;
        await foreach (string piece in TextStream.Enumerate(Model, (onToken, token) => Task.FromResult((outcome = generate(onToken, token)).Sequence), options, onEnd: null, cancellationToken).ConfigureAwait(false))
            yield return piece;
        Keep(outcome!);
    }

    private Outcome Answer(ICausalModel engine, string message, GenerateTextOptions options, Action<GeneratedToken>? onToken, CancellationToken cancellationToken)
    {
        ConversationTurn asked = ConversationTurn.User(message);
        int[] prompt = [.. Model.RenderPrompt([.. _turns, asked], options, cancellationToken).TokenIds];
        Outcome outcome = Run(engine, prompt, Model.ChatOptions(options), onToken, cancellationToken);
        return outcome with { Turns = [asked, ConversationTurn.Assistant(Model.ToText(outcome.Sequence, options).Text)] };
    }

    private GeneratedSequence Keep(Outcome outcome)
    {
        (_tokens, _computed) = (outcome.Tokens, outcome.Computed);
        _turns.AddRange(outcome.Turns);
        return outcome.Sequence;
    }

    /// <summary>Continues a prompt from where it parts from what has been computed.</summary>
    private Outcome Run(ICausalModel engine, int[] prompt, GenerationOptions options, Action<GeneratedToken>? onToken, CancellationToken cancellationToken)
    {
        (GenerationStep step, GenerationRow[] rows) = Model.BeginRows(engine, prompt, options, onToken, constraint: null, cancellationToken);
        GenerationRow row = rows[0];

        // 1. Back to where the prompt parts from what the decoder has seen; its last token is computed again, for its logits.
        if (step.Adapter != _adapter) Forget();
        int common = Math.Min(_tokens.AsSpan(0, _computed).CommonPrefixLength(row.Prompt), row.Prompt.Length - 1);
        if (common > 0)
        {
            _decoder!.Truncate(common);
        }
        else
        {
            Forget();
            (_adapter, _decoder) = (step.Adapter, GenerationStep.BeginForkable(Model.Engine, [step.Adapter], Model.Config.ContextLength));
        }

        // 2. The rest. If it fails, the decoder has seen what both have in common, and more that is cut off later.
        _computed = common;
        TokenGenerator.Continue(step, row, _decoder);

        // 3. What the caller gets is what the session goes on from. The last token has been computed only where one that ends the text came behind it.
        GeneratedSequence sequence = row.ToSequence();
        int[] text = Model.TokensOfText(sequence, options, out int generated);
        int computed = row.Prompt.Length + Math.Min(generated, row.Tokens.Count - (row.FinishReason == FinishReason.StopToken ? 0 : 1));
        return new(sequence, [.. row.Prompt, .. text], Math.Min(_decoder.Length, computed), []);
    }

    /// <summary>What a call came to, until it is kept.</summary>
    /// <param name="Sequence">What was generated.</param>
    /// <param name="Tokens">What the session's tokens become.</param>
    /// <param name="Computed">How many of them the decoder has seen.</param>
    /// <param name="Turns">The conversation's new turns.</param>
    private sealed record Outcome(GeneratedSequence Sequence, int[] Tokens, int Computed, ConversationTurn[] Turns);
}
