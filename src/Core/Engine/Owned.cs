namespace MLNet.Gpt;

/// <summary>What owns native memory, on its way into what will own it.</summary>
internal static class Owned
{
    /// <summary>Makes something that owns what it is made of, or works on it. Where that fails, what it is made of is disposed: nobody else knows of it.</summary>
    /// <param name="owned">What is taken over.</param>
    /// <param name="make">Makes it.</param>
    public static TResult Into<T, TResult>(T owned, Func<T, TResult> make)
        where T : IDisposable
    {
        try
        {
            return make(owned);
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }
}
