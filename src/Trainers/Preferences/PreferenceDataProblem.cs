namespace MLNet.Gpt;

/// <summary>Why graded responses can't be learnt from.</summary>
public enum PreferenceDataProblem
{
    /// <summary>There is no prompt.</summary>
    Empty,

    /// <summary>A row's prompt has no identity.</summary>
    MissingGroup,

    /// <summary>A grade is missing, NaN or infinite.</summary>
    InvalidGrade,

    /// <summary>A prompt has one response, and nothing to compare it with.</summary>
    SingleResponse,

    /// <summary>All responses to a prompt have the same grade, or are the same.</summary>
    AllTied,

    /// <summary>Rows of one group have different prompts.</summary>
    PromptsDiffer,

    /// <summary>A response, or a prompt that must not be cut, does not fit the context.</summary>
    TooLong,

    /// <summary>A prompt is no conversation that waits for an answer.</summary>
    InvalidConversation,
}
