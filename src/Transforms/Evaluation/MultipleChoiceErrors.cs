namespace MLNet.Gpt;

/// <summary>The standard errors of <see cref="MultipleChoiceMetrics"/> by the bootstrap. NaN for fewer than two questions, or where a measure was not computed.</summary>
/// <param name="Accuracy">Of <see cref="MultipleChoiceMetrics.Accuracy"/>.</param>
/// <param name="NormalizedAccuracy">Of <see cref="MultipleChoiceMetrics.NormalizedAccuracy"/>.</param>
/// <param name="ByteNormalizedAccuracy">Of <see cref="MultipleChoiceMetrics.ByteNormalizedAccuracy"/>.</param>
/// <param name="MutualInformationAccuracy">Of <see cref="MultipleChoiceMetrics.MutualInformationAccuracy"/>.</param>
/// <param name="GreedyMatch">Of <see cref="MultipleChoiceMetrics.GreedyMatch"/>.</param>
/// <param name="BrierScore">Of <see cref="MultipleChoiceMetrics.BrierScore"/>.</param>
public sealed record MultipleChoiceErrors(
    double Accuracy, double NormalizedAccuracy, double ByteNormalizedAccuracy, double MutualInformationAccuracy, double GreedyMatch, double BrierScore);
