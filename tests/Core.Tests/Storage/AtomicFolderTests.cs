using System.Runtime.Versioning;

namespace MLNet.Gpt.Core.Tests.Storage;

[TestClass]
public sealed class AtomicFolderTests
{
    private const string Old = "old", New = "new";

    [TestMethod]
    public void The_current_folder_is_not_replaced()
    {
        foreach (string path in (string[])[Directory.GetCurrentDirectory(), ".", "./"])
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new AtomicFolder(path, static _ => true, "a test")).Message, $"'{path}' is the folder that this process is in");
    }

    [TestMethod]
    public void A_folder_appears_with_its_contents_and_nothing_beside_it()
    {
        using var root = new TemporaryFolder();
        Write(root["run/model"], New);
        Assert.AreEqual(New, Read(root["run/model"]));
        CollectionAssert.AreEqual(new[] { "model" }, TemporaryFolder.NamesIn(root["run"]));
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void A_folder_is_replaced_as_a_whole(bool withoutExchange)
    {
        using var root = new TemporaryFolder();
        Write(root["model"], Old, "weights", "tokenizer");
        Write(root["model"], New, "weights", "sub/state", withoutExchange: withoutExchange);
        CollectionAssert.AreEqual(new[] { "sub", "weights" }, TemporaryFolder.NamesIn(root["model"]));
        Assert.AreEqual(New, Read(root["model"], "sub/state"));
        CollectionAssert.AreEqual(new[] { "model" }, root.Names);
    }

    [TestMethod]
    public void Giving_up_leaves_the_old_folder_and_nothing_beside_it()
    {
        using var root = new TemporaryFolder();
        Write(root["model"], Old);
        using (AtomicFolder folder = Begin(root["model"])) File.WriteAllText(Path.Combine(folder.WorkPath, "weights"), New);
        Assert.AreEqual(Old, Read(root["model"]));
        CollectionAssert.AreEqual(new[] { "model" }, root.Names);
    }

    // A writer puts another folder in its place after the first file has been read: the two belong to different models.
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void What_is_read_while_the_folder_is_replaced_is_read_again(bool fails)
    {
        using var root = new TemporaryFolder();
        Write(root["model"], Old, "weights", "tokenizer");
        var readings = new List<Reading>();
        Reading found = AtomicFolder.ReadWhole(root["model"], () =>
        {
            var reading = new Reading(Read(root["model"]));
            readings.Add(reading);
            if (readings.Count == 1) Write(root["model"], New, "weights", "tokenizer");
            if (fails && readings.Count == 1) throw new FileNotFoundException();
            reading.Second = Read(root["model"], "tokenizer");
            return reading;
        });
        Assert.AreEqual((New, New, 2), (found.First, found.Second, readings.Count));
        Assert.IsFalse(found.IsDisposed);
        Assert.AreEqual(!fails, readings[0].IsDisposed, "What is given up is closed.");
    }

    [TestMethod]
    public void What_goes_wrong_with_a_folder_that_stays_is_told_at_once()
    {
        using var root = new TemporaryFolder();
        Write(root["model"], Old);
        int readings = 0;
        Assert.ThrowsExactly<FileNotFoundException>(() => AtomicFolder.ReadWhole<int>(root["model"], () => readings++ < 100 ? throw new FileNotFoundException() : 0));
        Assert.AreEqual(1, readings);
    }

    [TestMethod]
    public void A_folder_that_never_stays_is_read_in_the_end()
    {
        using var root = new TemporaryFolder();
        int readings = 0;
        AtomicFolder.ReadWhole(root["model"], () =>
        {
            Write(root["model"], $"{readings++}");
            return 0;
        });
        Assert.AreEqual(20, readings);
    }

    [TestMethod]
    public void A_link_that_leads_in_a_circle_is_no_folder_to_write()
    {
        using var root = new TemporaryFolder();
        File.CreateSymbolicLink(root["a"], root["b"]);
        File.CreateSymbolicLink(root["b"], root["a"]);
        Assert.ThrowsExactly<FolderNotWritableException>(() => Write(root["a"], New));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(root["a"]));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => Corpus.Open(root["a"]));
    }

    private sealed class Reading(string first) : IDisposable
    {
        public string First => first;

        public string? Second { get; set; }

        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }

    // The process is killed after the step: what is on the disk then is a usable folder once Recover has run, and the next writer works.
    [TestMethod]
    [DataRow(false, "flushed", Old)]
    [DataRow(false, "published", New)]
    [DataRow(true, "flushed", Old)]
    [DataRow(true, "complete", Old)]
    [DataRow(true, "moved away", New)]
    [DataRow(true, "published", New)]
    public void Killed_after_any_step_one_of_the_two_folders_is_usable(bool withoutExchange, string step, string expected)
    {
        using var root = new TemporaryFolder();
        using var disk = new TemporaryFolder();
        Write(root["model"], Old, "weights", "tokenizer");
        AtomicFolder folder = Begin(root["model"]);
        folder.WithoutExchange = withoutExchange;
        foreach (string name in (string[])["weights", "tokenizer"]) File.WriteAllText(Path.Combine(folder.WorkPath, name), New);
        bool reached = false;
        folder.StepDone = name =>
        {
            if (name != step) return;
            reached = true;
            CopyTree(root.Path, disk.Path); // the disk as it is at this moment
        };
        folder.Publish();
        if (!reached && !withoutExchange) Assert.Inconclusive("This file system can't exchange two folders in one call.");
        Assert.IsTrue(reached);

        AtomicFolder.Recover(disk["model"]);
        Assert.AreEqual(expected, Read(disk["model"]));
        Assert.AreEqual(expected, Read(disk["model"], "tokenizer"));

        Write(disk["model"], "newest", "weights");
        CollectionAssert.AreEqual(new[] { "weights" }, TemporaryFolder.NamesIn(disk["model"]));
        CollectionAssert.AreEqual(new[] { "model" }, disk.Names);
    }

    [TestMethod]
    public void A_reader_never_finds_a_new_folder_half_there()
    {
        using var root = new TemporaryFolder();
        for (int i = 0; i < 5; i++)
        {
            string path = root[$"model{i}"];
            using var folder = new AtomicFolder(path, static _ => true, "a test");
            for (int file = 0; file < 50; file++) File.WriteAllText(Path.Combine(folder.WorkPath, $"{file}"), New);
            using var started = new ManualResetEventSlim();
            Task<int> reader = Task.Run(() =>
            {
                started.Set();
                while (!Directory.Exists(path)) Thread.SpinWait(1);
                return Directory.GetFiles(path).Length;
            });
            started.Wait();
            folder.Publish();
            Assert.AreEqual(50, reader.GetAwaiter().GetResult());
        }
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void A_reader_never_finds_a_folder_missing_that_is_replaced_in_one_call()
    {
        using var root = new TemporaryFolder();
        Directory.CreateDirectory(root["a"]);
        Directory.CreateDirectory(root["b"]);
        if (!DiskSync.TryExchange(root["a"], root["b"])) Assert.Inconclusive("This file system can't exchange two folders in one call.");
        Write(root["model"], Old);
        using var done = new CancellationTokenSource();
        int reads = 0;
        Task reader = Task.Run(() =>
        {
            for (; !done.IsCancellationRequested; reads++) Assert.HasCount(3, Read(root["model"]));
        });
        while (Volatile.Read(ref reads) == 0) Thread.Yield();
        for (int i = 0; i < 30; i++) Write(root["model"], New);
        done.Cancel();
        reader.GetAwaiter().GetResult();
    }

    [TestMethod]
    public void What_the_disk_refuses_is_told_of_the_folder_that_was_to_appear()
    {
        using var root = new TemporaryFolder();
        var cause = new IOException("full", OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28); // ERROR_DISK_FULL, ENOSPC
        using AtomicFolder folder = Begin(root["model"]);
        Action<string>[] refusals =
        [
            _ => throw cause,
            work => throw new DiskFullException(Path.Combine(work, "weights"), cause),
            work => AtomicFile.Write(Path.Combine(work, "weights"), _ => throw cause),
        ];
        foreach (Action<string> refusal in refusals)
        {
            var full = Assert.ThrowsExactly<DiskFullException>(() => folder.Fill(refusal));
            Assert.AreEqual((root["model"], cause), (full.Path, full.InnerException));
        }

        var refused = Assert.ThrowsExactly<FolderNotWritableException>(() => folder.Fill(work => throw new FolderNotWritableException(work, cause)));
        Assert.AreEqual((root["model"], cause), (refused.Path, refused.InnerException));

        // Another place than the folder keeps its name.
        var elsewhere = Assert.ThrowsExactly<DiskFullException>(() => folder.Fill(_ => throw new DiskFullException(root["other"], cause)));
        Assert.AreEqual(root["other"], elsewhere.Path);
    }

    [TestMethod]
    public void A_folder_killed_before_its_first_appearance_is_missing_and_can_be_written_again()
    {
        using var root = new TemporaryFolder();
        Directory.CreateDirectory(root[".model.writing"]);
        File.WriteAllText(root[".model.writing/weights"], "half");
        AtomicFolder.Recover(root["model"]);
        Assert.IsFalse(Directory.Exists(root["model"]));
        Write(root["model"], New);
        CollectionAssert.AreEqual(new[] { "model" }, root.Names);
    }

    [TestMethod]
    public void A_reader_waits_for_a_living_writer_between_its_two_renames()
    {
        using var root = new TemporaryFolder();
        Write(root["model"], Old);
        AtomicFolder folder = Begin(root["model"]);
        folder.WithoutExchange = true;
        File.WriteAllText(Path.Combine(folder.WorkPath, "weights"), New);
        Task? reader = null;
        folder.StepDone = step =>
        {
            if (step != "moved away") return;
            using var started = new ManualResetEventSlim();
            reader = Task.Run(() =>
            {
                started.Set();
                AtomicFolder.Recover(root["model"]);
                Assert.AreEqual(New, Read(root["model"]));
            });
            started.Wait();
        };
        folder.Publish();
        reader!.GetAwaiter().GetResult();
        CollectionAssert.AreEqual(new[] { "model" }, root.Names);
    }

    [TestMethod]
    public void A_second_writer_of_the_same_folder_is_refused_and_the_first_one_is_not_disturbed()
    {
        using var root = new TemporaryFolder();
        using AtomicFolder first = Begin(root["model"]);
        File.WriteAllText(Path.Combine(first.WorkPath, "weights"), New);
        Assert.ThrowsExactly<ConcurrentWriteException>(() => Begin(root["model"]));
        first.Publish();
        Assert.AreEqual(New, Read(root["model"]));
    }

    [TestMethod]
    public void A_users_own_file_in_the_folder_is_never_deleted()
    {
        using var root = new TemporaryFolder();
        Write(root["model"], Old);
        File.WriteAllText(root["model/thesis.doc"], "years of work");
        var exception = Assert.ThrowsExactly<FolderNotReplaceableException>(() => Begin(root["model"]));
        Assert.AreEqual("thesis.doc", exception.EntryName);
        StringAssert.Contains(exception.Message, "isn't part of a test");
        Assert.AreEqual("years of work", File.ReadAllText(root["model/thesis.doc"]));

        // Nor one that appears while the new folder is written.
        File.Delete(root["model/thesis.doc"]);
        using AtomicFolder folder = Begin(root["model"]);
        File.WriteAllText(Path.Combine(folder.WorkPath, "weights"), New);
        File.WriteAllText(root["model/thesis.doc"], "years of work");
        Assert.ThrowsExactly<FolderNotReplaceableException>(folder.Publish);
        Assert.AreEqual(Old, Read(root["model"]));
    }

    [TestMethod]
    public void A_file_that_does_not_belong_is_not_published()
    {
        using var root = new TemporaryFolder();
        using AtomicFolder folder = Begin(root["model"]);
        File.WriteAllText(Path.Combine(folder.WorkPath, "surprise"), "");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(folder.Publish).Message, "'surprise'");
    }

    [TestMethod]
    public void A_symbolic_link_stays_a_link_and_its_target_is_replaced()
    {
        using var root = new TemporaryFolder();
        Write(root["target"], Old);
        Directory.CreateSymbolicLink(root["link"], root["target"]);
        Write(root["link"], New);
        Assert.AreEqual(New, Read(root["target"]));
        Assert.AreEqual(root["target"], new DirectoryInfo(root["link"]).LinkTarget);
    }

    [TestMethod]
    public void A_path_that_cannot_be_a_folder_is_named()
    {
        using var root = new TemporaryFolder();
        File.WriteAllText(root["file"], "");
        Assert.AreEqual(root["file"], Assert.ThrowsExactly<FolderNotWritableException>(() => Begin(root["file"])).Path);
        Assert.AreEqual(root["file/model"], Assert.ThrowsExactly<FolderNotWritableException>(() => Begin(root["file/model"])).Path);
        Assert.AreEqual("", File.ReadAllText(root["file"]));
        Assert.ThrowsExactly<ArgumentException>(() => Begin("/"));
    }

    [TestMethod]
    [UnsupportedOSPlatform("windows")]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void A_folder_without_write_permission_is_named()
    {
        if (Environment.IsPrivilegedProcess) Assert.Inconclusive("Permissions don't stop root.");
        using var root = new TemporaryFolder();
        Directory.CreateDirectory(root["closed"]);
        File.SetUnixFileMode(root["closed"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.ThrowsExactly<FolderNotWritableException>(() => Begin(root["closed/model"]));
    }

    [TestMethod]
    public void A_mount_point_cannot_be_replaced_and_says_so()
    {
        using var disk = new TinyDisk(kilobytes: 64);
        using AtomicFolder folder = Begin(disk.Path);
        File.WriteAllText(Path.Combine(folder.WorkPath, "weights"), New);
        Assert.ThrowsExactly<FolderNotWritableException>(folder.Publish);
    }

    [TestMethod]
    public void A_full_disk_leaves_the_old_folder()
    {
        using var disk = new TinyDisk(kilobytes: 64);
        Write(disk["model"], Old);
        File.WriteAllBytes(disk["filler"], new byte[48 << 10]);
        using (AtomicFolder folder = Begin(disk["model"]))
        {
            var exception = Assert.ThrowsExactly<IOException>(() => File.WriteAllBytes(Path.Combine(folder.WorkPath, "weights"), new byte[32 << 10]));
            Assert.IsTrue(IOErrors.IsDiskFull(exception), exception.Message);
        }

        Assert.AreEqual(Old, Read(disk["model"]));
        CollectionAssert.AreEqual(new[] { "filler", "model" }, TemporaryFolder.NamesIn(disk.Path));
    }

    [TestMethod]
    public void Checking_that_a_folder_can_be_written_changes_nothing()
    {
        using var root = new TemporaryFolder();
        AtomicFolder.ThrowIfNotWritable(root["model"], Belongs, "a test");
        Assert.IsEmpty(root.Names);
        Write(root["model"], Old);
        AtomicFolder.ThrowIfNotWritable(root["model"], Belongs, "a test");
        Assert.AreEqual(Old, Read(root["model"]));
        File.WriteAllText(root["model/other"], "");
        Assert.ThrowsExactly<FolderNotReplaceableException>(() => AtomicFolder.ThrowIfNotWritable(root["model"], Belongs, "a test"));
    }

    private static bool Belongs(string name) => name is "weights" or "tokenizer" or "sub";

    private static AtomicFolder Begin(string path) => new(path, Belongs, "a test");

    private static void Write(string path, string text, params string[] names) => Write(path, text, names, false);

    private static void Write(string path, string text, string first, string second, bool withoutExchange) => Write(path, text, [first, second], withoutExchange);

    private static void Write(string path, string text, string[] names, bool withoutExchange)
    {
        using AtomicFolder folder = Begin(path);
        folder.WithoutExchange = withoutExchange;
        foreach (string name in names.Length == 0 ? ["weights"] : names)
        {
            string file = Path.Combine(folder.WorkPath, name);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, text);
        }

        folder.Publish();
    }

    private static string Read(string path, string name = "weights") => File.ReadAllText(Path.Combine(path, name));

    private static void CopyTree(string source, string destination)
    {
        Directory.CreateDirectory(destination);
        foreach (string file in Directory.EnumerateFiles(source))
        {
            if (!file.EndsWith(".lock", StringComparison.Ordinal)) File.Copy(file, Path.Combine(destination, Path.GetFileName(file)));
        }

        foreach (string folder in Directory.EnumerateDirectories(source)) CopyTree(folder, Path.Combine(destination, Path.GetFileName(folder)));
    }
}
