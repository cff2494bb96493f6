using System.Buffers.Binary;
using System.Text;

namespace MLNet.Gpt.TorchNative;

/// <summary>
/// Lets a library that was linked against GCC 13's libstdc++ load where an older one is. Such a library refers to version GLIBCXX_3.4.32 for one
/// symbol, <c>std::ios_base_library_init()</c>, whose body is empty. The reference becomes one to a function that the library imports anyway, that
/// takes nothing and changes nothing (<c>steady_clock::now()</c>), and the version is marked weak: four bytes, in place.
/// </summary>
public static class LibstdcxxMend
{
    /// <summary>The version that is done without.</summary>
    public const string Version = "GLIBCXX_3.4.32";

    private const string Dispensable = "_ZSt21ios_base_library_initv";
    private const string Replacement = "_ZNSt6chrono3_V212steady_clock3nowEv";
    private const int SymbolSize = 24, NeedSize = 16, WeakFlag = 2;
    private const uint DynamicSymbols = 11, VersionNeeds = 0x6ffffffe, SymbolVersions = 0x6fffffff;

    private readonly record struct Section(uint Type, int Offset, int Size, int Link, int Info);

    /// <summary>Mends <paramref name="library"/> in place where <paramref name="provided"/> lacks <see cref="Version"/>; otherwise leaves it byte for byte.</summary>
    /// <returns>Whether anything was changed.</returns>
    /// <exception cref="MendRefusedException">It isn't a 64-bit little-endian ELF library, or it needs more of that version than the one symbol.</exception>
    public static bool Apply(Span<byte> library, IReadOnlySet<string> provided)
    {
        try
        {
            return ApplyUnchecked(library, provided);
        }
        catch (Exception exception) when (exception is ArgumentOutOfRangeException or OverflowException)
        {
            throw new MendRefusedException("it is cut off: a table lies past its end.");
        }
    }

    private static bool ApplyUnchecked(Span<byte> library, IReadOnlySet<string> provided)
    {
        if (library.Length < 64 || !library[..6].SequenceEqual((ReadOnlySpan<byte>)[0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1])) throw new MendRefusedException("it isn't a 64-bit little-endian ELF file.");
        if (provided.Contains(Version)) return false;

        Section[] sections = Sections(library);
        Section symbols = Find(sections, DynamicSymbols), versions = Find(sections, SymbolVersions), needs = Find(sections, VersionNeeds);
        Section names = sections[symbols.Link];

        // 1. The version's entry in .gnu.version_r, and the index that symbols refer to it by.
        int entry = FindVersion(library, needs, sections[needs.Link]);
        if (entry < 0) return false;
        ushort index = Word(library, entry + 6);

        // 2. The symbols of that version, and the one that takes the place.
        int dispensable = -1, replacement = -1;
        for (int i = 0; i < symbols.Size / SymbolSize; i++)
        {
            string name = Name(library, names, Long(library, symbols.Offset + i * SymbolSize));
            if (name == Replacement) replacement = i;
            if ((Word(library, versions.Offset + 2 * i) & 0x7fff) != index) continue;
            if (name != Dispensable) throw new MendRefusedException($"it also needs '{name}' of {Version}, which is no empty function.");
            dispensable = i;
        }

        if (dispensable < 0) throw new MendRefusedException($"it asks for {Version}, and no symbol of it is found.");
        if (replacement < 0) throw new MendRefusedException($"it doesn't import '{Replacement}', which would take the place of '{Dispensable}'.");

        // 3. The four bytes: two names' offsets differ in at most two bytes each way, the version index in one, the flag in one.
        library.Slice(symbols.Offset + replacement * SymbolSize, 4).CopyTo(library[(symbols.Offset + dispensable * SymbolSize)..]);
        library.Slice(versions.Offset + 2 * replacement, 2).CopyTo(library[(versions.Offset + 2 * dispensable)..]);
        BinaryPrimitives.WriteUInt16LittleEndian(library[(entry + 4)..], (ushort)(Word(library, entry + 4) | WeakFlag));
        return true;
    }

    private static Section[] Sections(ReadOnlySpan<byte> library)
    {
        int start = checked((int)Quad(library, 0x28)), size = Word(library, 0x3a), count = Word(library, 0x3c);
        var sections = new Section[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = library.Slice(start + i * size, 64);
            sections[i] = new Section(Long(header, 4), (int)Quad(header, 24), (int)Quad(header, 32), (int)Long(header, 40), (int)Long(header, 44));
        }

        return sections;
    }

    private static Section Find(Section[] sections, uint type)
    {
        foreach (Section section in sections)
        {
            if (section.Type == type && (type == SymbolVersions || (uint)section.Link < sections.Length)) return section;
        }

        throw new MendRefusedException($"it has no section of type 0x{type:x}.");
    }

    private static int FindVersion(ReadOnlySpan<byte> library, Section needs, Section names)
    {
        // Each file and each version takes 16 bytes: a count that says more would only go round in the same ones.
        int file = needs.Offset, most = needs.Size / NeedSize;
        if (needs.Info > most) throw new MendRefusedException($"it says that it needs versions of {needs.Info} libraries, and its table of them has room for {most}.");
        for (int i = 0; i < needs.Info; i++)
        {
            int entry = file + (int)Long(library, file + 8), count = Word(library, file + 2);
            if (count > most) throw new MendRefusedException($"it says that it needs {count} versions of a library, and its table of them has room for {most}.");
            for (int j = 0; j < count; j++)
            {
                if (Name(library, names, Long(library, entry + 8)) == Version) return entry;
                entry += (int)Long(library, entry + 12);
            }

            file += (int)Long(library, file + 12);
        }

        return -1;
    }

    private static string Name(ReadOnlySpan<byte> library, Section names, uint offset)
    {
        ReadOnlySpan<byte> rest = library.Slice(names.Offset, names.Size)[(int)offset..];
        int end = rest.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? rest : rest[..end]);
    }

    private static ushort Word(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.Slice(offset, 2));

    private static uint Long(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.Slice(offset, 4));

    private static ulong Quad(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice(offset, 8));
}
