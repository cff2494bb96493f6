namespace MLNet.Gpt;

/// <summary>The weights of a GPT, wherever they lie: a checkpoint folder, or a network in memory.</summary>
/// <remarks>May be read from one thread at a time.</remarks>
public interface IGptWeights
{
    /// <summary>The shape of the model that the weights belong to.</summary>
    GptConfig Config { get; }

    /// <summary>Copies one parameter as float32, row-major.</summary>
    /// <param name="name">
    /// Its name in a GPT-2 checkpoint without the prefix "transformer.", such as "wte.weight" or "h.0.attn.c_attn.weight", whatever the form of the model; docs/file-formats.md lists names and shapes.
    /// </param>
    /// <param name="destination">Exactly as many elements as the parameter has.</param>
    /// <exception cref="ArgumentException">The name is unknown, or the destination's length is not the parameter's.</exception>
    void Read(string name, Span<float> destination);
}
