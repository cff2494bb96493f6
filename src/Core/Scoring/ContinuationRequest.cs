namespace MLNet.Gpt;

/// <summary>Continuations of one context, to be scored.</summary>
/// <param name="Context">The context's token ids; an empty one stands for the end-of-text token.</param>
/// <param name="Continuations">The continuations' token ids, each of at least one token.</param>
internal sealed record ContinuationRequest(int[] Context, IReadOnlyList<int[]> Continuations);
