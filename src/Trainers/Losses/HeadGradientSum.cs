using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// The gradient of an output head, added up over chunks of tokens in float32. Products in bfloat16 add to their own type, which over many chunks rounds away what one of them adds:
/// they go into the sum a few chunks at a time.
/// </summary>
/// <param name="sum">(V, C) float32: what is added to.</param>
/// <param name="type">The products' type.</param>
internal sealed class HeadGradientSum(Tensor sum, ScalarType type)
{
    // More would round away more; each chunk by itself would read and write the whole sum each time.
    private const int ChunksOfPart = 4;

    private readonly Tensor? _part = sum.dtype == type ? null : zeros_like(sum, type);
    private int _chunks;

    /// <summary>Adds scale·logitGradientᵀ·states of a chunk.</summary>
    /// <param name="logitGradient">(n, V) of the products' type.</param>
    /// <param name="states">(n, C) of the products' type.</param>
    /// <param name="scale">What the product is multiplied by.</param>
    public void Add(Tensor logitGradient, Tensor states, float scale = 1)
    {
        MatrixProduct.AddTo(_part ?? sum, logitGradient.t(), states, scale);
        if (_part is not null && ++_chunks == ChunksOfPart) Complete();
    }

    /// <summary>To be called behind the last chunk.</summary>
    public void Complete()
    {
        if (_part is null || _chunks == 0) return;
        using (Tensor wide = _part.to(sum.dtype)) sum.PlusInPlace(wide);   // a sum of two types is many times slower
        _part.zero_();
        _chunks = 0;
    }
}
