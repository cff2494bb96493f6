namespace MLNet.Gpt;

/// <summary>A use of native memory under way: the memory stays until this is disposed. Made by <see cref="NativeLifetime.Acquire"/>.</summary>
/// <remarks>Dispose it exactly once; a copy counts as the same use.</remarks>
internal readonly struct NativeLease : IDisposable
{
    private readonly NativeLifetime? _lifetime;

    internal NativeLease(NativeLifetime lifetime) => _lifetime = lifetime;

    /// <summary>Ends the use, and frees the memory where it was the last one and the owner has been disposed.</summary>
    public void Dispose() => _lifetime?.Release();
}
