using System.Runtime.CompilerServices;

namespace MLNet.Gpt.Core.Tests.Storage;

[TestClass]
public sealed class MappedFileTests
{
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)] // which lists what a process has mapped
    public void A_corpus_that_nobody_disposed_is_unmapped_when_it_is_collected()
    {
        using var folder = new TemporaryFolder();
        Corpus.Build(["abc", "def"], GptTokenizer.FromCharacters(["abcdef"]), folder["corpus"], new() { ValidationFraction = 0 }).Dispose();
        Open(folder["corpus"]);
        for (int i = 0; i < 10 && Mapped(folder["corpus"]) > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.AreEqual(0, Mapped(folder["corpus"]));
    }

    [TestMethod]
    public void A_pin_keeps_the_bytes_of_a_file_that_is_disposed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["file"], [1, 2, 3, 4, 5, 6, 7, 8]);
        var file = MappedFile.Open(folder["file"]);
        using (MappedFile.Pin pin = file.PinDown())
        {
            file.Dispose();
            Assert.AreEqual(0x0403, pin.Span<ushort>(2, 1)[0]);
        }

        Assert.ThrowsExactly<ObjectDisposedException>(() => file.Bytes(0, 1));
    }

    // A frame of its own: nothing of it is left on the stack.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Open(string folder)
    {
        var corpus = Corpus.Open(folder);
        Assert.AreEqual(1, Mapped(folder), "it has the training file mapped");
        Assert.AreEqual(8, corpus.Train.TokenCount); // two times three letters and an end
    }

    private static int Mapped(string folder) => File.ReadLines("/proc/self/maps").Count(line => line.Contains(folder, StringComparison.Ordinal));
}
