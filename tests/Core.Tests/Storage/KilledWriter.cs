namespace MLNet.Gpt.Core.Tests.Storage;

/// <summary>A process that replaces a folder again and again until it is killed; <see cref="KilledWriterTests"/> starts it.</summary>
internal static class KilledWriter
{
    public const string Command = "replace-folder-until-killed";
    public const int FileLength = 100_000;
    public static readonly string[] Names = ["weights", "moments", "step"];

    /// <summary>The test assembly's entry point; the test host doesn't use it.</summary>
    public static int Main(string[] arguments)
    {
        if (arguments is not [Command, string folder, string withoutExchange, string first]) return 2;
        for (byte number = byte.Parse(first, System.Globalization.CultureInfo.InvariantCulture); ; number++)
        {
            using var target = new AtomicFolder(folder, static name => Names.Contains(name), "a test") { WithoutExchange = withoutExchange == bool.TrueString };
            var content = new byte[FileLength];
            content.AsSpan().Fill(number);
            foreach (string name in Names) File.WriteAllBytes(Path.Combine(target.WorkPath, name), content);
            target.Publish();
            Console.WriteLine(number);
        }
    }
}
