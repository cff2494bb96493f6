namespace MLNet.Gpt;

/// <summary>How well one example was met.</summary>
/// <param name="Loss">Its loss, class weight included.</param>
/// <param name="Weight">What it counts in the mean; 0 where it has no loss.</param>
/// <param name="Predicted">The class that was predicted; null where there are no classes or the label is not known.</param>
internal readonly record struct TaskOutcome(double Loss, double Weight, int? Predicted);
