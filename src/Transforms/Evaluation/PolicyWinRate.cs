namespace MLNet.Gpt;

/// <summary>How often a policy's response was judged better than another's to the same prompt.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Other">The other.</param>
/// <param name="WinRate">The rate, with its interval.</param>
public sealed record PolicyWinRate(string Policy, string Other, WinRate WinRate);
