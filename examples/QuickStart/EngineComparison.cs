using MLNet.Gpt;

namespace QuickStart;

/// <summary>Asks two engines the same question.</summary>
internal static class EngineComparison
{
    /// <summary>The largest difference between two models' logits at every position of a text.</summary>
    public static double LargestLogitDifference(GptModel first, GptModel second, string text)
    {
        int[] tokens = first.Tokenizer.Encode(text);
        float[] a = Logits(first, tokens), b = Logits(second, tokens);
        return a.Zip(b, static (x, y) => Math.Abs((double)x - y)).Max();
    }

    private static float[] Logits(GptModel model, int[] tokens)
    {
        var logits = new float[tokens.Length * model.Config.VocabularySize];
        using ICausalDecoder decoder = model.Engine.BeginDecoding(rowCount: 1, capacity: tokens.Length);
        decoder.Append(tokens, mask: [], LogitsScope.AllPositions, logits);
        return logits;
    }
}
