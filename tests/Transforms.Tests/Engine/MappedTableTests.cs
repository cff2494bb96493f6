using System.Globalization;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>The token embedding, mapped beside the copy of it that the output head multiplies by.</summary>
[TestClass]
public sealed class MappedTableTests
{
    // 8 MB of token embedding, and little else.
    private static readonly GptConfig Wide = new() { VocabularySize = 32_000, ContextLength = 16, EmbeddingSize = 64, LayerCount = 1, HeadCount = 2 };

    [TestMethod]
    public void A_loaded_model_has_given_back_the_pages_of_its_token_embedding_looks_tokens_up_in_it_and_unmaps_it_when_it_is_disposed()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Mappings are read from /proc, which only Linux has.");
        using TestPackage package = TestPackage.WithDataFile(Wide), inside = TestPackage.Of(Wide);
        string path = package[OnnxPackageLayout.DataFile];
        using (OnnxCausalModel model = package.Load(), other = inside.Load())
        {
            Assert.IsLessThan(2_000, ResidentKilobytes(path), "of 8,000");
            int[] ids = [0, 31_999, 12_345];
            Logits.AreClose(Logits.OfSequence(other, ids), Logits.OfSequence(model, ids));
        }

        Assert.DoesNotContain(path, File.ReadAllText("/proc/self/maps"));
    }

    [TestMethod]
    public void A_package_that_can_not_be_opened_leaves_nothing_mapped()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Mappings are read from /proc, which only Linux has.");
        using TestPackage package = TestPackage.WithDataFile(Wide);
        package.Replace(OnnxPackageLayout.ModelFile, "FastGelu"u8, "SlowGelu"u8);
        Assert.ThrowsExactly<CorruptFileException>(package.Load);
        Assert.DoesNotContain(package[OnnxPackageLayout.DataFile], File.ReadAllText("/proc/self/maps"));
    }

    [TestMethod]
    public void The_session_of_several_heads_closes_with_the_last_of_them()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Mappings are read from /proc, which only Linux has.");
        using var folder = new TemporaryFolder();
        string path = new HeadedPackage(options: new() { ExternalDataThresholdBytes = 0 }).Write(folder), file = Path.Combine(path, OnnxPackageLayout.DataFile);
        GptModel model = GptModel.FromOnnx(path, GptDevice.Cpu);
        GptClassifier classifier = model.OpenClassifier("colour");
        GptRewardModel reward = model.OpenRewardModel("reward");
        model.Dispose();
        classifier.Dispose();
        Assert.Contains(file, File.ReadAllText("/proc/self/maps"));
        reward.Dispose();
        Assert.DoesNotContain(file, File.ReadAllText("/proc/self/maps"));
    }

    private static long ResidentKilobytes(string path)
    {
        long sum = 0;
        bool isOf = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.Length > 0 && char.IsAsciiHexDigitLower(line[0])) isOf = line.EndsWith(path, StringComparison.Ordinal);
            else if (isOf && line.StartsWith("Rss:", StringComparison.Ordinal)) sum += long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }

        return sum;
    }
}
