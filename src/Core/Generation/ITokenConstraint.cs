namespace MLNet.Gpt;

/// <summary>Restricts what may be generated: a choice among words, a grammar, a form. Knows token ids, not text.</summary>
/// <remarks>May be used from several threads at once: what belongs to one sequence lies in its <see cref="ITokenMask"/>.</remarks>
public interface ITokenConstraint
{
    /// <summary>Begins a sequence.</summary>
    /// <param name="promptTokenIds">The prompt as the model reads it, cut to the context where <see cref="PromptOverflow.KeepTail"/> cut it.</param>
    /// <param name="stopTokenIds">The tokens that end the sequence, the end-of-text token among them unless it is one like any other: where the sequence may end, these are allowed, else none of them.</param>
    /// <returns>What follows the sequence, from its first new token on.</returns>
    ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds);
}
