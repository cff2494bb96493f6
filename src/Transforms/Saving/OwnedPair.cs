namespace MLNet.Gpt;

/// <summary>Two things that go together.</summary>
internal sealed class OwnedPair(IDisposable first, IDisposable second) : IDisposable
{
    public void Dispose()
    {
        try
        {
            first.Dispose();
        }
        finally
        {
            second.Dispose();
        }
    }
}
