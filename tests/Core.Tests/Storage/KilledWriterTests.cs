using System.Diagnostics;
using System.Globalization;
using MLNet.Gpt.Core.Tests.Engine;

namespace MLNet.Gpt.Core.Tests.Storage;

[TestClass]
public sealed class KilledWriterTests
{
    // kill -9 at random moments of a process that does nothing but replace the folder: what is found is always one whole version, not older than
    // the last one that the process had reported as written.
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Killed_at_any_moment_a_whole_version_is_left_and_none_that_was_reported_is_lost(bool withoutExchange)
    {
        using var root = new TemporaryFolder();
        var random = new Random(withoutExchange ? 1 : 2);
        string folder = root["model"];
        byte next = 0;
        for (int kill = 0; kill < 12; kill++)
        {
            byte reported = RunAndKill(folder, withoutExchange, next, random.Next(0, 40));
            AtomicFolder.Recover(folder);
            var versions = new HashSet<byte>();
            foreach (string name in KilledWriter.Names)
            {
                byte[] content = File.ReadAllBytes(Path.Combine(folder, name));
                Assert.HasCount(KilledWriter.FileLength, content);
                versions.UnionWith(content);
            }

            Assert.HasCount(1, versions, "Two versions are mixed.");
            byte found = versions.Single();
            Assert.IsTrue(found == reported || found == (byte)(reported + 1), $"{found} was found, {reported} had been reported.");
            next = (byte)(found + 1);
        }

        using (new AtomicFolder(folder, static _ => true, "a test")) { }
        CollectionAssert.AreEqual(new[] { "model" }, root.Names, "The next writer removes what the killed ones left.");
    }

    /// <returns>The last version that the process reported before it was killed.</returns>
    private static byte RunAndKill(string folder, bool withoutExchange, byte first, int milliseconds)
    {
        using Process process = TestProgram.Start(KilledWriter.Command, folder, withoutExchange.ToString(), first.ToString(CultureInfo.InvariantCulture));
        string? last = process.StandardOutput.ReadLine();
        Thread.Sleep(milliseconds);
        process.Kill(); // SIGKILL
        process.WaitForExit();
        while (process.StandardOutput.ReadLine() is { Length: > 0 } line) last = line;
        Assert.IsNotNull(last, "The writing process ended by itself.");
        return byte.Parse(last, CultureInfo.InvariantCulture);
    }
}
