namespace MLNet.Gpt;

/// <summary>A policy's response to a prompt, as it was judged.</summary>
/// <param name="Policy">The policy's name.</param>
/// <param name="Prompt">The prompt.</param>
/// <param name="Response">The response.</param>
/// <param name="Reward">The judge's number.</param>
public sealed record JudgedResponse(string Policy, string Prompt, string Response, float Reward);
