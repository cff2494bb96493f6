namespace MLNet.Gpt;

// Texts and conversations that go on.
public sealed partial class GptModel
{
    /// <summary>Begins a text or a conversation that goes on over several calls, each of which computes only what is new.</summary>
    /// <param name="turns">The turns that a conversation begins with, such as a system turn; null (the default) for none, or for a text.</param>
    /// <returns>The session, which the caller disposes.</returns>
    /// <exception cref="ChatTemplateException">There are turns, and the model has no chat template.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public GptSession BeginSession(IReadOnlyList<ConversationTurn>? turns = null)
    {
        _lifetime.ThrowIfDisposed();
        if (turns is { Count: > 0 }) RequireChatTemplate();
        return new(this, turns ?? [], [], decoder: null);
    }

    /// <summary>Takes up a session that was saved into a file, by this process or an earlier one. It goes on as it would have without that: bit for bit, on the same machine with the same number of threads.</summary>
    /// <param name="path">A file of <see cref="GptSession.Save(string)"/>.</param>
    /// <returns>The session, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">There is no such file, or the model's package, which tells one model from another, is no longer there.</exception>
    /// <exception cref="CorruptFileException">The file is no session, is of another version, damaged, or cut short. Nothing of it has been used.</exception>
    /// <exception cref="StateMismatchException">The session is of another model, or in another number format, or was computed with an adapter that is not loaded.</exception>
    /// <exception cref="TokenizerMismatchException">The session was saved with another tokenizer.</exception>
    /// <exception cref="PromptTooLongException">It has more tokens than the model's context.</exception>
    /// <exception cref="UnsupportedOptionException">The model's engine can't take up a state.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public GptSession RestoreSession(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path)) throw new CheckpointNotFoundException(path, "there is no such file.", $"Name a file that {nameof(GptSession)}.{nameof(GptSession.Save)} wrote.");
        using FileStream file = File.OpenRead(path);
        GptSession session = RestoreSession(file);
        if (file.Position == file.Length) return session;
        using (session) throw new CorruptFileException(file.Name, $"{file.Length - file.Position} bytes follow the session in it.", "Save the session again, or copy the file again.");
    }

    /// <summary>The same from a stream.</summary>
    /// <param name="source">A stream that can be read and can seek, standing where the session begins; it stays open, and stands behind it afterwards.</param>
    /// <returns>The session, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">The stream can't be read or can't seek.</exception>
    /// <exception cref="CorruptFileException">What it holds is no session, is of another version, damaged, or cut short. Nothing of it has been used.</exception>
    /// <exception cref="StateMismatchException">The session is of another model, or in another number format, or was computed with an adapter that is not loaded.</exception>
    /// <exception cref="TokenizerMismatchException">The session was saved with another tokenizer.</exception>
    /// <exception cref="PromptTooLongException">It has more tokens than the model's context.</exception>
    /// <exception cref="UnsupportedOptionException">The model's engine can't take up a state.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public GptSession RestoreSession(Stream source)
    {
        using NativeLease lease = _lifetime.Acquire();
        return GptSessionFile.Read(this, source);
    }

    /// <summary>The sequences of a call, one for each sample, which others go on with.</summary>
    /// <param name="engine">The model's engine, or a view of it with an adapter.</param>
    /// <param name="prompt">The tokens.</param>
    /// <param name="options">How to generate.</param>
    /// <param name="onToken">Told of each token; null for no calls.</param>
    /// <param name="constraint">Goes before the options'; null for none.</param>
    /// <param name="cancellationToken">Looked at by the step.</param>
    internal (GenerationStep Step, GenerationRow[] Rows) BeginRows(ICausalModel engine, int[] prompt, GenerationOptions options, Action<GeneratedToken>? onToken, ITokenConstraint? constraint, CancellationToken cancellationToken)
    {
        using NativeLease lease = _lifetime.Acquire();
        if (options.BeamCount > 1)
            throw new UnsupportedOptionException(nameof(options.BeamCount), options.BeamCount, $"The beams of a prompt are a batch of their own; generate them with {nameof(GptModel)}.{nameof(Generate)}.");
        constraint = ConstraintOf(options, constraint);
        options = WithEnds(options);
        GenerationStep step = TokenGenerator.Begin(engine, options, Tokenizer.EndOfTextId, id => TextOf(id, options).Span, Tokenizer.VocabularySize, onToken, cancellationToken);
        int[] begun = TokenGenerator.PreparePrompt(Begun(prompt), 0, options, Config, Tokenizer.EndOfTextId);
        return (step, [.. Enumerable.Range(0, options.SamplesPerPrompt).Select(sample => step.Row(0, sample, begun, constraint))]);
    }
}
