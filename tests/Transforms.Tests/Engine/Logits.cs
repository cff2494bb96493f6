namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>Short forms for tests of decoders.</summary>
internal static class Logits
{
    /// <summary>Appends and returns (B, V) or (B, n, V) logits.</summary>
    public static float[] Of(ICausalModel model, ICausalDecoder decoder, ReadOnlySpan<int> ids, ReadOnlySpan<byte> mask = default, LogitsScope scope = LogitsScope.LastPosition)
    {
        int positions = scope == LogitsScope.AllPositions ? ids.Length : decoder.RowCount;
        float[] logits = new float[positions * model.Config.VocabularySize];
        decoder.Append(ids, mask, scope, logits);
        return logits;
    }

    /// <summary>Logits of every position of one sequence, computed at once.</summary>
    public static float[] OfSequence(ICausalModel model, ReadOnlySpan<int> ids)
    {
        using ICausalDecoder decoder = model.BeginDecoding(1, ids.Length);
        return Of(model, decoder, ids, scope: LogitsScope.AllPositions);
    }

    /// <summary>
    /// Fails where two sets of logits differ by more than a fraction of the largest. The default, 2e-6, is some sixteen float32 roundings
    /// (2^-24) of a handful of layers; a wrong mask, position or row changes logits by more than 1e-2.
    /// </summary>
    public static void AreClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, float tolerance = 2e-6f)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        float largest = 0, difference = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            Assert.IsTrue(float.IsFinite(actual[i]), $"Logit {i} is {actual[i]}.");
            difference = Math.Max(difference, Math.Abs(expected[i] - actual[i]));
        }

        Assert.IsLessThanOrEqualTo(tolerance * largest, difference, $"The largest difference is {difference}, the largest logit {largest}.");
    }

    /// <summary>The largest logit's token.</summary>
    public static int Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }

        return best;
    }

    /// <summary>Rows of unequal length as one batch, padded on the left with a valid id.</summary>
    public static (int[] Ids, byte[] Mask) PadLeft(IReadOnlyList<int[]> rows)
    {
        int longest = rows.Max(static row => row.Length);
        int[] ids = new int[rows.Count * longest];
        byte[] mask = new byte[ids.Length];
        Array.Fill(ids, 1);
        for (int row = 0; row < rows.Count; row++)
        {
            int first = ((row + 1) * longest) - rows[row].Length;
            rows[row].CopyTo(ids, first);
            mask.AsSpan(first, rows[row].Length).Fill(1);
        }

        return (ids, mask);
    }
}
