namespace MLNet.Gpt;

/// <summary>The white space in generated JSON.</summary>
public enum JsonWhitespace
{
    /// <summary>None: <c>{"a":[1,2]}</c>. The fewest tokens.</summary>
    None,

    /// <summary>After a brace, a bracket, a comma and a colon, and before a closing one, the model may write a space, or a line break and up to 20 spaces.</summary>
    Optional,
}
