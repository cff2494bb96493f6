namespace MLNet.Gpt;

/// <summary>How ONNX Runtime computes a model.</summary>
public sealed record OnnxEngineOptions
{
    /// <summary>
    /// The threads that one call computes with on the CPU, 1 or more. Null (the default): one for each physical core that this process may
    /// use; a second thread on a core shares its arithmetic units and its cache, and gains a GPT nothing.
    /// </summary>
    public int? ThreadCount { get; init; }

    /// <summary>
    /// Whether threads that wait for work between two operators spin for up to 50 µs (the default) or sleep at once. Spinning takes 6 to
    /// 22 % off a token's time (GPT-2 124M in int8 and int4, two cores).
    /// </summary>
    public bool SpinWhileWaiting { get; init; } = true;

    /// <summary>
    /// Whether the memory that a call on the CPU computes in is kept for the next one (true, the default), or given back when the call is
    /// over. A long prompt or a large batch then leaves nothing behind, and each call takes longer.
    /// </summary>
    public bool KeepMemory { get; init; } = true;

    /// <summary>
    /// Whether a CUDA GPU may round the factors of float32 products to TF32's ten bits. False (the default): results agree with a CPU's to
    /// about 1e-6; true is faster, to about 1e-3.
    /// </summary>
    public bool AllowTf32 { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Validate()
    {
        if (ThreadCount is < 1) throw new ArgumentOutOfRangeException(nameof(ThreadCount), ThreadCount, $"{nameof(ThreadCount)} is {ThreadCount}; it must be 1 or more, or null for one for each physical core.");
    }
}
