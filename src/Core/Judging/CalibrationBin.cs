namespace MLNet.Gpt;

/// <summary>Pairs whose predicted probabilities lie close together.</summary>
/// <param name="Predicted">The mean predicted probability that the one response is preferred.</param>
/// <param name="Observed">The share of the pairs in which it was.</param>
/// <param name="Count">The pairs, each counted once from either side.</param>
public sealed record CalibrationBin(double Predicted, double Observed, long Count);
