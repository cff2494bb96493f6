namespace TorchSharp;

public static partial class torch
{
    public static IDisposable no_grad() => new GradMode(false);

    public static IDisposable enable_grad(bool enabled = true) => new GradMode(enabled);

    public static bool is_grad_enabled() => Native.ts_grad_enabled();

    public static IDisposable inference_mode(bool mode = true) => new InferenceMode(mode);
}
