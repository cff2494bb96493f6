namespace MLNet.Gpt;

/// <summary>A head that is to share a package's trunk was trained over other weights.</summary>
public sealed class TrunkMismatchException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="head">The head's name.</param>
    /// <param name="tensorName">The tensor that differs, by its name in the checkpoint; null where the shapes of the networks do.</param>
    /// <param name="expected">What the package's trunk has.</param>
    /// <param name="found">What the head was trained over.</param>
    public TrunkMismatchException(string head, string? tensorName, string expected, string found)
        : base($"The head '{head}' was trained over another trunk than the package's: {(tensorName is null ? "the network" : $"'{tensorName}'")} is {found}, and in the package {expected}. Train the heads over the same weights, or export this one as a package of its own.") =>
        (Head, TensorName, Expected, Found) = (head, tensorName, expected, found);

    /// <summary>The head's name.</summary>
    public string Head { get; }

    /// <summary>The tensor that differs; null where the shapes of the networks do.</summary>
    public string? TensorName { get; }

    /// <summary>What the package's trunk has.</summary>
    public string Expected { get; }

    /// <summary>What the head was trained over.</summary>
    public string Found { get; }
}
