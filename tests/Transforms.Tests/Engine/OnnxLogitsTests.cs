using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>Logits against numpy's, in float64, of tests/reference/gpt_reference.py.</summary>
[TestClass]
public sealed class OnnxLogitsTests
{
    public static IEnumerable<object[]> Names => [["pre-norm"], ["post-norm"], ["banded"], ["narrow"], ["one head"]];

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Every_position_has_the_logits_of_an_independent_implementation(string name)
    {
        ReferenceCase reference = ReferenceCase.Named(name);
        using TestPackage package = TestPackage.Of(reference.Config);
        using OnnxCausalModel model = package.Load();
        foreach (ReferenceRow row in reference.Rows) Logits.AreClose(row.Logits, Logits.OfSequence(model, row.Ids));
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void A_batch_padded_on_the_left_has_the_logits_of_its_rows_alone(string name)
    {
        ReferenceCase reference = ReferenceCase.Named(name);
        int v = reference.Config.VocabularySize;
        (int[] ids, byte[] mask) = Logits.PadLeft([.. reference.Rows.Select(static row => row.Ids)]);
        int longest = ids.Length / reference.Rows.Count;
        using TestPackage package = TestPackage.Of(reference.Config);
        using OnnxCausalModel model = package.Load();
        using ICausalDecoder decoder = model.BeginDecoding(reference.Rows.Count, longest);
        float[] all = Logits.Of(model, decoder, ids, mask, LogitsScope.AllPositions);
        for (int row = 0; row < reference.Rows.Count; row++)
        {
            ReferenceRow expected = reference.Rows[row];
            int first = ((row + 1) * longest) - expected.Ids.Length;
            Logits.AreClose(expected.Logits, all.AsSpan(first * v, expected.Ids.Length * v));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Appending_in_pieces_with_the_cache_gives_the_logits_of_one_go(string name)
    {
        // 14 tokens as 5, 1, 7 and 1: past and new positions of every proportion.
        ReferenceCase reference = ReferenceCase.Named(name);
        ReferenceRow row = reference.Rows[0];
        int v = reference.Config.VocabularySize;
        using TestPackage package = TestPackage.Of(reference.Config);
        using OnnxCausalModel model = package.Load();
        using ICausalDecoder decoder = model.BeginDecoding(1, row.Ids.Length);
        int at = 0;
        foreach (int n in (ReadOnlySpan<int>)[5, 1, 7, 1])
        {
            float[] logits = Logits.Of(model, decoder, row.Ids.AsSpan(at, n), scope: LogitsScope.AllPositions);
            Logits.AreClose(row.Logits.AsSpan(at * v, n * v), logits);
            at += n;
        }

        Assert.AreEqual(14, decoder.Length);
    }

    [TestMethod]
    public void The_last_position_alone_has_the_logits_it_has_among_all()
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        ReferenceRow row = reference.Rows[0];
        using TestPackage package = TestPackage.Of(reference.Config);
        using OnnxCausalModel model = package.Load();
        using ICausalDecoder decoder = model.BeginDecoding(1, 14);
        Logits.AreClose(row.At(13), Logits.Of(model, decoder, row.Ids));
    }

    [TestMethod]
    public void Weights_beside_the_graph_give_the_same_logits()
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using TestPackage package = TestPackage.WithDataFile(reference.Config);
        Assert.IsTrue(File.Exists(package[OnnxPackageLayout.DataFile]));
        using OnnxCausalModel model = package.Load();
        Logits.AreClose(reference.Rows[0].Logits, Logits.OfSequence(model, reference.Rows[0].Ids));
    }

    [TestMethod]
    public void A_package_from_another_exporter_has_the_same_logits()
    {
        ReferenceCase reference = ReferenceCase.Named("foreign");
        (int[] ids, byte[] mask) = Logits.PadLeft([.. reference.Rows.Select(static row => row.Ids)]);
        int longest = ids.Length / reference.Rows.Count, v = reference.Config.VocabularySize;
        using TestPackage package = TestPackage.Foreign();
        using OnnxCausalModel model = package.Load();
        Assert.IsNull(model.TokenizerHash);
        Logits.AreClose(reference.Rows[0].Logits, Logits.OfSequence(model, reference.Rows[0].Ids));

        // Its graph computes the logits of all positions; the decoder takes the last ones.
        using ICausalDecoder decoder = model.BeginDecoding(3, longest + 1);
        float[] last = Logits.Of(model, decoder, ids, mask);
        for (int row = 0; row < 3; row++) Logits.AreClose(reference.Rows[row].At(reference.Rows[row].Ids.Length - 1), last.AsSpan(row * v, v));

        int[] next = [2, 3, 4];
        float[] after = Logits.Of(model, decoder, next);
        for (int row = 0; row < 3; row++)
        {
            float[] alone = Logits.OfSequence(model, [.. reference.Rows[row].Ids, next[row]]);
            Logits.AreClose(alone.AsSpan(alone.Length - v), after.AsSpan(row * v, v));
        }
    }
}
