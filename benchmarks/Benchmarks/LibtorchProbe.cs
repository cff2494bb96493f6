using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Computes what a training step is made of, one operation a line. A libtorch of another version than the one that TorchSharp was built for may
/// load and then end the process in one of them: the last line says in which. eng/gpu/run.sh runs it first.
/// </summary>
internal static class LibtorchProbe
{
    public const string Name = "libtorch-probe";

    public static int Run(BenchmarkArguments arguments)
    {
        string device = arguments.Text("--device", "cuda");
        arguments.RefuseOthers();
        bool held = true;
        using var scope = NewDisposeScope();
        Tensor x = null!, weight = null!, loss = null!;
        Step("a tensor", () => (x = ones(2, 8, 16)).sum().item<float>() == 256);
        Step($"a tensor on {device}", () =>
        {
            x = x.to(torch.device(device));
            return x.device_type == (device == "cpu" ? DeviceType.CPU : DeviceType.CUDA);
        });
        Step("a product", () => (x.matmul(ones(16, 16, device: x.device)).max().item<float>()) == 16);
        Step("a bfloat16 product", () => (x.to(ScalarType.BFloat16).matmul(ones(16, 16, dtype: ScalarType.BFloat16, device: x.device)).to(ScalarType.Float32).max().item<float>()) == 16);
        Step("index_select", () => x[0].index_select(0, tensor((long[])[1, 3], device: x.device)).size(0) == 2);
        Step("layer_norm", () => nn.functional.layer_norm(x, [16], ones(16, device: x.device), zeros(16, device: x.device)).abs().max().item<float>() == 0);
        Step("gelu", () => Math.Abs(nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh).mean().item<float>() - 0.8412f) < 1e-3);
        Step("attention", () => Math.Abs(Heads().mean().item<float>() - 1) < 1e-6);
        Step("attention in bfloat16", () => Math.Abs(Heads(ScalarType.BFloat16).to(ScalarType.Float32).mean().item<float>() - 1) < 1e-2);
        Step("a parameter's loss", () =>
        {
            weight = ones(16, 16, device: x.device).requires_grad_(true);
            loss = nn.functional.cross_entropy(nn.functional.linear(x, weight).reshape(-1, 16), zeros(16, dtype: ScalarType.Int64, device: x.device));
            return Math.Abs(loss.item<float>() - MathF.Log(16)) < 1e-5;
        });
        Step("backward", () =>
        {
            loss.backward();
            return Math.Abs(weight.grad!.sum().item<float>()) < 1e-5;
        });
        Step("an update in place", () =>
        {
            using var without = no_grad();
            weight.add_(weight.grad!, alpha: -0.1);
            return Math.Abs(weight.sum().item<float>() - 256) < 1e-3;
        });
        Step("random numbers", () => randint(0, 7, [64], dtype: ScalarType.Int64, device: x.device).max().item<long>() < 7);
        if (device != "cpu") Step("pinned memory", () => ones(8).pin_memory().is_pinned());
        return held ? 0 : 1;

        Tensor Heads(ScalarType type = ScalarType.Float32)
        {
            Tensor heads = x.to(type).view(2, 8, 2, 8).transpose(1, 2);
            return nn.functional.scaled_dot_product_attention(heads, heads, heads, is_casual: true);
        }

        void Step(string what, Func<bool> compute)
        {
            // Written before it is computed: a crash leaves the name as the last thing said.
            Console.Write($"  {what,-24}");
            Console.Out.Flush();
            bool right = compute();
            held &= right;
            Console.WriteLine(right ? "ok" : "WRONG");
        }
    }
}
