using System.IO.Compression;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Matrix products by what is fastest at them. On a CPU libtorch multiplies float32 matrices by MKL, which keeps its best code for Intel's processors: on AMD's with
/// AVX-512 it reaches from less than half (Zen 5) to nine tenths (Zen 4) of what oneDNN does, which is part of the same libtorch, and on those with AVX2 five sixths of it in a layer's
/// large products, though more in small ones and in a weight's gradient (<c>benchmarks/run.sh kernels</c>). <see cref="EngineOf"/> says which go where.
/// </summary>
/// <remarks>
/// oneDNN's product of dense float32 matrices is the operator <c>mkldnn::_linear_pointwise</c>, which TorchSharp has no method for: a TorchScript module of three
/// lines calls it. What computes depends on the processor and on the matrices' sizes and order alone, so that a run repeats bit for bit on its machine.
/// These methods don't record gradients (<see cref="LinearFunction"/> does) and may be called from several threads.
/// </remarks>
internal static class MatrixProduct
{
    /// <summary>Multiplications from which a call other than libtorch's own, some 15 µs, is paid for.</summary>
    private const long WorthCalling = 1 << 23;

    /// <summary>Multiplications of a product that counts as large. On AVX2 oneDNN's were level with MKL's in layers of 256, and up to 33 % faster in wider ones.</summary>
    private const long WorthItOnAvx2 = 300_000_000;

    /// <summary>Multiplications of a forward pass that oneDNN computes on Zen 4. Below, MKL's with libtorch's own gradients was up to a tenth faster.</summary>
    private const long WorthItOnZen4 = 100_000_000;

    /// <summary>Multiplications from which the copies that <see cref="PackedProduct"/> makes are paid for.</summary>
    private const long WorthPacking = 250_000_000;

    private static readonly OnceValue<jit.ScriptModule> s_module = new(static () => jit.load(Archive()));

    /// <summary>Which products of float32 matrices go where on this machine's CPU. Set by benchmarks and tests, to compare.</summary>
    public static ProductChoice Choice { get; set; } = FastestOn(ProcessorFeatures.Current);

    /// <summary>What is fastest on a processor, as measured.</summary>
    public static ProductChoice FastestOn(ProcessorFeatures processor) => processor switch
    {
        { IsAmd: false } => ProductChoice.LibTorch,
        { Avx512: false } => ProductChoice.LargeOneDnn,
        { IsZen4: true } when PackedProduct.IsAvailable => ProductChoice.OneDnnAndPacked,
        _ => ProductChoice.OneDnn,
    };

    /// <summary>What computes a product.</summary>
    /// <param name="a">(n, k).</param>
    /// <param name="b">(k, m).</param>
    public static ProductEngine EngineOf(Tensor a, Tensor b)
    {
        if (Choice == ProductChoice.LibTorch || a.dtype != ScalarType.Float32 || b.dtype != ScalarType.Float32 || a.device_type != DeviceType.CPU) return ProductEngine.LibTorch;
        long multiplications = a.size(0) * a.size(1) * b.size(1);
        if (multiplications < WorthCalling) return ProductEngine.LibTorch;
        return Choice switch
        {
            ProductChoice.OneDnn => ProductEngine.OneDnn,
            ProductChoice.Packed => ProductEngine.Packed,
            // With its left matrix by columns, as a weight's gradient has it, oneDNN's is the slower one unless the result is wide.
            ProductChoice.LargeOneDnn => multiplications >= WorthItOnAvx2 && (a.stride(1) == 1 || (a.size(0) >= 512 && b.size(1) >= 1_536)) ? ProductEngine.OneDnn : ProductEngine.LibTorch,
            // With either matrix by columns, as gradients have it, oneDNN's is as fast as MKL's, or slower.
            ProductChoice.OneDnnAndPacked => a.stride(1) == 1 && b.stride(1) == 1
                ? (multiplications >= WorthItOnZen4 ? ProductEngine.OneDnn : ProductEngine.LibTorch)
                : (multiplications >= WorthPacking ? ProductEngine.Packed : ProductEngine.LibTorch),
            _ => throw new ArgumentOutOfRangeException(nameof(Choice), Choice, null),
        };
    }

    /// <summary>a·b.</summary>
    /// <param name="a">(n, k); may be a transposed view, as may <paramref name="b"/>.</param>
    /// <param name="b">(k, m), of the same type.</param>
    /// <returns>(n, m).</returns>
    public static Tensor Of(Tensor a, Tensor b) => EngineOf(a, b) switch
    {
        ProductEngine.Packed => Packed(a, b),
        ProductEngine.OneDnn => OneDnn("product", b, null, (columns, _) => [a, columns]),
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
        ProductEngine.OneDnn => OneDnn("affine", b, bias, (columns, row) => [a, columns, row!]),
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
        ProductEngine.OneDnn => OneDnn("affine_sum", b, bias, (columns, row) => [a, residual, columns, row!]),
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
            case ProductEngine.LibTorch:
                sum.addmm_(a, b, 1f, scale);
                break;
            case ProductEngine.Packed when sum.stride(1) == 1:
                Multiply(a, b, sum, scale, sum, null);
                break;
            default:
                using (Tensor product = Of(a, b)) sum.PlusInPlace(product, scale);
                break;
        }
    }

    private static Tensor OneDnn(string method, Tensor b, Tensor? bias, Func<Tensor, Tensor?, object[]> arguments)
    {
        // The operator takes a bias for contiguous, whatever its strides are.
        using Tensor columns = b.t();
        using Tensor? row = bias?.contiguous();
        return s_module.Value.Call(method, arguments(columns, row));
    }

    private static Tensor Packed(Tensor a, Tensor b, Tensor? bias = null, Tensor? residual = null)
    {
        Tensor result = empty(a.size(0), b.size(1));
        if (residual is null || residual.stride(1) == 1)
        {
            Multiply(a, b, result, 1, residual, bias);
            return result;
        }

        using Tensor rows = residual.contiguous();
        Multiply(a, b, result, 1, rows, bias);
        return result;
    }

    private static void Multiply(Tensor a, Tensor b, Tensor c, float scale, Tensor? from, Tensor? bias)
    {
        using Tensor? addend = bias?.contiguous();
        PackedProduct.Multiply(MatrixOf(a), MatrixOf(b), MatrixOf(c), a.size(0), b.size(1), a.size(1), scale, from is null ? null : MatrixOf(from), addend is null ? 0 : VectorMath.Address(addend));
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(c);
        GC.KeepAlive(from);

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
