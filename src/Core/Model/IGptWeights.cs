namespace MLNet.Gpt;

/// <summary>The weights of a GPT, wherever they lie: a checkpoint folder, or a network in memory.</summary>
/// <remarks>May be read from one thread at a time.</remarks>
public interface IGptWeights
{
    /// <summary>The shape of the model that the weights belong to.</summary>
    GptConfig Config { get; }

    /// <summary>Copies one parameter as float32, row-major.</summary>
    /// <param name="name">A name of <see cref="GptParameterLayout"/>.</param>
    /// <param name="destination">Exactly as many elements as the parameter has.</param>
    /// <exception cref="ArgumentException">The name is unknown, or the destination's length is not the parameter's.</exception>
    void Read(string name, Span<float> destination);
}
