namespace MLNet.Gpt.Core.Tests.Storage;

[TestClass]
public sealed class AtomicFileTests
{
    [TestMethod]
    public void A_file_appears_with_its_contents_and_nothing_beside_it()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.Write(folder["a.txt"], static stream => stream.Write("new"u8));
        Assert.AreEqual("new", File.ReadAllText(folder["a.txt"]));
        CollectionAssert.AreEqual(new[] { "a.txt" }, folder.Names);
    }

    [TestMethod]
    public void A_file_is_replaced_only_when_it_is_published()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.txt"], "old");
        using var file = new AtomicFile(folder["a.txt"]);
        file.Stream.Write("new"u8);
        file.Stream.Flush();
        Assert.AreEqual("old", File.ReadAllText(folder["a.txt"]));
        file.Publish();
        Assert.AreEqual("new", File.ReadAllText(folder["a.txt"]));
        Assert.ThrowsExactly<ObjectDisposedException>(file.Publish);
    }

    [TestMethod]
    public void An_exception_while_writing_leaves_the_old_file_and_nothing_beside_it()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.txt"], "old");
        Assert.ThrowsExactly<FormatException>(() => AtomicFile.Write(folder["a.txt"], static stream =>
        {
            stream.Write("new"u8);
            throw new FormatException();
        }));
        Assert.AreEqual("old", File.ReadAllText(folder["a.txt"]));
        CollectionAssert.AreEqual(new[] { "a.txt" }, folder.Names);
    }

    [TestMethod]
    public void Missing_folders_are_created()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.Write(folder["x/y/a.txt"], static stream => stream.Write("new"u8));
        Assert.AreEqual("new", File.ReadAllText(folder["x/y/a.txt"]));
    }

    [TestMethod]
    [DataRow(5)]
    [DataRow(3)]
    [DataRow(100_000)]
    public void The_expected_length_does_not_change_what_the_file_holds(int expectedLength)
    {
        using var folder = new TemporaryFolder();
        AtomicFile.Write(folder["a"], static stream => stream.Write("12345"u8), expectedLength);
        Assert.AreEqual("12345", File.ReadAllText(folder["a"]));
    }

    [TestMethod]
    public void The_remains_of_a_killed_writer_are_replaced()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder[".a.txt.writing"], "the longer rest of a killed writer");
        File.WriteAllText(folder[".a.txt.lock"], "");
        AtomicFile.Write(folder["a.txt"], static stream => stream.Write("new"u8));
        Assert.AreEqual("new", File.ReadAllText(folder["a.txt"]));
        CollectionAssert.AreEqual(new[] { "a.txt" }, folder.Names);
    }

    [TestMethod]
    public void A_second_writer_of_the_same_file_is_refused_and_the_first_one_is_not_disturbed()
    {
        using var folder = new TemporaryFolder();
        using var first = new AtomicFile(folder["a.txt"]);
        first.Stream.Write("first"u8);
        ConcurrentWriteException exception = Assert.ThrowsExactly<ConcurrentWriteException>(() => new AtomicFile(folder["a.txt"]));
        Assert.AreEqual(folder["a.txt"], exception.Path);
        first.Publish();
        Assert.AreEqual("first", File.ReadAllText(folder["a.txt"]));
        AtomicFile.Write(folder["a.txt"], static stream => stream.Write("second"u8));
        Assert.AreEqual("second", File.ReadAllText(folder["a.txt"]));
    }

    [TestMethod]
    public void A_symbolic_link_stays_a_link_and_its_target_is_replaced()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["target"], "old");
        File.CreateSymbolicLink(folder["link"], folder["target"]);
        AtomicFile.Write(folder["link"], static stream => stream.Write("new"u8));
        Assert.AreEqual("new", File.ReadAllText(folder["target"]));
        Assert.AreEqual(folder["target"], new FileInfo(folder["link"]).LinkTarget);
    }

    [TestMethod]
    public void A_folder_that_cannot_be_written_is_named()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file"], "");
        var exception = Assert.ThrowsExactly<FolderNotWritableException>(() => new AtomicFile(folder["file/a.txt"]));
        Assert.AreEqual(folder["file"], exception.Path);
        exception = Assert.ThrowsExactly<FolderNotWritableException>(() => new AtomicFile(folder.Path));
        StringAssert.Contains(exception.Message, "is a folder");
    }

    [TestMethod]
    public void A_full_disk_leaves_the_old_file()
    {
        using var disk = new TinyDisk(kilobytes: 64);
        File.WriteAllText(disk["a"], "old");
        var block = new byte[200_000];
        var exception = Assert.ThrowsExactly<DiskFullException>(() => AtomicFile.Write(disk["a"], stream => stream.Write(block)));
        Assert.AreEqual(disk["a"], exception.Path);

        // Found at once where the length is known, and found late where a small rest is still in the buffer.
        Assert.ThrowsExactly<DiskFullException>(() => AtomicFile.Write(disk["a"], _ => Assert.Fail("There is no room for it."), block.Length));
        Assert.AreEqual("old", File.ReadAllText(disk["a"]));
        CollectionAssert.AreEqual(new[] { "a" }, TemporaryFolder.NamesIn(disk.Path));
    }
}
