using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// The exponential moving average of what is trained over the updates (Polyak and Juditsky 1992; the exponential form of Kingma and Ba 2015, section 7.2), one
/// buffer and one operation an update for each set. While few updates have been made a shorter memory forgets the initial weights: after update t the decay is at
/// most (1 + t) / (10 + t).
/// </summary>
internal sealed class AveragedWeights : IDisposable
{
    private readonly IReadOnlyList<FlatParameters> _sets;
    private readonly double _decay;
    private readonly Tensor[] _values;

    /// <summary>Begins with the weights as they are.</summary>
    public AveragedWeights(IReadOnlyList<FlatParameters> sets, double decay)
    {
        (_sets, _decay) = (sets, decay);
        using var noGradient = no_grad();
        _values = [.. sets.Select(static set => set.Master.clone().DetachFromDisposeScope())];
    }

    /// <summary>(N) float32 for each set: the averages, laid out as its master weights; between two calls of <see cref="Exchange"/>, the weights themselves.</summary>
    public IReadOnlyList<Tensor> Values => _values;

    /// <summary>Takes in the weights after update <paramref name="step"/>, counted from 1.</summary>
    public void Update(int step)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double decay = Math.Min(_decay, (1.0 + step) / (10.0 + step));
        for (int i = 0; i < _values.Length; i++) _values[i].lerp_(_sets[i].Master, TensorArithmetic.Filled([], 1 - decay, ScalarType.Float32, _values[i].device));
    }

    /// <summary>Exchanges the averages with the weights: once before they are evaluated or written, once after it.</summary>
    public void Exchange()
    {
        using var noGradient = no_grad();
        for (int i = 0; i < _values.Length; i++)
        {
            using var scope = NewDisposeScope();
            Tensor weights = _sets[i].Master.clone();
            _sets[i].Master.copy_(_values[i]);
            _values[i].copy_(weights);
            _sets[i].RefreshWorkingCopy();
        }
    }

    /// <summary>Begins anew with the weights as they are.</summary>
    public void Reset()
    {
        using var noGradient = no_grad();
        for (int i = 0; i < _values.Length; i++) _values[i].copy_(_sets[i].Master);
    }

    public void Dispose()
    {
        foreach (Tensor value in _values) value.Dispose();
    }
}
