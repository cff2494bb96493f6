namespace MLNet.Gpt;

/// <summary>What a constraint allows next in one sequence.</summary>
/// <remarks>Belongs to one sequence, whose steps come one after another, not always on the same thread; it may remember where the sequence stands.</remarks>
public interface ITokenMask
{
    /// <summary>
    /// Called before each token is chosen, and before all filters of <see cref="GenerationOptions"/>: sets the logits of the tokens that may not come next to -∞ and
    /// leaves the others as they are. Whether the sequence may end here is said the same way, of the end-of-text token and the stop tokens.
    /// </summary>
    /// <param name="newTokenIds">The tokens generated so far, without the prompt: one more at each call, none at the first.</param>
    /// <param name="logits">(V) the model's logits for the next token, V being the number of tokens that can be sampled.</param>
    void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits);
}
