namespace MLNet.Gpt;

/// <summary>What is wrong with a row of an evaluation.</summary>
/// <param name="Row">The row, counted from 0 in its data view.</param>
/// <param name="Problem">What is wrong, as a sentence.</param>
/// <param name="IsCounted">Whether the row is counted, as one answered wrong; false for a row that could not be scored and is left out.</param>
public sealed record QuestionProblem(long Row, string Problem, bool IsCounted);
