namespace MLNet.Gpt;

/// <summary>Weights whose reading can be cancelled, and with it what is written from them.</summary>
internal sealed class CancellableWeights(IGptWeights weights, CancellationToken cancellationToken) : IGptWeights
{
    public GptConfig Config => weights.Config;

    public void Read(string name, Span<float> destination)
    {
        cancellationToken.ThrowIfCancellationRequested();
        weights.Read(name, destination);
    }
}
