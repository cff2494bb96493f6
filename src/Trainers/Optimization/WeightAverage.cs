using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// The exponential moving average of the master weights over the updates (Polyak and Juditsky 1992; the exponential form of Kingma and Ba
/// 2015, section 7.2), one buffer and one operation an update. While few updates have been made a shorter memory forgets the initial weights:
/// after update t the decay is at most (1 + t) / (10 + t).
/// </summary>
internal sealed class WeightAverage : IGptWeights, IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly double _decay;

    /// <summary>Begins with the weights as they are.</summary>
    public WeightAverage(GptNetwork network, double decay)
    {
        Config = network.Config;
        (_parameters, _decay) = (network.Parameters, decay);
        using var noGradient = no_grad();
        Values = _parameters.Master.clone().DetachFromDisposeScope();
    }

    public GptConfig Config { get; }

    /// <summary>(N) float32: the averages, laid out as the master weights; during an evaluation, the weights themselves.</summary>
    public Tensor Values { get; }

    public void Read(string name, Span<float> destination)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _parameters.ViewOf(Values, name).CopyFloatsTo(destination);
    }

    /// <summary>Takes in the weights after update <paramref name="step"/>, counted from 1.</summary>
    public void Update(int step)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double decay = Math.Min(_decay, (1.0 + step) / (10.0 + step));
        Values.lerp_(_parameters.Master, TensorArithmetic.Filled([], 1 - decay, ScalarType.Float32, Values.device));
    }

    /// <summary>Exchanges the averages with the weights: once before an evaluation, once after it.</summary>
    public void Exchange()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor weights = _parameters.Master.clone();
        _parameters.Master.copy_(Values);
        Values.copy_(weights);
        _parameters.RefreshWorkingCopy();
    }

    public void Dispose() => Values.Dispose();
}
