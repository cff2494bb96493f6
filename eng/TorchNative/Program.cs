using MLNet.Gpt.TorchNative;

if (args.Length != 2)
{
    Console.Error.WriteLine("Usage: TorchNative LIBRARY OUTPUT    writes OUTPUT, which this system can load, from TorchSharp's LIBRARY");
    return 2;
}

try
{
    byte[] library = File.ReadAllBytes(args[0]);
    IReadOnlySet<string> provided = SystemLibstdcxx.Versions();
    bool mended = LibstdcxxMend.Apply(library, provided);
    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(args[1]))!);
    // A file of its own under another name first: a running process may have the old one mapped.
    string temporary = args[1] + ".new";
    File.WriteAllBytes(temporary, library);
    File.Move(temporary, args[1], overwrite: true);
    Console.WriteLine(mended
        ? $"TorchNative: this system's libstdc++ ends at {SystemLibstdcxx.Newest(provided)}; {Path.GetFileName(args[0])} wants {LibstdcxxMend.Version}. The copy in {args[1]} does without."
        : $"TorchNative: {Path.GetFileName(args[0])} is taken as it is.");
    return 0;
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or MendRefusedException or DllNotFoundException)
{
    Console.Error.WriteLine($"TorchNative: error: {e.Message}");
    return 1;
}
