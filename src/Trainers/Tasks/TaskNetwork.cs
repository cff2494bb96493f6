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
    public TaskNetwork(GptNetwork network, ClassifierHead head, bool trainable)
    {
        Network = network;
        Head = head;
        Extra = new FlatParameters(ClassifierParameterLayout.Of(network.Config, head), network.TorchDevice, ScalarType.Float32, trainable);
    }

    /// <summary>The network.</summary>
    public GptNetwork Network { get; }

    /// <inheritdoc/>
    public ClassifierHead Head { get; }

    /// <summary>What the labels are.</summary>
    public TaskObjective Objective => TaskObjective.Of(Head.IsRegression);

    /// <inheritdoc/>
    public GptConfig Config => Network.Config;

    /// <summary>The head and the new tokens' embeddings, float32.</summary>
    public FlatParameters Extra { get; }

    /// <summary>A float32 copy without gradients, for use.</summary>
    public static TaskNetwork ForUse(IClassifierWeights weights, GptDevice device)
    {
        var copy = new TaskNetwork(GptNetwork.FromWeights(weights, device, GptPrecision.Float32, trainable: false), weights.Head, trainable: false);
        foreach (GptParameterInfo info in copy.Extra.Layout)
        {
            var values = new float[info.ElementCount];
            weights.Read(info.Name, values);
            copy.Extra.Write(info.Name, values);
        }

        return copy;
    }

    /// <summary>Draws the head and the new embeddings as the network's own were (N(0, 0.02), biases 0).</summary>
    public void Initialize(long seed) => GptInitializer.Initialize(Extra, Config, seed, residualScale: null);

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination)
    {
        if (Extra.Layout.Any(info => info.Name == name)) Extra.Read(name, destination);
        else Network.Read(name, destination);
    }

    /// <summary>The last hidden states of a batch.</summary>
    /// <returns>(R·T, C) float32.</returns>
    public Tensor Hidden(TaskBatch batch)
    {
        using var scope = NewDisposeScope();
        Tensor special = Extra[ClassifierParameterLayout.SpecialTokens];                                              // (3, C)
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
        Tensor x = Network.Training && dropout > 0 ? functional.dropout(states, dropout, training: true) : states;
        return functional.linear(x, Extra[ClassifierParameterLayout.HeadWeight], Extra[ClassifierParameterLayout.HeadBias]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Network.Dispose();
        Extra.Dispose();
    }
}
