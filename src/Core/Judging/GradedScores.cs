namespace MLNet.Gpt;

/// <summary>The responses to one prompt: how people graded them, and how a model scored them.</summary>
/// <param name="Grades">Each response's grade, finite, the higher the better; responses of the same grade are not compared.</param>
/// <param name="Scores">Each response's score, finite, in the same order.</param>
public sealed record GradedScores(IReadOnlyList<double> Grades, IReadOnlyList<double> Scores);
