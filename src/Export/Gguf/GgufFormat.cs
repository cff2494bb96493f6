namespace MLNet.Gpt;

/// <summary>The numbers that a GGUF file keeps a model's matrices in; everything else stays float32.</summary>
public enum GgufFormat
{
    /// <summary>32 bits: the trained weights, unchanged. The default.</summary>
    Float32,

    /// <summary>16 bits, 11 of them significant.</summary>
    Float16,

    /// <summary>8 bits and a float16 scale for each 32 numbers: 8.5 bits a number.</summary>
    Q8_0,

    /// <summary>4 bits and a float16 scale for each 32 numbers: 4.5 bits a number.</summary>
    Q4_0,
}
