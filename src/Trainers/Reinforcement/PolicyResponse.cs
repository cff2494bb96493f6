namespace MLNet.Gpt;

/// <summary>A response of the policy, as a reward function gets it.</summary>
/// <param name="Row">The prompt's row in its data view, from 0.</param>
/// <param name="Prompt">The prompt, as its column has it.</param>
/// <param name="Response">What the policy wrote, without the token that ends it.</param>
/// <param name="TokenCount">Its tokens, the one that ends it among them.</param>
/// <param name="IsComplete">Whether the policy ended it; false where the most tokens were reached.</param>
public sealed record PolicyResponse(long Row, string Prompt, string Response, int TokenCount, bool IsComplete);
