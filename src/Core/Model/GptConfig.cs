using System.Globalization;

namespace MLNet.Gpt;

/// <summary>The shape of a GPT: everything that decides which parameters exist and how they are used.</summary>
/// <remarks>
/// Immutable; may be shared between threads. Change a copy with <c>with</c>:
/// <c>GptConfig.Gpt2Small with { ContextLength = 256 }</c>. <see cref="Validate"/> runs wherever a configuration is used.
/// </remarks>
public sealed record GptConfig
{
    /// <summary>V: the number of token ids, 2 or more. Default 50,257, GPT-2's. 50,304 (padded to a multiple of 64) is faster on a GPU.</summary>
    public int VocabularySize { get; init; } = 50_257;

    /// <summary>T: the most positions that a forward pass may have, 1 or more. Default 1,024, GPT-2's.</summary>
    public int ContextLength { get; init; } = 1_024;

    /// <summary>C: the width of the residual stream; a multiple of <see cref="HeadCount"/>. Default 768.</summary>
    public int EmbeddingSize { get; init; } = 768;

    /// <summary>L: the number of Transformer blocks, 1 or more. Default 12.</summary>
    public int LayerCount { get; init; } = 12;

    /// <summary>H: the number of attention heads; divides <see cref="EmbeddingSize"/>. Default 12.</summary>
    public int HeadCount { get; init; } = 12;

    /// <summary>The width of the feed-forward layer; null (the default) means 4·C, as in every GPT paper.</summary>
    public int? FeedForwardSize { get; init; }

    /// <summary>Pre-norm (GPT-2, GPT-3) or post-norm (GPT-1).</summary>
    public GptBlockForm BlockForm { get; init; } = GptBlockForm.PreNorm;

    /// <summary>Dense, or GPT-3's alternating dense and locally banded pattern.</summary>
    public GptAttentionPattern AttentionPattern { get; init; } = GptAttentionPattern.Dense;

    /// <summary>
    /// The positions that a banded layer sees, itself included, 1 or more. Read only with
    /// <see cref="GptAttentionPattern.AlternatingDenseAndBanded"/>. Default 256; the GPT-3 paper does not print its width.
    /// </summary>
    public int AttentionBandWidth { get; init; } = 256;

    /// <summary>The dropout after the embedding sum that the model was trained with, in [0, 1), as config.json says it; 0 (the default) for none. Nothing computes with it: dropout is an option of a training run.</summary>
    public float EmbeddingDropout { get; init; }

    /// <summary>The dropout on the attention weights that the model was trained with, as <see cref="EmbeddingDropout"/>.</summary>
    public float AttentionDropout { get; init; }

    /// <summary>The dropout before each residual sum that the model was trained with, as <see cref="EmbeddingDropout"/>.</summary>
    public float ResidualDropout { get; init; }

    /// <summary>The ε of layer normalisation, above 0. Default 1e-5.</summary>
    public float LayerNormEpsilon { get; init; } = 1e-5f;

    /// <summary>
    /// The standard deviation of the initial weights, above 0. Default 0.02 (Radford et al. 2018, section 4.1). The projections
    /// into the residual stream of a pre-norm model start at this over √(2L) (Radford et al. 2019, section 2.3).
    /// </summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>D: the width of one head, C / H (0 where H is not valid, so that any configuration can be printed).</summary>
    public int HeadSize => HeadCount < 1 ? 0 : EmbeddingSize / HeadCount;

    /// <summary>The width of the feed-forward layer: <see cref="FeedForwardSize"/>, or 4·C.</summary>
    public int InnerSize => FeedForwardSize ?? 4 * EmbeddingSize;

    /// <summary>
    /// The number of trained parameters, the tied output head counted once:
    /// V·C + T·C + L·(4C² + 2·C·F + 9C + F) (+ 2C for the final LayerNorm of a pre-norm model), F the feed-forward width.
    /// </summary>
    public long ParameterCount
    {
        get
        {
            long c = EmbeddingSize, f = InnerSize;
            long perLayer = (4 * c * c) + (2 * c * f) + (9 * c) + f;
            long finalNorm = BlockForm == GptBlockForm.PreNorm ? 2 * c : 0;
            return (VocabularySize * c) + (ContextLength * c) + (LayerCount * perLayer) + finalNorm;
        }
    }

    /// <summary>
    /// Floating-point operations of one forward and backward pass for one token of a full context:
    /// 6·N + 12·L·C·T, N the parameters without the position table (Chowdhery et al. 2022, appendix B).
    /// </summary>
    public double FlopsPerToken => FlopsPerTokenAt(ContextLength);

    /// <summary><see cref="FlopsPerToken"/> for rows of another length.</summary>
    internal double FlopsPerTokenAt(int length) =>
        (6.0 * (ParameterCount - ((long)ContextLength * EmbeddingSize))) + (12.0 * LayerCount * EmbeddingSize * length);

    /// <summary>How many positions layer <paramref name="layer"/> sees, itself included; null where it sees all earlier ones.</summary>
    /// <param name="layer">The layer, 0 to L-1.</param>
    public int? BandWidthOfLayer(int layer) =>
        AttentionPattern == GptAttentionPattern.AlternatingDenseAndBanded && layer % 2 == 1 ? AttentionBandWidth : null;

    /// <summary>Checks every value and how they fit together.</summary>
    /// <returns>This configuration.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range; the message names it, its value and the remedy.</exception>
    public GptConfig Validate()
    {
        AtLeast(2, VocabularySize, nameof(VocabularySize));
        AtLeast(1, ContextLength, nameof(ContextLength));
        AtLeast(1, EmbeddingSize, nameof(EmbeddingSize));
        AtLeast(1, LayerCount, nameof(LayerCount));
        AtLeast(1, HeadCount, nameof(HeadCount));
        AtLeast(1, InnerSize, nameof(FeedForwardSize));
        AtLeast(1, AttentionBandWidth, nameof(AttentionBandWidth));
        Probability(EmbeddingDropout, nameof(EmbeddingDropout));
        Probability(AttentionDropout, nameof(AttentionDropout));
        Probability(ResidualDropout, nameof(ResidualDropout));
        Positive(LayerNormEpsilon, nameof(LayerNormEpsilon));
        Positive(InitializerRange, nameof(InitializerRange));
        if (EmbeddingSize % HeadCount != 0)
        {
            int below = EmbeddingSize / HeadCount * HeadCount;
            int nearest = below == 0 || EmbeddingSize - below > below + HeadCount - EmbeddingSize ? below + HeadCount : below;
            int heads = Math.Min(HeadCount, EmbeddingSize);
            while (EmbeddingSize % heads != 0) heads--;
            throw new ArgumentOutOfRangeException(nameof(EmbeddingSize), EmbeddingSize, string.Create(CultureInfo.InvariantCulture,
                $"Embedding size {EmbeddingSize} isn't divisible by {HeadCount} heads; choose {nearest}, or {heads} heads of {EmbeddingSize / heads}."));
        }

        return this;

        static void AtLeast(int minimum, int value, string name)
        {
            if (value < minimum) throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be {minimum} or more.");
        }

        static void Probability(float value, string name)
        {
            if (!(value >= 0 && value < 1)) throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} is {value}; it must be at least 0 and below 1 (0 switches it off)."));
        }

        static void Positive(float value, string name)
        {
            if (!(value > 0 && float.IsFinite(value))) throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} is {value}; it must be above 0 and finite."));
        }
    }

    // Sizes: Radford et al. 2018, section 4.1; Radford et al. 2019, table 2 (parameter counts as released);
    // Brown et al. 2020, table 2.1.

    /// <summary>GPT-1: 12 layers of 768, post-norm, context 512, vocabulary 40,478; 116,534,784 parameters.</summary>
    public static GptConfig Gpt1 { get; } = new GptConfig { VocabularySize = 40_478, ContextLength = 512, BlockForm = GptBlockForm.PostNorm, EmbeddingDropout = 0.1f, AttentionDropout = 0.1f, ResidualDropout = 0.1f };

    /// <summary>GPT-2 small: 12 layers of 768; 124,439,808 parameters.</summary>
    public static GptConfig Gpt2Small { get; } = Gpt2(12, 768, 12);

    /// <summary>GPT-2 medium: 24 layers of 1,024; 354,823,168 parameters.</summary>
    public static GptConfig Gpt2Medium { get; } = Gpt2(24, 1_024, 16);

    /// <summary>GPT-2 large: 36 layers of 1,280; 774,030,080 parameters.</summary>
    public static GptConfig Gpt2Large { get; } = Gpt2(36, 1_280, 20);

    /// <summary>GPT-2 XL: 48 layers of 1,600; 1,557,611,200 parameters.</summary>
    public static GptConfig Gpt2Xl { get; } = Gpt2(48, 1_600, 25);

    /// <summary>GPT-3 Small: 12 layers of 768, 12 heads of 64, context 2,048.</summary>
    public static GptConfig Gpt3Small { get; } = Gpt3(12, 768, 12);

    /// <summary>GPT-3 Medium (350M): 24 layers of 1,024, 16 heads of 64.</summary>
    public static GptConfig Gpt3Medium { get; } = Gpt3(24, 1_024, 16);

    /// <summary>GPT-3 Large (760M): 24 layers of 1,536, 16 heads of 96.</summary>
    public static GptConfig Gpt3Large { get; } = Gpt3(24, 1_536, 16);

    /// <summary>GPT-3 XL (1.3B): 24 layers of 2,048, 16 heads of 128 (the table prints 24 heads, which do not divide 2,048 into 128s).</summary>
    public static GptConfig Gpt3Xl { get; } = Gpt3(24, 2_048, 16);

    /// <summary>GPT-3 2.7B: 32 layers of 2,560, 32 heads of 80.</summary>
    public static GptConfig Gpt3_2_7B { get; } = Gpt3(32, 2_560, 32);

    /// <summary>GPT-3 6.7B: 32 layers of 4,096, 32 heads of 128.</summary>
    public static GptConfig Gpt3_6_7B { get; } = Gpt3(32, 4_096, 32);

    /// <summary>GPT-3 13B: 40 layers of 5,120, 40 heads of 128 (the table prints 5,140, which 40 heads of 128 do not make).</summary>
    public static GptConfig Gpt3_13B { get; } = Gpt3(40, 5_120, 40);

    /// <summary>GPT-3 175B: 96 layers of 12,288, 96 heads of 128.</summary>
    public static GptConfig Gpt3_175B { get; } = Gpt3(96, 12_288, 96);

    private static GptConfig Gpt2(int layers, int width, int heads) =>
        new() { LayerCount = layers, EmbeddingSize = width, HeadCount = heads, EmbeddingDropout = 0.1f, AttentionDropout = 0.1f, ResidualDropout = 0.1f };

    private static GptConfig Gpt3(int layers, int width, int heads) => new()
    {
        LayerCount = layers,
        EmbeddingSize = width,
        HeadCount = heads,
        ContextLength = 2_048,
        AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded,
    };
}
