namespace MLNet.Gpt;

/// <summary>How tools stand in a conversation: what tells them, what a call and a result look like.</summary>
/// <remarks>
/// Immutable; may be shared between threads. A call is <see cref="CallStart"/>, <c>{"name":"…","arguments":{…}}</c>, <see cref="CallEnd"/>, and is held to that form and to the tool's schema by
/// constrained decoding. A model should have been fine-tuned on the same texts to call tools with sense.
/// </remarks>
public sealed record ChatToolFormat
{
    /// <summary>What stands in the system turn before the tools, which are told one a line as <c>{"name":…,"description":…,"parameters":…}</c>.</summary>
    public string Introduction { get; init; } = "You may call these tools:";

    /// <summary>What stands behind the tools.</summary>
    public string Instruction { get; init; } = "To call one, answer <tool_call>{\"name\":\"…\",\"arguments\":{…}}</tool_call>.";

    /// <summary>What a call begins with. Default "&lt;tool_call&gt;". A free answer never begins with it.</summary>
    public string CallStart { get; init; } = "<tool_call>";

    /// <summary>What a call ends with. Default "&lt;/tool_call&gt;".</summary>
    public string CallEnd { get; init; } = "</tool_call>";

    /// <summary>What a result begins with, in the turn after the calls. Default "&lt;tool_response&gt;".</summary>
    public string ResultStart { get; init; } = "<tool_response>";

    /// <summary>What a result ends with. Default "&lt;/tool_response&gt;".</summary>
    public string ResultEnd { get; init; } = "</tool_response>";

    /// <summary>Checks the texts.</summary>
    /// <exception cref="ArgumentException">A text is null, or a call's or a result's beginning or end is empty.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Introduction);
        ArgumentNullException.ThrowIfNull(Instruction);
        ArgumentException.ThrowIfNullOrEmpty(CallStart);
        ArgumentException.ThrowIfNullOrEmpty(CallEnd);
        ArgumentException.ThrowIfNullOrEmpty(ResultStart);
        ArgumentException.ThrowIfNullOrEmpty(ResultEnd);
    }
}
