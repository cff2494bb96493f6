using System.Reflection;
using Microsoft.ML;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Transforms.Tests.Saving;

[TestClass]
public sealed class TemporaryFilesTests
{
    [TestMethod]
    public void Saving_and_loading_keep_temporary_files_in_the_contexts_own_folder_and_leave_nothing_there()
    {
        using var folder = new TemporaryFolder();
        using GptModel inner = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        var engine = new SpyEngine(inner.Engine);
        using var model = new GptModel(engine, TestModels.Letters);
        var ml = new MLContext { TempFilePath = folder["temporary"] };
        IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = "ab" }]);
        ITransformer fitted = ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Append(ml.Gpt().Transforms.ScoreText("Score", "Answer", model)).Fit(rows);
        ml.Model.Save(fitted, rows.Schema, folder["model.zip"]);
        Assert.HasCount(2, engine.Folders);
        foreach (string written in engine.Folders) Assert.AreEqual(folder["temporary"], Path.GetDirectoryName(written));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder["temporary"]));

        // A loaded chain belongs to the context that loaded it.
        var other = new MLContext { TempFilePath = folder["elsewhere"] };
        ITransformer loaded = other.Model.Load(folder["model.zip"], out _);
        Assert.HasCount(1, Directory.GetDirectories(folder["elsewhere"]));
        using (var gone = new DirectoryWatch(folder["elsewhere"]))
        {
            other.Model.Save(loaded, rows.Schema, folder["again.zip"]);
            Assert.HasCount(2, gone.Created());
        }

        ((IDisposable)loaded).Dispose();
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder["elsewhere"]));
    }

    [TestMethod]
    public void After_a_failure_nothing_is_left_either()
    {
        using var folder = new TemporaryFolder();
        using GptModel inner = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        using var model = new GptModel(new SpyEngine(inner.Engine) { Fails = true }, TestModels.Letters);
        var ml = new MLContext { TempFilePath = folder["temporary"] };
        IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = "ab" }]);
        ITransformer fitted = ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(rows);
        Assert.ThrowsExactly<DiskFullException>(() => ml.Model.Save(fitted, rows.Schema, folder["model.zip"]));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder["temporary"]));
    }

    [TestMethod]
    public void A_disk_without_room_for_the_unpacked_model_is_told_as_full()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder), GptDevice.Cpu);
        var ml = new MLContext();
        IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = "ab" }]);
        ml.Model.Save(ml.Gpt().Transforms.GenerateText("Answer", "Text", model).Fit(rows), rows.Schema, folder["model.zip"]);
        using var disk = new TinyDisk(kilobytes: 16);
        var exception = Assert.ThrowsExactly<TargetInvocationException>(() => new MLContext { TempFilePath = disk.Path }.Model.Load(folder["model.zip"], out _));
        Assert.IsInstanceOfType<DiskFullException>(exception.InnerException);
        Assert.IsEmpty(TemporaryFolder.NamesIn(disk.Path));
    }

    [TestMethod]
    public void What_a_killed_process_left_goes_with_the_next_folder_and_nothing_else_does()
    {
        using var folder = new TemporaryFolder();
        using var living = new PrivateFolder(folder.Path);
        string dead = Folder("dead"), young = Folder("young"), other = folder["another-programs"];
        Directory.CreateDirectory(other);
        foreach (string path in (string[])[living.Path, dead, other]) Directory.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddMinutes(-2));
        using var next = new PrivateFolder(folder.Path);
        CollectionAssert.AreEquivalent(new[] { living.Path, young, other, next.Path }, Directory.GetDirectories(folder.Path));

        string Folder(string name)
        {
            string path = folder["mlnet-gpt-model-" + name];
            Directory.CreateDirectory(path);
            File.WriteAllText(Path.Combine(path, ".lock"), "");
            File.WriteAllText(Path.Combine(path, "model.onnx"), "");
            return path;
        }
    }

    private sealed class SpyEngine(ICausalModel inner) : ICausalModel, IOnnxExportable
    {
        public List<string> Folders { get; } = [];

        public bool Fails { get; init; }

        public GptConfig Config => inner.Config;

        public GptDevice Device => inner.Device;

        public ICausalDecoder BeginDecoding(int rowCount, int capacity) => inner.BeginDecoding(rowCount, capacity);

        public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null)
        {
            Folders.Add(folder);
            if (Fails)
            {
                File.WriteAllText(Path.Combine(folder, "model.onnx"), "half");
                throw new DiskFullException(folder, new IOException("No space left on device"));
            }

            ((IOnnxExportable)inner).WriteOnnxPackage(folder);
        }

        public void Dispose()
        {
        }
    }

    /// <summary>The library's folders that appear in a folder, however short they live; ML.NET makes one of its own beside them.</summary>
    private sealed class DirectoryWatch : IDisposable
    {
        private readonly FileSystemWatcher _watcher;
        private readonly List<string> _created = [];

        public DirectoryWatch(string folder)
        {
            _watcher = new FileSystemWatcher(folder, "mlnet-gpt-model-*") { NotifyFilter = NotifyFilters.DirectoryName };
            _watcher.Created += (_, change) =>
            {
                lock (_created) _created.Add(change.FullPath);
            };
            _watcher.EnableRaisingEvents = true;
        }

        public string[] Created()
        {
            // The notices come a moment later.
            for (int i = 0; i < 100; i++)
            {
                lock (_created)
                {
                    if (_created.Count >= 2) return [.. _created];
                }

                Thread.Sleep(20);
            }

            lock (_created) return [.. _created];
        }

        public void Dispose() => _watcher.Dispose();
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }
}
