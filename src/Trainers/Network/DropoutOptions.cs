using System.Globalization;

namespace MLNet.Gpt;

/// <summary>The probabilities with which training sets numbers inside the network to 0 (Srivastava et al. 2014).</summary>
/// <remarks>Immutable. A matter of the training, not of the model: a trained model computes without dropout.</remarks>
public sealed record DropoutOptions
{
    /// <summary>No dropout.</summary>
    public static DropoutOptions None { get; } = new();

    /// <summary>After the sum of token and position embedding, in [0, 1). 0 (the default) switches it off.</summary>
    public float Embedding { get; init; }

    /// <summary>On the attention weights, in [0, 1). 0 (the default) switches it off; then attention has a fused kernel, which on a CPU is many times faster.</summary>
    public float Attention { get; init; }

    /// <summary>Before each residual sum, in [0, 1). 0 (the default) switches it off.</summary>
    public float Residual { get; init; }

    /// <summary>The same probability in all three places, as GPT-1 (0.1; Radford et al. 2018, section 4.1).</summary>
    /// <param name="probability">In [0, 1).</param>
    public static DropoutOptions Everywhere(float probability) => new() { Embedding = probability, Attention = probability, Residual = probability };

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public DropoutOptions Validate()
    {
        Check(Embedding, nameof(Embedding));
        Check(Attention, nameof(Attention));
        Check(Residual, nameof(Residual));
        return this;

        static void Check(float value, string name) => OptionCheck.Require(value is >= 0 and < 1, value, $"Dropout.{name}", "at least 0 and below 1 (0 switches it off)");
    }

    /// <summary>A model's configuration that says it was trained with these.</summary>
    internal GptConfig RecordIn(GptConfig config) => config with { EmbeddingDropout = Embedding, AttentionDropout = Attention, ResidualDropout = Residual };

    /// <summary>The three probabilities.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"embedding {Embedding}, attention {Attention}, residual {Residual}");
}
