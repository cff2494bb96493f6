namespace MLNet.Gpt;

/// <summary>Which grade of two is the better one.</summary>
public enum GradeOrder
{
    /// <summary>The higher: a relevance as ML.NET's ranking trainers have it, a rating, a score.</summary>
    HigherIsBetter,

    /// <summary>The lower: a rank, 1 for the best response.</summary>
    LowerIsBetter,
}
