namespace TorchSharp;

/// <summary>Tensors made meanwhile on this thread can never be recorded; until disposed.</summary>
internal sealed class InferenceMode(bool mode) : IDisposable
{
    private nint guard = Native.Check(Native.ts_inference_mode_enter(mode));

    public void Dispose()
    {
        if (guard == 0) return;
        Native.ts_inference_mode_leave(guard);
        guard = 0;
    }
}
