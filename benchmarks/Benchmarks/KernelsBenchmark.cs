using System.Diagnostics;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace MLNet.Gpt.Benchmarks;

/// <summary>What this library composes itself beside libtorch's own operation, forward and backward: each must earn its place.</summary>
internal static class KernelsBenchmark
{
    private static readonly (long B, long T, long H)[] Shapes = [(12, 64, 4), (8, 128, 4), (8, 256, 6), (2, 512, 12), (1, 2_048, 6)];

    private static readonly (long N, long In, long Out)[] Products = [(768, 128, 384), (768, 128, 512), (2_048, 384, 384), (2_048, 384, 1_536), (2_048, 1_536, 384), (1_024, 768, 3_072), (1_024, 3_072, 768)];

    public static int Run(BenchmarkArguments arguments)
    {
        int rounds = arguments.Int("--rounds", 15);
        arguments.RefuseOthers();
        TorchRuntime.Initialize();
        var gains = new Dictionary<string, List<double>>();
        Console.WriteLine("causal attention of B × T × H heads of 64, forward and backward, ms     ours     SDPA    SDPA / ours");
        foreach ((ScalarType type, bool vectors) in ((ScalarType, bool)[])[(ScalarType.BFloat16, true), (ScalarType.BFloat16, false), (ScalarType.Float32, true)])
        {
            if (vectors && !AttentionKernel.IsAvailable) continue;
            Console.WriteLine(vectors ? "(ours: by vectors)" : "(ours: in blocks of products, for forms that the vectors don't take)");
            foreach ((long b, long t, long h) in Shapes)
            {
                using var scope = NewDisposeScope();
                Tensor qkv = randn(b * t, 3 * h * 64).to(type).requires_grad_(), gradient = randn(b * t, h * 64).to(type);
                (double ours, double sdpa) = Alternate(rounds, () => Both(qkv, gradient, Ours), () => Both(qkv, gradient, x => Sdpa(x, b, t, h)));
                Row(vectors ? "attention" : "blocks", type, $"{b} × {t} × {h}", ours, sdpa);

                Tensor Ours(Tensor x) => vectors ? FusedAttentionFunction.Of(x, b, t, h) : CausalAttentionFunction.Of(x, b, t, h, null);
            }
        }

        // What this machine takes, and what it doesn't, to show that that is not worth it.
        ProductChoice chosen = MatrixProduct.Choice;
        foreach (ProductChoice compared in ((ProductChoice[])[chosen, ProductChoice.OneDnn, ProductChoice.Packed]).Distinct())
        {
            if (compared == ProductChoice.LibTorch || (compared == ProductChoice.Packed && !PackedProduct.IsAvailable)) continue;
            Console.WriteLine($"\nx·W + b of N rows, (in, out), forward and backward, ms                      ours  libtorch    libtorch / ours    (ours: {compared}; this machine's processor takes {chosen})");
            foreach ((long n, long width, long outputs) in Products)
            {
                using var scope = NewDisposeScope();
                Tensor x = randn(n, width).requires_grad_(), w = randn(width, outputs).requires_grad_(), b = randn(outputs).requires_grad_(), gradient = randn(n, outputs);
                (double ours, double libtorch) = Alternate(rounds, () => Product(compared), () => Product(ProductChoice.LibTorch));
                Row(compared == chosen ? "product" : $"product_{compared.ToString().ToLowerInvariant()}", ScalarType.Float32, $"{n:N0} × ({width}, {outputs})", ours, libtorch);

                void Product(ProductChoice choice)
                {
                    using var product = NewDisposeScope();
                    MatrixProduct.Choice = choice;
                    BackwardPass.Run(LinearFunction.Of(x, w, b), gradient);
                }
            }
        }

        MatrixProduct.Choice = chosen;
        Console.WriteLine("\nGELU of N × C, forward and backward, ms                                   ours  libtorch    libtorch / ours");
        foreach (ScalarType type in (ScalarType[])[ScalarType.BFloat16, ScalarType.Float32])
        {
            foreach ((long n, long width) in ((long, long)[])[(768, 512), (2_048, 1_536), (1_024, 3_072)])
            {
                using var scope = NewDisposeScope();
                Tensor x = randn(n, width).to(type).requires_grad_(), gradient = randn(n, width).to(type);
                (double ours, double libtorch) = Alternate(rounds, () => Both(x, gradient, GeluFunction.Of), () => Both(x, gradient, static one => functional.gelu(one, TorchSharp.Modules.GELU.Approximate.tanh)));
                Row("gelu", type, $"{n:N0} × {width:N0}", ours, libtorch);
            }
        }

        if (CrossEntropyKernel.IsAvailable)
        {
            Console.WriteLine("\ncross-entropy of n × V logits and its gradient, ms                         ours  libtorch    libtorch / ours");
            foreach ((long n, long vocabulary) in ((long, long)[])[(2_048, 65), (1_024, 8_192), (333, 50_257)])
            {
                using var scope = NewDisposeScope();
                using var noGradient = no_grad();
                Tensor logits = randn(n, vocabulary), targets = randint(0, vocabulary, [n], ScalarType.Int64);
                (double ours, double libtorch) = Alternate(rounds, () => WithGradient(true), () => WithGradient(false));
                CrossEntropyKernel.IsAvailable = true;
                Row("cross_entropy", ScalarType.Float32, $"{n:N0} × {vocabulary:N0}", ours, libtorch);

                void WithGradient(bool byVectors)
                {
                    using var loss = NewDisposeScope();
                    CrossEntropyKernel.IsAvailable = byVectors;
                    CrossEntropy.WithGradient(logits, targets, null);
                }
            }
        }

        Console.WriteLine("\nAdamW of n weights, an update, ms                                      fused     operations    operations / fused");
        foreach (long n in (long[])[800_000, 10_650_000, 85_000_000])
        {
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            var options = new AdamWOptions();
            Tensor p = randn(n), g = randn(n), m = randn(n), v = rand(n), t = ones([]), scale = ones([]), skip = zeros([]);
            (double fused, double operations) = Alternate(rounds, () => FusedAdamW.Step(p, g, m, v, t, 1e-4, options, 0.1, scale, skip), () =>
            {
                using var step = NewDisposeScope();
                g.mul_(scale);
                p.mul_(1 - 1e-5);
                m.mul_(0.9).add_(g, 0.1);
                v.mul_(0.95).addcmul_(g, g, 0.05);
                p.addcdiv_(m, v.sqrt().mul_(1.1).add_(1e-8), -1e-4);
            });
            Row("adamw", ScalarType.Float32, $"{n:N0}", fused, operations);
        }

        Console.WriteLine("\nkernels " + string.Join(' ', gains.Select(g => string.Create(CultureInfo.InvariantCulture,
            $"{g.Key}_min={g.Value.Min():F3} {g.Key}_mean={Math.Exp(g.Value.Average(Math.Log)):F3}"))) + " unit=times");
        return 0;

        void Row(string name, ScalarType type, string shape, double ours, double theirs)
        {
            string key = type == ScalarType.BFloat16 ? name + "_bf16" : name;
            if (!gains.TryGetValue(key, out List<double>? list)) gains.Add(key, list = []);
            list.Add(theirs / ours);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {type,-10}{shape,-50}{ours,17:F2}{theirs,9:F2}{theirs / ours,15:F2}"));
        }
    }

    /// <summary>Medians in milliseconds, each side in turn.</summary>
    private static (double First, double Second) Alternate(int rounds, Action first, Action second)
    {
        List<double> a = [], b = [];
        for (int i = 0; i < rounds; i++)
        {
            a.Add(Time(first));
            b.Add(Time(second));
        }

        return (Median(a), Median(b));

        static double Time(Action action)
        {
            var clock = Stopwatch.StartNew();
            action();
            return clock.Elapsed.TotalMilliseconds;
        }

        static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
    }

    private static void Both(Tensor x, Tensor gradient, Func<Tensor, Tensor> function)
    {
        using var scope = NewDisposeScope();
        BackwardPass.Run(function(x), gradient);
    }

    private static Tensor Sdpa(Tensor projected, long b, long t, long h)
    {
        Tensor[] parts = [.. projected.view(b, t, 3 * h * 64).chunk(3, -1).Select(part => part.view(b, t, h, 64).transpose(1, 2))];
        return functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], null, 0, is_casual: true).transpose(1, 2).reshape(b * t, h * 64);
    }
}
