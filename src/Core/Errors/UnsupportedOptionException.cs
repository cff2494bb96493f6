namespace MLNet.Gpt;

/// <summary>An option asks for something that this library does not do. It is refused, since leaving it out unseen would give another result than the one asked for.</summary>
public sealed class UnsupportedOptionException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="option">The option's name.</param>
    /// <param name="value">Its value.</param>
    /// <param name="remedy">What the user can do about it, as a sentence.</param>
    public UnsupportedOptionException(string option, object? value, string remedy)
        : base(FormattableString.Invariant($"Option '{option}' is {value ?? "null"}, which is not supported. {remedy}"))
    {
        Option = option;
        Value = value;
    }

    /// <summary>The option's name.</summary>
    public string Option { get; }

    /// <summary>Its value.</summary>
    public object? Value { get; }
}
