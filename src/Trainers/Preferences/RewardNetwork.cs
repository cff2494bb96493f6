using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace MLNet.Gpt;

/// <summary>A GPT with a scalar head (Ouyang et al. 2022, section 3.5), and the embedding of a read-out token where it has one. C: channels; R: rows; T: positions.</summary>
internal sealed class RewardNetwork : IRewardWeights, IDisposable
{
    /// <summary>Joins a network and the head's parameters.</summary>
    /// <param name="network">The network, which goes with this one.</param>
    /// <param name="head">The head.</param>
    /// <param name="trainable">Whether the head's parameters have gradients.</param>
    /// <param name="frozenToken">Whether the read-out token's embedding has none all the same.</param>
    public RewardNetwork(GptNetwork network, RewardHead head, bool trainable, bool frozenToken = false)
    {
        Network = network;
        Head = head;
        (Extra, FrozenToken) = FlatParameters.OfHead(RewardParameterLayout.Of(network.Config, head), network.TorchDevice, trainable, frozenToken);
    }

    /// <summary>The network.</summary>
    public GptNetwork Network { get; }

    /// <inheritdoc/>
    public RewardHead Head { get; }

    /// <inheritdoc/>
    public GptConfig Config => Network.Config;

    /// <summary>The head and the read-out token's embedding, float32; without this where it is frozen.</summary>
    public FlatParameters Extra { get; }

    /// <summary>The read-out token's embedding where there is one and it is frozen beside a trained head; else null.</summary>
    public FlatParameters? FrozenToken { get; }

    /// <summary>All that is added to the network.</summary>
    public IReadOnlyList<FlatParameters> Added => FrozenToken is null ? [Extra] : [FrozenToken, Extra];

    /// <summary>A float32 copy without gradients, for use. Frozen weights are shared where they are in float32.</summary>
    public static RewardNetwork ForUse(RewardNetwork trained)
    {
        return Owned.Into(GptNetwork.Frozen(trained.Network, trained.Network.Device, GptPrecision.Float32), network =>
            Owned.Into(new RewardNetwork(network, trained.Head, trainable: false), copy =>
            {
                copy.CopyHeadFrom(trained);
                return copy;
            }));
    }

    /// <summary>Draws the head from N(0, 1/(C + 1)) (Stiennon et al. 2020, appendix B.1), the read-out token's embedding as the network's own were; the bias is 0.</summary>
    public void Initialize(long seed)
    {
        GptInitializer.Initialize(Extra, Config, seed, residualScale: null);
        if (FrozenToken is not null) GptInitializer.Initialize(FrozenToken, Config, seed + 2, residualScale: null);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Extra.ViewOf(Extra.Master, RewardParameterLayout.HeadWeight).TimesInPlace((1 / Math.Sqrt(Config.EmbeddingSize + 1)) / Config.InitializerRange);
    }

    /// <summary>Takes the head of another model of this shape.</summary>
    public void CopyHeadFrom(IRewardWeights weights)
    {
        foreach (GptParameterInfo info in Extra.Layout)
        {
            var values = new float[info.ElementCount];
            weights.Read(info.Name, values);
            Extra.Write(info.Name, values);
        }
    }

    /// <summary>Adds to all rewards.</summary>
    public void Shift(double by)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Extra.ViewOf(Extra.Master, RewardParameterLayout.HeadBias).PlusInPlace(by);
    }

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination)
    {
        if (Added.FirstOrDefault(set => set.Layout.Any(info => info.Name == name)) is { } set) set.Read(name, destination);
        else Network.Read(name, destination);
    }

    /// <summary>The last hidden states of a batch: with an autograd graph where something before them is trained.</summary>
    /// <returns>(R·T, C) float32.</returns>
    public Tensor Hidden(RewardBatch batch)
    {
        using var scope = NewDisposeScope();
        using IDisposable? noGradient = Network.IsTrained || !Extra.IsHeadAlone ? null : no_grad();
        Tensor ids = batch.Ids;                                                                            // (R, T)
        if (Head.AddedTokenCount == 0) return Network.Hidden(ids).MoveToOuterDisposeScope();
        Tensor x = where(batch.Readouts, (FrozenToken ?? Extra)[RewardParameterLayout.ReadoutToken], Network.EmbeddingOf(ids));   // (R·T, C)
        return Network.HiddenOf(x, batch.RowCount, batch.Width).MoveToOuterDisposeScope();
    }

    /// <summary>The head.</summary>
    /// <param name="states">(n, C) float32: hidden states.</param>
    /// <returns>(n) float32.</returns>
    public Tensor Rewards(Tensor states) => functional.linear(states, Extra[RewardParameterLayout.HeadWeight], Extra[RewardParameterLayout.HeadBias]).view(-1);

    /// <summary>The rewards of a batch.</summary>
    /// <returns>(R) float32.</returns>
    public Tensor Rewards(RewardBatch batch)
    {
        using var scope = NewDisposeScope();
        return Rewards(Hidden(batch).index_select(0, batch.Last)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Network.Dispose();
        foreach (FlatParameters set in Added) set.Dispose();
    }
}
