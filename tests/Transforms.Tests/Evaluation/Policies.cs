using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Evaluation;

/// <summary>Policies whose distributions are known.</summary>
internal static class Policies
{
    /// <summary>A policy that ends with the probability 0.2 at each token, and writes "a" with the given share of the rest, else "b".</summary>
    public static GptModel Coin(double a) => new(CoinEngine(a), TestModels.Letters);

    /// <summary>Its engine.</summary>
    public static HistoryModel CoinEngine(double a)
    {
        GptTokenizer letters = TestModels.Letters;
        var logits = new float[letters.VocabularySize];
        Array.Fill(logits, -100f);
        logits[letters.EndOfTextId] = (float)Math.Log(0.2);
        logits[letters.Encode("a").Single()] = (float)Math.Log(0.8 * a);
        logits[letters.Encode("b").Single()] = (float)Math.Log(0.8 * (1 - a));
        return new(letters.VocabularySize, 64, _ => [.. logits]);
    }
}
