namespace MLNet.Gpt.Core.Tests.Engine;

/// <summary>What an engine's <see cref="IForkableDecoder"/> owes: after every change of its state it computes what a decoder that has seen each row's tokens alone computes.</summary>
internal static class DecoderStates
{
    /// <summary>Checks an engine.</summary>
    /// <param name="model">A model of 16 or more positions and 8 or more tokens.</param>
    /// <param name="other">Another model of the same engine.</param>
    public static void Check(ICausalModel model, ICausalModel other)
    {
        // Rows of five and of three tokens, and one of seven.
        int[] five = [1, 2, 3, 4, 5], three = [6, 7, 1], seven = [7, 6, 5, 4, 3, 2, 1];

        // 1. A copy goes on independently, with room of its own.
        using var two = (IForkableDecoder)model.BeginDecoding(2, 12);
        Append(model, two, [.. five, 0, 0, .. three], [1, 1, 1, 1, 1, 0, 0, 1, 1, 1]);
        using (IForkableDecoder copy = two.Fork(14))
        {
            Assert.AreEqual((2, 5, 14), (copy.RowCount, copy.Length, copy.Capacity));
            Same(model, copy, [[.. five, 2], [.. three, 3]]);
            Same(model, two, [[.. five, 4], [.. three, 5]]);
            Same(model, copy, [[.. five, 2, 6], [.. three, 3, 7]]);
            Same(model, two, [[.. five, 4, 1], [.. three, 5, 1]]);
        }

        // 2. What is cut off has never been.
        Assert.AreEqual(7, two.Length);
        two.Truncate(5);
        Same(model, two, [[.. five, 7], [.. three, 6]]);
        two.Truncate(5);

        // 3. Rows join, the longer ones and the shorter ones, into less room and into more.
        using var one = (IForkableDecoder)model.BeginDecoding(1, 12);
        Append(model, one, seven, default);
        two.Join(one);
        Assert.AreEqual((3, 7), (two.RowCount, two.Length));
        Assert.ThrowsExactly<ObjectDisposedException>(() => Append(model, one, [1], default));
        Same(model, two, [[.. five, 1], [.. three, 2], [.. seven, 3]]);
        var late = (IForkableDecoder)model.BeginDecoding(1, 9);
        Append(model, late, [4, 2], default);
        two.Join(late);
        Same(model, two, [[.. five, 1, 2], [.. three, 2, 3], [.. seven, 3, 4], [4, 2, 5]]);

        // 4. Rows leave, and with them the places that only they used; others come into the room.
        two.SelectRows([1, 3]);
        two.Compact();
        Assert.AreEqual((2, 5, 12), (two.RowCount, two.Length, two.Capacity));
        Same(model, two, [[.. three, 2, 3, 6], [4, 2, 5, 7]]);
        var last = (IForkableDecoder)model.BeginDecoding(2, 12);
        Append(model, last, [.. five, .. seven[..5]], default);
        two.Join(last);
        Same(model, two, [[.. three, 2, 3, 6, 1], [4, 2, 5, 7, 2], [.. five, 3], [.. seven[..5], 4]]);
        two.SelectRows([3, 0, 0]);
        two.Truncate(6);
        Same(model, two, [[.. seven[..5], 1], [.. three, 2, 3, 6, 7], [.. three, 2, 3, 6, 5]], lengthBefore: 6);
        int before = two.Length;
        two.Compact();
        Assert.AreEqual(before, two.Length, "no place is padding in every row");

        // 5. Rows without a token join others, and are joined.
        using IForkableDecoder begun = two.Fork(12);
        begun.SelectRows([0]);
        begun.Join((IForkableDecoder)model.BeginDecoding(1, 12));
        Same(model, begun, [[.. seven[..5], 1, 2], [3]]);
        using var empty = (IForkableDecoder)model.BeginDecoding(2, 12);
        empty.Join(begun);
        Same(model, empty, [[4], [5], [.. seven[..5], 1, 2, 6], [3, 7]]);

        // 6. What can't be is refused, and changes nothing.
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => two.Fork(before - 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => two.Truncate(0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => two.Truncate(before + 1));
        Assert.ThrowsExactly<ArgumentException>(() => two.Join(two));
        using var stranger = (IForkableDecoder)other.BeginDecoding(1, 12);
        Append(other, stranger, [1], default);
        Assert.ThrowsExactly<ArgumentException>(() => two.Join(stranger));
        using var longer = (IForkableDecoder)model.BeginDecoding(1, 14);
        Append(model, longer, [.. seven, .. seven[..6]], default);
        Assert.ThrowsExactly<ArgumentException>(() => two.Join(longer));
        Same(model, two, [[.. seven[..5], 1, 1], [.. three, 2, 3, 6, 7, 2], [.. three, 2, 3, 6, 5, 3]]);
    }

    /// <summary>Appends each row's last token and compares with each row alone.</summary>
    private static void Same(ICausalModel model, IForkableDecoder decoder, int[][] rows, int? lengthBefore = null)
    {
        if (lengthBefore is { } length) Assert.AreEqual(length, decoder.Length);
        int vocabulary = model.Config.VocabularySize;
        float[] found = Append(model, decoder, [.. rows.Select(static row => row[^1])], default);
        for (int i = 0; i < rows.Length; i++)
        {
            using ICausalDecoder alone = model.BeginDecoding(1, rows[i].Length);
            float[] expected = Append(model, alone, rows[i], default);
            for (int v = 0; v < vocabulary; v++)
                Assert.AreEqual(expected[v], found[(i * vocabulary) + v], 1e-4f, $"row {i} [{string.Join(", ", rows[i])}], token {v}");
        }
    }

    private static float[] Append(ICausalModel model, ICausalDecoder decoder, int[] tokens, byte[]? mask)
    {
        float[] logits = new float[decoder.RowCount * model.Config.VocabularySize];
        decoder.Append(tokens, mask, LogitsScope.LastPosition, logits);
        return logits;
    }
}
