using System.Buffers.Binary;
using System.Reflection;
using System.Text;
using MLNet.Gpt.TorchNative;
using MLNet.Gpt.Trainers.Tests.Fuzzing;

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

    [TestMethod]
    public void An_offset_beyond_all_bounds_and_a_count_without_end_are_refused()
    {
        byte[] far = Original(), many = Original();
        BinaryPrimitives.WriteUInt64LittleEndian(far.AsSpan(0x28), ulong.MaxValue);
        Assert.Contains("cut off", Assert.ThrowsExactly<MendRefusedException>(() => LibstdcxxMend.Apply(far, Debian12)).Message);
        BinaryPrimitives.WriteUInt32LittleEndian(many.AsSpan(Header(many, 0x6ffffffe) + 44), int.MaxValue);
        Assert.Contains("versions of 2147483647 libraries", Assert.ThrowsExactly<MendRefusedException>(() => LibstdcxxMend.Apply(many, Debian12)).Message);
    }

    // The file's header, the headers of its sections, and the versions that it needs: what the mend goes by.
    [TestMethod]
    [TestCategory("Fuzz")]
    public void A_thousand_damaged_libraries_are_mended_or_refused_and_then_left_as_they_were()
    {
        byte[] original = Original();
        int sections = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(original.AsSpan(0x28))), size = 64 * BinaryPrimitives.ReadUInt16LittleEndian(original.AsSpan(0x3c));
        int needs = Header(original, 0x6ffffffe);
        (int Start, int Length)[] parts =
        [
            (0, 64), (sections, size),
            (checked((int)BinaryPrimitives.ReadUInt64LittleEndian(original.AsSpan(needs + 24))), checked((int)BinaryPrimitives.ReadUInt64LittleEndian(original.AsSpan(needs + 32)))),
        ];
        int refused = 0;
        for (int n = 0; n < 1_000; n++)
        {
            var random = new Random(5 + (31 * n));
            (int start, int length) = parts[n % parts.Length];
            byte[] library = Mutations.Within(original, random, start, length, Mutations.Bytes), before = [.. library];
            try
            {
                LibstdcxxMend.Apply(library, Debian12);
            }
            catch (MendRefusedException)
            {
                refused++;
                Assert.IsTrue(library.AsSpan().SequenceEqual(before), $"input {n}: a refused library was changed");
            }
        }

        Assert.IsGreaterThan(100, refused);
    }

    /// <summary>Where the header of a section of a type lies.</summary>
    private static int Header(byte[] library, uint type)
    {
        int at = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(library.AsSpan(0x28)));
        while (BinaryPrimitives.ReadUInt32LittleEndian(library.AsSpan(at + 4)) != type) at += 64;
        return at;
    }
}
