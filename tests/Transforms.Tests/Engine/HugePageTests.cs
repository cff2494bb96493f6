using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

[TestClass]
public sealed class HugePageTests
{
    // 8 rows of 2 heads of 1,024 positions of 32 numbers of 4 bytes: 2 MiB, one huge page, in each of two tensors.
    private const int Rows = 8, Capacity = 1_024;

    private static readonly GptConfig Small = new() { VocabularySize = 97, ContextLength = Capacity, EmbeddingSize = 64, LayerCount = 1, HeadCount = 2 };

    [TestMethod]
    public void A_prompt_that_fills_half_of_the_cache_has_it_in_huge_pages_and_a_shorter_one_does_not()
    {
        if (!Directory.Exists("/sys/kernel/mm/transparent_hugepage")) Assert.Inconclusive("This system has no transparent huge pages.");
        using TestPackage package = TestPackage.Of(Small);
        using OnnxCausalModel model = package.Load();
        using var cache = new SharedKeyValueCache(model, Rows, Capacity);
        var values = new OrtValue[2];
        cache.PlacePresent(Rows, (Capacity / 2) - 1, values);
        Assert.IsFalse(values.Any(IsInHugePages), "Two thirds of the memory, or more, would be in use for nothing.");
        cache.PlacePresent(Rows, Capacity / 2, values);
        Assert.IsTrue(values.All(IsInHugePages));
    }

    [TestMethod]
    public void What_another_cache_holds_is_copied_into_huge_pages_too()
    {
        if (!Directory.Exists("/sys/kernel/mm/transparent_hugepage")) Assert.Inconclusive("This system has no transparent huge pages.");
        using TestPackage package = TestPackage.Of(Small);
        using OnnxCausalModel model = package.Load();
        using SharedKeyValueCache source = new(model, Rows, Capacity), forked = new(model, Rows, Capacity), read = new(model, Rows, Capacity), joined = new(model, Rows, Capacity);
        source.Fill(Rows, Capacity - 1);
        forked.CopyFrom(source, Rows);
        read.Fill(Rows, Capacity / 2);
        joined.Join(source, Rows, Rows);
        var values = new OrtValue[2];
        foreach (SharedKeyValueCache cache in (SharedKeyValueCache[])[forked, read, joined])
        {
            cache.PlacePast(values);
            Assert.IsTrue(values.All(IsInHugePages));
        }
    }

    /// <summary>Whether huge pages have been asked for at the address of a tensor.</summary>
    private static unsafe bool IsInHugePages(OrtValue tensor)
    {
        ulong address = (ulong)(nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.GetTensorMutableRawData()));
        bool isHere = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string first = line.Split(' ')[0];
            if (first.Split('-') is [var from, var to] && ulong.TryParse(from, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong start))
                isHere = address >= start && address < ulong.Parse(to, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            else if (isHere && first == "VmFlags:")
                return line.Split(' ').Contains("hg");
        }

        throw new InvalidOperationException("The tensor lies in no mapping.");
    }
}
