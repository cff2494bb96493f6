namespace MLNet.Gpt;

/// <summary>Why a constraint can't be used.</summary>
public enum ConstraintProblem
{
    /// <summary>The schema, expression or grammar is not well-formed.</summary>
    Syntax,

    /// <summary>It uses a keyword or an operator that constrained decoding does not support.</summary>
    Unsupported,

    /// <summary>Nothing satisfies it: two demands exclude each other.</summary>
    Contradictory,

    /// <summary>Nothing finite satisfies it: a value would have to hold a value of its own kind without end.</summary>
    EndlessRecursion,

    /// <summary>A rule of a grammar begins with itself.</summary>
    LeftRecursion,

    /// <summary>A rule or a definition is named that is not there.</summary>
    UndefinedReference,

    /// <summary>It needs more memory than is granted, mostly by large counts of repetitions, or is ambiguous beyond measure.</summary>
    TooLarge,

    /// <summary>The tokenizer has no tokens for characters without which nothing satisfies it.</summary>
    MissingCharacters,
}
