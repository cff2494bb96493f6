namespace MLNet.Gpt;

/// <summary>
/// Keeps native memory alive while calls use it: <see cref="Dispose"/> forbids new calls at once, and the memory is freed when the last running call has ended.
/// </summary>
/// <remarks>Thread-safe, takes no lock and allocates nothing per call. Engines of one's own may use it for the same promise.</remarks>
internal sealed class NativeLifetime : IDisposable
{
    private const int Disposed = int.MinValue; // the sign bit; the bits below count the leases

    private readonly string _ownerName;
    private readonly Action _free;
    private int _state;

    /// <summary>Begins a lifetime.</summary>
    /// <param name="owner">Whose memory it is; its type's name stands in the exceptions.</param>
    /// <param name="free">Frees the memory. Called once, by whichever thread ends the last use.</param>
    public NativeLifetime(object owner, Action free)
    {
        ArgumentNullException.ThrowIfNull(owner);
        ArgumentNullException.ThrowIfNull(free);
        _ownerName = owner.GetType().FullName!;
        _free = free;
    }

    /// <summary>Whether <see cref="Dispose"/> has been called.</summary>
    public bool IsDisposed => Volatile.Read(ref _state) < 0;

    /// <summary>Begins a use of the memory.</summary>
    /// <returns>The use, which the caller ends by disposing it, once.</returns>
    /// <exception cref="ObjectDisposedException"><see cref="Dispose"/> has been called.</exception>
    public NativeLease Acquire()
    {
        for (int state = Volatile.Read(ref _state); state >= 0;)
        {
            int found = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (found == state) return new NativeLease(this);
            state = found;
        }

        throw new ObjectDisposedException(_ownerName);
    }

    /// <summary>Throws where no use may begin any more.</summary>
    /// <exception cref="ObjectDisposedException"><see cref="Dispose"/> has been called.</exception>
    public void ThrowIfDisposed()
    {
        if (IsDisposed) throw new ObjectDisposedException(_ownerName);
    }

    /// <summary>Forbids new uses and frees the memory, now or when the last use ends. Does not wait. May be called more than once.</summary>
    public void Dispose()
    {
        if (Interlocked.Or(ref _state, Disposed) == 0) _free();
    }

    /// <summary>Ends a use.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _state) == Disposed) _free();
    }
}
