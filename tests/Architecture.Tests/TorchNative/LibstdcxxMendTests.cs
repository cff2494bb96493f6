using System.Reflection;
using System.Text;
using MLNet.Gpt.TorchNative;

namespace MLNet.Gpt.Architecture.Tests.TorchNative;

/// <summary>What the build does to its copy of TorchSharp's native library on systems with an older libstdc++, tried on the very library.</summary>
[TestClass]
public class LibstdcxxMendTests
{
    private static readonly string Package = typeof(LibstdcxxMendTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "TorchSharpPackage").Value!;
    private static readonly IReadOnlySet<string> Debian12 = new HashSet<string> { "GLIBCXX_3.4.29", "GLIBCXX_3.4.30" };
    private static readonly IReadOnlySet<string> Ubuntu24 = new HashSet<string> { "GLIBCXX_3.4.30", "GLIBCXX_3.4.32", "GLIBCXX_3.4.33" };

    private static byte[] Original() => File.ReadAllBytes(Path.Combine(Package, "runtimes", "linux-x64", "native", "libLibTorchSharp.so"));

    [TestMethod]
    public void A_library_that_the_system_can_load_stays_byte_for_byte()
    {
        byte[] library = Original();
        Assert.IsFalse(LibstdcxxMend.Apply(library, Ubuntu24));
        CollectionAssert.AreEqual(Original(), library);
    }

    // The two names' offsets, the two version indices, and the flag: nothing else, and nothing moves.
    [TestMethod]
    public void The_mend_changes_the_symbol_its_version_and_one_flag()
    {
        byte[] library = Original(), original = Original();
        Assert.IsTrue(LibstdcxxMend.Apply(library, Debian12));
        Assert.HasCount(original.Length, library);
        int changed = library.Zip(original).Count(pair => pair.First != pair.Second);
        Assert.IsInRange(3, 7, changed, $"{changed} bytes differ");
    }

    [TestMethod]
    public void A_mended_library_needs_no_second_mend()
    {
        byte[] library = Original();
        LibstdcxxMend.Apply(library, Debian12);
        MendRefusedException e = Assert.ThrowsExactly<MendRefusedException>(() => LibstdcxxMend.Apply(library, Debian12));
        Assert.Contains("no symbol of it is found", e.Message);
    }

    // The symbol's own name in .dynstr is spelled otherwise, as if the library called another function of that version.
    [TestMethod]
    public void Another_symbol_of_that_version_is_refused_by_its_name()
    {
        byte[] library = Original();
        int name = library.AsSpan().IndexOf(Encoding.ASCII.GetBytes("_ZSt21ios_base_library_initv\0"));
        Assert.IsGreaterThan(0, name);
        library[name + 7] = (byte)'X';
        byte[] before = [.. library];
        MendRefusedException e = Assert.ThrowsExactly<MendRefusedException>(() => LibstdcxxMend.Apply(library, Debian12));
        Assert.Contains("_ZSt21iXs_base_library_initv", e.Message);
        CollectionAssert.AreEqual(before, library, "A refused library was changed.");
    }

    [TestMethod]
    public void What_is_no_library_or_a_torn_one_is_refused()
    {
        Assert.Contains("ELF", Assert.ThrowsExactly<MendRefusedException>(() => LibstdcxxMend.Apply(new byte[200], Debian12)).Message);
        byte[] torn = Original()[..200_000];
        Assert.Contains("cut off", Assert.ThrowsExactly<MendRefusedException>(() => LibstdcxxMend.Apply(torn, Debian12)).Message);
    }
}
