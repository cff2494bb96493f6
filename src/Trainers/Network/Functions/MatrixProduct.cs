using System.IO.Compression;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Matrix products by what is fastest at them. On a CPU libtorch multiplies float32 matrices by MKL, which keeps its best code for Intel's processors: on AMD's with AVX-512 it reaches
/// less than half of what oneDNN does, which is part of the same libtorch, and on those with AVX2 three quarters of what <see cref="PackedProduct"/> does (<c>benchmarks/run.sh kernels</c>).
/// </summary>
/// <remarks>
/// oneDNN's product of dense float32 matrices is the operator <c>mkldnn::_linear_pointwise</c>, which TorchSharp has no method for: a TorchScript module of three
/// lines calls it. What computes depends on the processor and on the matrices' sizes alone, so that a run repeats bit for bit on its machine.
/// These methods don't record gradients (<see cref="LinearFunction"/> does) and may be called from several threads.
/// </remarks>
internal static class MatrixProduct
{
    /// <summary>Multiplications from which a call other than libtorch's own, some 15 µs, is paid for.</summary>
    private const long WorthCalling = 1 << 23;

    private static readonly Lazy<jit.ScriptModule> s_module = new(static () => jit.load(Archive()));

    /// <summary>What multiplies large float32 matrices on this machine's CPU. Set by benchmarks, to compare.</summary>
    public static ProductEngine Engine { get; set; } = FastestOn(ProcessorFeatures.Current);

    /// <summary>What multiplies large float32 matrices fastest on a processor.</summary>
    public static ProductEngine FastestOn(ProcessorFeatures processor) =>
        !processor.IsAmd ? ProductEngine.LibTorch : processor.Avx512 ? ProductEngine.OneDnn : processor.Avx2 ? ProductEngine.Packed : ProductEngine.LibTorch;

    /// <summary>What computes a product.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m).</param>
    public static ProductEngine EngineOf(Tensor a, Tensor b) =>
        a.dtype == ScalarType.Float32 && b.dtype == ScalarType.Float32 && a.device_type == DeviceType.CPU && a.size(0) * a.size(1) * b.size(1) >= WorthCalling ? Engine : ProductEngine.LibTorch;

    /// <summary>a·b.</summary>
    /// <param name="a">(n, k); may be a transposed view, as may <paramref name="b"/>.</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <returns>(n, m).</returns>
    public static Tensor Of(Tensor a, Tensor b) => EngineOf(a, b) switch
    {
        ProductEngine.Packed => Packed(a, b),
        ProductEngine.OneDnn => OneDnn("product", b, columns => [a, columns]),
        _ => a.mm(b),
    };

    /// <summary>a·b + bias.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <param name="bias">(m), of the same type.</param>
    /// <returns>(n, m).</returns>
    public static Tensor Of(Tensor a, Tensor b, Tensor bias) => EngineOf(a, b) switch
    {
        ProductEngine.Packed => Packed(a, b, bias),
        ProductEngine.OneDnn => OneDnn("affine", b, columns => [a, columns, bias]),
        _ => addmm(bias, a, b, 1f, 1f),
    };

    /// <summary>a·b + bias + residual.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <param name="bias">(m), of the same type.</param>
    /// <param name="residual">(n, m), of the same type.</param>
    /// <returns>(n, m).</returns>
    public static Tensor Of(Tensor a, Tensor b, Tensor bias, Tensor residual) => EngineOf(a, b) switch
    {
        ProductEngine.Packed => Packed(a, b, bias, residual),
        ProductEngine.OneDnn => OneDnn("affine_sum", b, columns => [a, residual, columns, bias]),
        _ => addmm(residual, a, b, 1f, 1f).PlusInPlace(bias),
    };

    /// <summary>Adds scale·a·b to a matrix.</summary>
    /// <param name="sum">(n, m), of the same type.</param>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <param name="scale">What the product is multiplied by.</param>
    public static void AddTo(Tensor sum, Tensor a, Tensor b, float scale = 1)
    {
        switch (EngineOf(a, b))
        {
            case ProductEngine.Packed when sum.stride(1) == 1:
                Multiply(a, b, sum, scale, sum, null);
                break;
            case ProductEngine.LibTorch:
                sum.addmm_(a, b, 1f, scale);
                break;
            default:
                using (Tensor product = Of(a, b)) sum.PlusInPlace(product, scale);
                break;
        }
    }

    private static Tensor OneDnn(string method, Tensor b, Func<Tensor, object[]> arguments)
    {
        using Tensor columns = b.t();
        return s_module.Value.Call(method, arguments(columns));
    }

    private static Tensor Packed(Tensor a, Tensor b, Tensor? bias = null, Tensor? residual = null)
    {
        Tensor result = empty(a.size(0), b.size(1));
        if (residual is null || residual.stride(1) == 1)
        {
            Multiply(a, b, result, 1, residual, bias);
        }
        else
        {
            using Tensor rows = residual.contiguous();
            Multiply(a, b, result, 1, rows, bias);
        }

        return result;
    }

    private static void Multiply(Tensor a, Tensor b, Tensor c, float scale, Tensor? from, Tensor? bias)
    {
        PackedProduct.Multiply(MatrixOf(a), MatrixOf(b), MatrixOf(c), a.size(0), b.size(1), a.size(1), scale, from is null ? null : MatrixOf(from), bias is null ? 0 : VectorMath.Address(bias));
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(c);
        GC.KeepAlive(from);
        GC.KeepAlive(bias);

        static PackedProduct.Matrix MatrixOf(Tensor x) => new(VectorMath.Address(x), (nint)x.stride(0), (nint)x.stride(1));
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
