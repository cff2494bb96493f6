using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A trainable term beside a <see cref="Projection"/>.</summary>
internal interface IProjectionAdapter
{
    /// <summary>The term for some rows.</summary>
    /// <param name="x">(N, in), of the working type.</param>
    /// <param name="training">Whether dropout is on.</param>
    /// <returns>(N, out), of the type of <paramref name="x"/>.</returns>
    Tensor Of(Tensor x, bool training);
}
