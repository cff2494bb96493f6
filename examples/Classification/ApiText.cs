namespace Classification;

/// <summary>What the documentation says of a member of .NET, and where the member belongs.</summary>
internal sealed class ApiText
{
    /// <summary>The summary, without the words that name a class.</summary>
    public string Text { get; set; } = "";

    /// <summary>The second part of the namespace ("Net" of System.Net.Sockets) where it is one of the classes; else empty.</summary>
    public string Label { get; set; } = "";

    /// <summary>The type that the member belongs to, with its namespace.</summary>
    public string Type { get; set; } = "";
}
