namespace MLNet.Gpt;

/// <summary>Reads a model's weights into one buffer, one after the other.</summary>
internal sealed class WeightReader
{
    private readonly IGptWeights _weights;
    private readonly float[] _buffer;

    /// <param name="weights">Where the numbers come from.</param>
    /// <param name="parameters">What will be read.</param>
    /// <exception cref="ArgumentException">A weight has more elements than an array of .NET can hold.</exception>
    public WeightReader(IGptWeights weights, IEnumerable<GptParameterInfo> parameters)
    {
        _weights = weights;
        GptParameterInfo largest = parameters.MaxBy(static parameter => parameter.ElementCount)!;
        if (largest.ElementCount > Array.MaxLength)
            throw new ArgumentException($"'{largest.Name}' has {largest.ElementCount} elements; at most {Array.MaxLength} can be written.", nameof(parameters));
        _buffer = new float[largest.ElementCount];
    }

    /// <summary>Reads a weight.</summary>
    /// <returns>Its numbers, row-major, until the next one is read.</returns>
    public Memory<float> Read(GptParameterInfo parameter)
    {
        Memory<float> numbers = _buffer.AsMemory(0, (int)parameter.ElementCount);
        _weights.Read(parameter.Name, numbers.Span);
        return numbers;
    }

    /// <summary>Reads a small weight that is stored too, into an array of its own.</summary>
    public float[] Copy(GptParameterInfo parameter)
    {
        var numbers = new float[parameter.ElementCount];
        _weights.Read(parameter.Name, numbers);
        return numbers;
    }
}
