namespace MLNet.Gpt;

/// <summary>How ONNX Runtime computes a model.</summary>
public sealed record OnnxEngineOptions
{
    private static OnnxEngineOptions _default = new();

    /// <summary>
    /// What a model takes that is opened without options, above all by <c>mlContext.Model.Load</c>, which has none to pass: set it before. For the whole process; models that are open stay as they are. May be read and set from several
    /// threads.
    /// </summary>
    /// <exception cref="ArgumentNullException">It is set to null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public static OnnxEngineOptions Default
    {
        get => Volatile.Read(ref _default);
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            value.Validate();
            Volatile.Write(ref _default, value);
        }
    }

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
    /// Whether a CUDA GPU may round the factors of float32 products to TF32's ten bits. False (the default): results agree with a CPU's to
    /// about 1e-6; true is faster, to about 1e-3.
    /// </summary>
    public bool AllowTf32 { get; init; }

    /// <summary>
    /// The most bytes of a CUDA GPU's memory that the arena of a session may take, in which a model computes and its key/value cache lies; 1 or more. Null (the default): as much as there is. The weights, which lie beside the arena, and CUDA's
    /// own libraries come on top; so do the small sessions that rearrange a cache, each with an arena of its own under the same limit. A call that needs more is an <see cref="InferenceFailedException"/>. On the CPU, which takes none of a GPU's memory,
    /// it changes nothing.
    /// </summary>
    public long? CudaMemoryLimitBytes { get; init; }

    /// <summary>
    /// Whether the memory that a call computes in stays with the model for the next one. False (the default): on the CPU a call of more than 1,024 tokens, those of all its rows together, gives it back when it is over, for 2 to 6 % of its
    /// time; smaller ones keep it. True: the model keeps the most that a call has taken, 165 KB a token of GPT-2 124M in float32. A GPU's memory stays with the model either way.
    /// </summary>
    public bool KeepWorkingMemory { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Validate()
    {
        if (ThreadCount is < 1) throw new ArgumentOutOfRangeException(nameof(ThreadCount), ThreadCount, $"{nameof(ThreadCount)} is {ThreadCount}; it must be 1 or more, or null for one for each physical core.");
        if (CudaMemoryLimitBytes is < 1) throw new ArgumentOutOfRangeException(nameof(CudaMemoryLimitBytes), CudaMemoryLimitBytes, $"{nameof(CudaMemoryLimitBytes)} is {CudaMemoryLimitBytes}; it must be 1 or more, or null for no limit.");
    }
}
