using System.IO.Compression;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Matrix products by the library that is fastest at them. On a CPU libtorch multiplies float32 matrices by MKL, which keeps its best code for Intel's
/// processors: on AMD's with AVX-512 it reaches less than half of what oneDNN does, which is part of the same libtorch, and on those with AVX2 five sixths of it in
/// a layer's large products, though more in small ones and in a weight's gradient (<c>benchmarks/run.sh kernels</c>). <see cref="OneDnn"/> says which go where.
/// </summary>
/// <remarks>
/// oneDNN's product of dense float32 matrices is the operator <c>mkldnn::_linear_pointwise</c>, which TorchSharp has no method for: a TorchScript module of three
/// lines calls it. Which library computes depends on the processor and on the matrices' sizes alone, so that a run repeats bit for bit on its machine.
/// These methods don't record gradients (<see cref="LinearFunction"/> does) and may be called from several threads.
/// </remarks>
internal static class MatrixProduct
{
    /// <summary>Multiplications from which the call through TorchScript, some 15 µs, is paid for.</summary>
    private const long WorthCalling = 1 << 23;

    /// <summary>Multiplications of a product that counts as large. On AVX2 oneDNN's were level with MKL's in layers of 256, and up to 33 % faster in wider ones.</summary>
    private const long WorthItOnAvx2 = 300_000_000;

    private static readonly OnceValue<jit.ScriptModule> s_module = new(static () => jit.load(Archive()));

    /// <summary>Which products of float32 matrices go to oneDNN on this machine's CPU: all on AMD's processors with AVX-512, the large ones on AMD's others. Set by benchmarks, to compare.</summary>
    public static OneDnnProducts OneDnn { get; set; } = !ProcessorFeatures.Current.IsAmd ? OneDnnProducts.None : ProcessorFeatures.Current.Avx512 ? OneDnnProducts.All : OneDnnProducts.Large;

    /// <summary>Whether a product goes to oneDNN.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m).</param>
    public static bool IsOneDnn(Tensor a, Tensor b) =>
        a.dtype == ScalarType.Float32 && b.dtype == ScalarType.Float32 && a.device_type == DeviceType.CPU && a.size(0) * a.size(1) * b.size(1) >= OneDnn switch
        {
            OneDnnProducts.All => WorthCalling,
            // With its left matrix by columns, as a weight's gradient has it, oneDNN's is the slower one unless the result is wide.
            OneDnnProducts.Large when a.stride(1) == 1 || (a.size(0) >= 512 && b.size(1) >= 1_536) => WorthItOnAvx2,
            _ => long.MaxValue,
        };

    /// <summary>a·b.</summary>
    /// <param name="a">(n, k); may be a transposed view, as may <paramref name="b"/>.</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <returns>(n, m).</returns>
    public static Tensor Of(Tensor a, Tensor b)
    {
        if (!IsOneDnn(a, b)) return a.mm(b);
        using Tensor columns = b.t();
        return s_module.Value.Call("product", a, columns);
    }

    /// <summary>a·b + bias.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <param name="bias">(m), of the same type.</param>
    /// <returns>(n, m).</returns>
    public static Tensor Of(Tensor a, Tensor b, Tensor bias)
    {
        if (!IsOneDnn(a, b)) return addmm(bias, a, b, 1f, 1f);
        using Tensor columns = b.t();
        return s_module.Value.Call("affine", a, columns, bias);
    }

    /// <summary>a·b + bias + residual.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <param name="bias">(m), of the same type.</param>
    /// <param name="residual">(n, m), of the same type.</param>
    /// <returns>(n, m).</returns>
    public static Tensor Of(Tensor a, Tensor b, Tensor bias, Tensor residual)
    {
        if (!IsOneDnn(a, b)) return addmm(residual, a, b, 1f, 1f).PlusInPlace(bias);
        using Tensor columns = b.t();
        return s_module.Value.Call("affine_sum", a, residual, columns, bias);
    }

    /// <summary>Adds scale·a·b to a matrix.</summary>
    /// <param name="sum">(n, m), of the same type.</param>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <param name="scale">What the product is multiplied by.</param>
    public static void AddTo(Tensor sum, Tensor a, Tensor b, float scale = 1)
    {
        if (!IsOneDnn(a, b))
        {
            sum.addmm_(a, b, 1f, scale);
            return;
        }

        using Tensor product = Of(a, b);
        sum.PlusInPlace(product, scale);
    }

    /// <summary>A TorchScript archive, as <c>torch.jit.save</c> writes it: a zip of the source, the object (a pickle of one without attributes) and no constants.</summary>
    private static byte[] Archive()
    {
        // Operators outside aten have no name in the source that TorchSharp's jit.compile takes; in an archive they do.
        const string Source = """
            class Products(Module):
              __parameters__ = []
              __buffers__ = []
              def product(self: __torch__.Products, a: Tensor, b: Tensor) -> Tensor:
                return ops.mkldnn._linear_pointwise(a, b, None, "none", annotate(List[Optional[number]], []), "")
              def affine(self: __torch__.Products, a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
                return ops.mkldnn._linear_pointwise(a, b, bias, "none", annotate(List[Optional[number]], []), "")
              def affine_sum(self: __torch__.Products, a: Tensor, residual: Tensor, b: Tensor, bias: Tensor) -> Tensor:
                return ops.mkldnn._linear_pointwise(a, residual, b, bias, "add")

            """;
        using MemoryStream stream = new();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add("code/__torch__.py", Source.ReplaceLineEndings("\n"));
            Add("data.pkl", "\u0080\u0002c__torch__\nProducts\n)\u0081}b.");
            Add("constants.pkl", "\u0080\u0002).");
            Add("version", "3\n");

            void Add(string name, string content)
            {
                using Stream entry = archive.CreateEntry($"products/{name}", CompressionLevel.NoCompression).Open();
                entry.Write(Encoding.Latin1.GetBytes(content));
            }
        }

        return stream.ToArray();
    }
}
