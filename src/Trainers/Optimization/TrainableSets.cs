using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// What one optimizer step updates: a network's own parameters, an adapter's, a head's, each a <see cref="FlatParameters"/> with an
/// <see cref="AdamW"/>, under one gradient norm, so that clipping treats them as one vector.
/// </summary>
internal sealed class TrainableSets : IDisposable
{
    /// <summary>Joins trainable sets. They stay the caller's.</summary>
    /// <param name="sets">One or more.</param>
    /// <param name="options">The optimizer's options, for all of them.</param>
    public TrainableSets(IEnumerable<FlatParameters> sets, AdamWOptions options) =>
        Sets = [.. sets.Select(set => (set, new AdamW(set, options)))];

    /// <summary>Each set with its optimizer.</summary>
    public IReadOnlyList<(FlatParameters Parameters, AdamW Optimizer)> Sets { get; }

    /// <summary>The updates made.</summary>
    public int StepCount
    {
        get => Sets[0].Optimizer.StepCount;
        set
        {
            foreach ((_, AdamW optimizer) in Sets) optimizer.StepCount = value;
        }
    }

    /// <summary>The trained numbers.</summary>
    public long ParameterCount => Sets.Sum(static set => set.Parameters.Layout.Sum(static info => info.ElementCount));

    /// <summary>A scalar: the Euclidean norm of all gradients together.</summary>
    public Tensor GradientNorm()
    {
        using var noGradient = no_grad();
        if (Sets.Count == 1) return Sets[0].Parameters.GradientSum.norm();
        using var scope = NewDisposeScope();
        Tensor sum = zeros([], ScalarType.Float32, Sets[0].Parameters.GradientSum.device);
        foreach ((FlatParameters parameters, _) in Sets)
        {
            Tensor norm = parameters.GradientSum.norm();
            sum.PlusProductInPlace(norm, norm);
        }

        return sum.sqrt().MoveToOuterDisposeScope();
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

    /// <summary>Updates all sets.</summary>
    /// <param name="learningRate">The rate of this step.</param>
    /// <param name="gradientNorm">What <see cref="GradientNorm"/> gave.</param>
    public void Step(double learningRate, Tensor gradientNorm)
    {
        foreach ((_, AdamW optimizer) in Sets) optimizer.Step(learningRate, gradientNorm);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, AdamW optimizer) in Sets) optimizer.Dispose();
    }
}
