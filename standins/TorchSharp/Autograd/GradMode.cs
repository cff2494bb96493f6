namespace TorchSharp;

/// <summary>Recording on or off on this thread, until disposed.</summary>
internal sealed class GradMode : IDisposable
{
    private readonly bool before = Native.ts_grad_enabled();

    internal GradMode(bool enabled) => Native.ts_set_grad_enabled(enabled);

    public void Dispose() => Native.ts_set_grad_enabled(before);
}
