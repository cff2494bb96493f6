namespace MLNet.Gpt;

// Tokens in, tokens out: for servers and searches that keep the text themselves.
public sealed partial class GptModel
{
    /// <summary>Continues several prompts of tokens, <see cref="GenerationOptions.BatchSize"/> at a time, and tells each token as soon as it is chosen.</summary>
    /// <param name="prompts">The prompts' tokens, such as a <see cref="RenderedConversation"/>'s; an empty one begins with <see cref="BeginTokenId"/>.</param>
    /// <param name="options">
    /// How to generate; null for <see cref="Generation"/>. An answer to a conversation wants <see cref="MLNet.Gpt.ChatTemplate.EndOfTurnId"/> among <see cref="GenerationOptions.StopTokenIds"/>.
    /// </param>
    /// <param name="onToken">Called for each token (not for stop tokens) from a thread that generates; null (the default) for no calls.</param>
    /// <param name="constraint">Says which tokens may come next; null (the default) for no constraint.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>The sequences: those of the first prompt, of the second, and so on.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a prompt is null.</exception>
    /// <exception cref="TokenOutOfRangeException">A token is none of the model's.</exception>
    /// <exception cref="PromptTooLongException">A prompt is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="TokenConstraintException">The constraint left no token that could come next.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<GeneratedSequence> GenerateSequences(
        IReadOnlyList<int[]> prompts, GenerationOptions? options = null, Action<GeneratedToken>? onToken = null, ITokenConstraint? constraint = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        options ??= Generation;
        CheckStops(options);
        return GenerateTokens(prompts, options, onToken, cancellationToken, constraint);
    }
}
