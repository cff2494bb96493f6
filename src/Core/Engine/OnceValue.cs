namespace MLNet.Gpt;

/// <summary>
/// A value that is made at its first use, by one thread. Unlike <see cref="Lazy{T}"/> with one thread at a time it does not keep a failure: the next use tries again, since a file that could not
/// be read, or memory that was not there, may be there then.
/// </summary>
/// <param name="create">Makes the value.</param>
/// <remarks>Thread-safe.</remarks>
internal sealed class OnceValue<T>(Func<T> create)
{
    private readonly Lock _gate = new();
    private T _value = default!;
    private volatile bool _isCreated;

    /// <summary>Whether the value has been made.</summary>
    public bool IsCreated => _isCreated;

    /// <summary>The value. What <c>create</c> throws is thrown to whoever asked, and to nobody after.</summary>
    public T Value
    {
        get
        {
            if (_isCreated) return _value;
            lock (_gate)
            {
                if (!_isCreated)
                {
                    _value = create();
                    _isCreated = true;
                }

                return _value;
            }
        }
    }
}
