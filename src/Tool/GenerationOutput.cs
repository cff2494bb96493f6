namespace MLNet.Gpt.Tool;

/// <summary>Writes text as it comes.</summary>
internal static class GenerationOutput
{
    public static async Task WriteAsync(ToolConsole console, IAsyncEnumerable<string> pieces)
    {
        try
        {
            await foreach (string piece in pieces)
            {
                console.Out.Write(piece);
                console.Out.Flush();
            }
        }
        finally
        {
            console.Out.WriteLine(); // also where it was cancelled: the next line begins in its place
        }
    }
}
