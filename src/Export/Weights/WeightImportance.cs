using System.Globalization;

namespace MLNet.Gpt;

/// <summary>What each input channel of a matrix is worth when the matrix is quantized.</summary>
internal static class WeightImportance
{
    /// <summary>The layer normalisation whose output a matrix multiplies; null where it is another's, or nobody's.</summary>
    /// <param name="parameter">A matrix, or the token embedding, which multiplies as the output head.</param>
    /// <param name="config">The model's shape.</param>
    public static string? NormalizationBefore(GptParameterInfo parameter, GptConfig config)
    {
        bool preNorm = config.BlockForm == GptBlockForm.PreNorm;
        if (parameter.Role == GptParameterRole.TokenEmbedding) return preNorm ? "ln_f" : $"h.{config.LayerCount - 1}.ln_2";
        if (parameter.Role != GptParameterRole.Projection) return null;
        string[] parts = parameter.Name.Split('.'); // h, layer, attn or mlp, …
        int layer = int.Parse(parts[1], CultureInfo.InvariantCulture);
        if (parts[2] != "attn") return preNorm ? $"h.{layer}.ln_2" : $"h.{layer}.ln_1";
        return preNorm ? $"h.{layer}.ln_1" : layer == 0 ? null : $"h.{layer - 1}.ln_2";
    }

    /// <summary>Before gain and bias a normalised channel has the mean 0 and the variance 1, so that E[(g·u + b)²] = g² + b².</summary>
    public static float[] Of(float[] gain, float[] bias) => [.. gain.Select((g, i) => (g * g) + (bias[i] * bias[i]))];
}
