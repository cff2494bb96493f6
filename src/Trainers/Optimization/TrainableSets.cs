using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// What one optimizer step updates: a network's own parameters, an adapter's, a head's, each a <see cref="FlatParameters"/> with an
/// <see cref="AdamW"/>, under one gradient norm, so that clipping treats them as one vector.
/// </summary>
internal sealed class TrainableSets : IDisposable
{
    private const long NormPiece = 1_024;

    /// <summary>Joins trainable sets. They stay the caller's.</summary>
    /// <param name="sets">One or more.</param>
    /// <param name="options">The optimizer's options, for all of them.</param>
    public TrainableSets(IEnumerable<FlatParameters> sets, AdamWOptions options) =>
        Sets = [.. sets.Select(set => (set, new AdamW(set, options)))];

    /// <summary>Each set with its optimizer.</summary>
    public IReadOnlyList<(FlatParameters Parameters, AdamW Optimizer)> Sets { get; }

    /// <summary>The sets that updates leave as they are for now, weights, moments and counts alike. None at first.</summary>
    public IReadOnlyList<FlatParameters> Held { get; set; } = [];

    /// <summary>The updates made, those of them included that held a part of the sets.</summary>
    public int StepCount
    {
        get => Sets.Max(static set => set.Optimizer.StepCount);
        set
        {
            foreach ((_, AdamW optimizer) in Sets) optimizer.StepCount = value;
        }
    }

    private IEnumerable<AdamW> Moving => Sets.Where(set => !Held.Contains(set.Parameters)).Select(static set => set.Optimizer);

    /// <summary>The trained numbers.</summary>
    public long ParameterCount => Sets.Sum(static set => set.Parameters.Layout.Sum(static info => info.ElementCount));

    /// <summary>A scalar: the Euclidean norm of all gradients together.</summary>
    public Tensor GradientNorm()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return stack(Sets.Select(static set => Norm(set.Parameters.GradientSum))).norm().MoveToOuterDisposeScope();
    }

    /// <summary>After a micro-batch: as <see cref="FlatParameters.CollectGradient"/>.</summary>
    public void CollectGradient()
    {
        foreach ((FlatParameters parameters, _) in Sets) parameters.CollectGradient();
    }

    /// <summary>Sets all gradients to zero, in place.</summary>
    public void ZeroGradient()
    {
        foreach ((FlatParameters parameters, _) in Sets) parameters.ZeroGradient();
    }

    /// <summary>Updates all sets that are not held.</summary>
    /// <param name="learningRate">The rate of this step.</param>
    /// <param name="gradientNorm">What <see cref="GradientNorm"/> gave.</param>
    public void Step(double learningRate, Tensor gradientNorm)
    {
        foreach (AdamW optimizer in Moving) optimizer.Step(learningRate, gradientNorm);
    }

    /// <summary>As <see cref="Step"/>, but the device decides: see <see cref="AdamW.StepIfFinite"/>.</summary>
    public void StepIfFinite(double learningRate, Tensor gradientNorm, Tensor loss)
    {
        foreach (AdamW optimizer in Moving) optimizer.StepIfFinite(learningRate, gradientNorm, loss);
    }

    /// <summary>As <see cref="AdamW.Confirm"/>, of calls between which <see cref="Held"/> did not change.</summary>
    public void Confirm(int updatesMade)
    {
        foreach (AdamW optimizer in Moving) optimizer.Confirm(updatesMade);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, AdamW optimizer) in Sets) optimizer.Dispose();
    }

    /// <summary>
    /// The norm of a buffer, from the norms of its pieces: libtorch adds the squares of a whole buffer up in float32, one behind the other, and the norm falls short, by 1.3 % at 124 M numbers.
    /// </summary>
    private static Tensor Norm(Tensor buffer)
    {
        while (buffer.size(0) > NormPiece)
        {
            long pieces = buffer.size(0) / NormPiece, whole = pieces * NormPiece;
            buffer = cat([buffer.narrow(0, 0, whole).view(pieces, NormPiece).norm(1), buffer.narrow(0, whole, buffer.size(0) - whole).norm().view(1)], 0);
        }

        return buffer.norm();
    }
}
