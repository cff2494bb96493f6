using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace MLNet.Gpt;

/// <summary>
/// A GPT with a task head (Radford et al. 2018, section 3.2): the embeddings of Start, Delimiter and Extract beside the token embedding, and a linear map of the last
/// hidden state at the Extract token. C: channels; K: outputs; the other symbols as for <see cref="TaskBatch"/>.
/// </summary>
internal sealed class TaskNetwork : IClassifierWeights, IDisposable
{
    /// <summary>Joins a network and the head's parameters.</summary>
    /// <param name="network">The network, which goes with this one.</param>
    /// <param name="head">The head.</param>
    /// <param name="trainable">Whether the head's parameters have gradients.</param>
    /// <param name="frozenTokens">Whether the new tokens' embeddings have none all the same.</param>
    public TaskNetwork(GptNetwork network, ClassifierHead head, bool trainable, bool frozenTokens = false)
    {
        Network = network;
        Head = head;
        (Extra, FrozenTokens) = FlatParameters.OfHead(ClassifierParameterLayout.Of(network.Config, head), network.TorchDevice, trainable, frozenTokens);
    }

    /// <summary>The network.</summary>
    public GptNetwork Network { get; }

    /// <inheritdoc/>
    public ClassifierHead Head { get; }

    /// <summary>What the labels are.</summary>
    public TaskObjective Objective => TaskObjective.Of(Head.IsRegression);

    /// <inheritdoc/>
    public GptConfig Config => Network.Config;

    /// <summary>The head and the new tokens' embeddings, float32; without these where they are frozen.</summary>
    public FlatParameters Extra { get; }

    /// <summary>The new tokens' embeddings where they are frozen beside a trained head; else null.</summary>
    public FlatParameters? FrozenTokens { get; }

    /// <summary>All that is added to the network.</summary>
    public IReadOnlyList<FlatParameters> Added => FrozenTokens is null ? [Extra] : [FrozenTokens, Extra];

    /// <summary>A float32 copy without gradients, for use. Frozen weights are shared where they are in float32.</summary>
    public static TaskNetwork ForUse(TaskNetwork trained)
    {
        return Owned.Into(GptNetwork.Frozen(trained.Network, trained.Network.Device, GptPrecision.Float32), network =>
            Owned.Into(new TaskNetwork(network, trained.Head, trainable: false), copy =>
            {
                foreach (GptParameterInfo info in copy.Extra.Layout)
                {
                    var values = new float[info.ElementCount];
                    trained.Read(info.Name, values);
                    copy.Extra.Write(info.Name, values);
                }

                return copy;
            }));
    }

    /// <summary>Draws the head and the new embeddings as the network's own were (N(0, 0.02), biases 0).</summary>
    public void Initialize(long seed)
    {
        GptInitializer.Initialize(Extra, Config, seed, residualScale: null);
        if (FrozenTokens is not null) GptInitializer.Initialize(FrozenTokens, Config, seed + 2, residualScale: null);
    }

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination)
    {
        if (Added.FirstOrDefault(set => set.Layout.Any(info => info.Name == name)) is { } set) set.Read(name, destination);
        else Network.Read(name, destination);
    }

    /// <summary>The last hidden states of a batch: with an autograd graph where something before them is trained.</summary>
    /// <returns>(R·T, C) float32.</returns>
    public Tensor Hidden(TaskBatch batch)
    {
        using var scope = NewDisposeScope();
        using IDisposable? noGradient = Network.IsTrained || !Extra.IsHeadAlone ? null : no_grad();
        Tensor special = (FrozenTokens ?? Extra)[ClassifierParameterLayout.SpecialTokens];                            // (3, C)
        Tensor table = batch.WordCount == 0 ? special : cat([Network.EmbeddingOf(batch.Words), special], 0);          // (n + 3, C)
        Tensor x = table.index_select(0, batch.Places);                                                               // (R·T, C)
        return Network.HiddenOf(x, batch.RowCount, batch.Width).MoveToOuterDisposeScope();
    }

    /// <summary>What the head reads.</summary>
    /// <param name="hidden">(R·T, C).</param>
    /// <param name="batch">Where the Extract tokens stand.</param>
    /// <returns>(R / S, C): the hidden states at the Extract tokens, those of S rows that belong together summed.</returns>
    public Tensor States(Tensor hidden, TaskBatch batch)
    {
        Tensor states = hidden.index_select(0, batch.Extracts);                                                       // (R, C)
        int group = Head.SequencesPerOutput;
        return group == 1 ? states : states.view(-1, group, Config.EmbeddingSize).sum(1L);                            // (R/S, C)
    }

    /// <summary>The head.</summary>
    /// <param name="states">(R / S, C).</param>
    /// <param name="dropout">Before the linear map, in training.</param>
    /// <returns>(R / S, K) float32: logits, or numbers.</returns>
    public Tensor Outputs(Tensor states, double dropout)
    {
        Tensor x = Network.Training && dropout > 0 ? DropoutDraws.Draw(Network.TorchDevice, () => functional.dropout(states, dropout, training: true)) : states;
        return functional.linear(x, Extra[ClassifierParameterLayout.HeadWeight], Extra[ClassifierParameterLayout.HeadBias]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Network.Dispose();
        foreach (FlatParameters set in Added) set.Dispose();
    }
}
