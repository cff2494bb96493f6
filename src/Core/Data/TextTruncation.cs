namespace MLNet.Gpt;

/// <summary>Which part of a text stays where it does not fit the context.</summary>
/// <remarks>Where a sequence has two texts, the longer one gives way first, until both have the same length; then both.</remarks>
public enum TextTruncation
{
    /// <summary>The beginning stays.</summary>
    Head,

    /// <summary>The end stays.</summary>
    Tail,

    /// <summary>The first half of what fits is taken from the beginning (the odd token too), the second from the end.</summary>
    HeadAndTail,
}
