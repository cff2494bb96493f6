using System.Text;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

[TestClass]
public sealed class OnnxLoadingTests
{
    private static readonly GptConfig Tiny = new() { VocabularySize = 23, ContextLength = 16, EmbeddingSize = 8, LayerCount = 2, HeadCount = 2 };

    [TestMethod]
    public void A_package_tells_its_shape_device_folder_and_tokenizer()
    {
        using TestPackage package = TestPackage.Of(Tiny, new OnnxExportOptions { TokenizerHash = "c0ffee" });
        using OnnxCausalModel model = package.Load();
        Assert.AreEqual(Tiny, model.Config);
        Assert.AreEqual(GptDevice.Cpu, model.Device);
        Assert.AreEqual(package.Folder, model.Folder);
        Assert.AreEqual("c0ffee", model.TokenizerHash);
    }

    [TestMethod]
    [DataRow(OnnxPackageLayout.ModelFile)]
    [DataRow(OnnxPackageLayout.ConfigFile)]
    public void A_missing_file_is_named(string name)
    {
        using TestPackage package = TestPackage.Of(Tiny);
        File.Delete(package[name]);
        var error = Assert.ThrowsExactly<CheckpointNotFoundException>(package.Load);
        Assert.Contains(name, error.Message);
    }

    [TestMethod]
    public void A_folder_of_another_kind_is_told_as_what_it_is()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        string run = package.Beside("run"), checkpoint = package.Beside("checkpoint"), task = package.Beside("task");
        Directory.CreateDirectory(Path.Combine(run, "checkpoints", "best"));
        Directory.CreateDirectory(checkpoint);
        File.WriteAllText(Path.Combine(checkpoint, "model.safetensors"), "");
        Directory.CreateDirectory(Path.Combine(task, "model"));
        File.Copy(package.ModelPath, Path.Combine(task, "model", "model.onnx"));
        AreEqual($"'{run}' can't be opened: it has no model.onnx. It is the folder of a run: write a package with OnnxExporter.Export from a checkpoint in it, such as checkpoints/best.", run);
        AreEqual($"'{checkpoint}' can't be opened: it has no model.onnx. It is a checkpoint: write a package from it with OnnxExporter.Export, or open it on TorchSharp with FromCheckpoint.", checkpoint);
        AreEqual($"'{task}' can't be opened: it has no model.onnx. Its folder model is a package: name that one.", task);
        AreEqual($"'{package.ModelPath}' can't be opened: it is a file. Name a folder that OnnxExporter or Optimum wrote.", package.ModelPath);

        static void AreEqual(string expected, string folder) => Assert.AreEqual(expected, Assert.ThrowsExactly<CheckpointNotFoundException>(() => OnnxCausalModel.Load(folder)).Message);
    }

    [TestMethod]
    public void A_missing_folder_is_named()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        string folder = package.Beside("nowhere");
        Assert.AreEqual(folder, Assert.ThrowsExactly<CheckpointNotFoundException>(() => OnnxCausalModel.Load(folder)).Path);
    }

    [TestMethod]
    public void A_model_cut_off_anywhere_is_refused()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        byte[] whole = File.ReadAllBytes(package.ModelPath);
        for (int length = 0; length < whole.Length; length += 1 + (whole.Length / 60))
        {
            File.WriteAllBytes(package.ModelPath, whole[..length]);
            var error = Assert.ThrowsExactly<CorruptFileException>(package.Load, $"cut to {length} of {whole.Length} bytes");
            Assert.AreEqual(package.ModelPath, error.Path);
        }
    }

    [TestMethod]
    public void A_model_with_a_damaged_byte_loads_or_is_refused_but_nothing_else()
    {
        // Most bytes are weights, which may be anything; the graph is at the front.
        using TestPackage package = TestPackage.Of(Tiny);
        byte[] whole = File.ReadAllBytes(package.ModelPath);
        var random = new Random(7);
        int refused = 0;
        for (int i = 0; i < 150; i++)
        {
            byte[] damaged = (byte[])whole.Clone();
            damaged[random.Next(6_000)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(package.ModelPath, damaged);
            try
            {
                package.Load().Dispose();
            }
            catch (GptException exception) when (exception is CorruptFileException or UnsupportedModelException)
            {
                refused++;
            }
        }

        Assert.IsGreaterThan(50, refused);
    }

    [TestMethod]
    public void A_length_beyond_the_file_is_refused_before_anything_is_reserved_for_it()
    {
        // Field 7 (the graph), claiming 2^62 bytes.
        using TestPackage package = TestPackage.Of(Tiny);
        File.WriteAllBytes(package.ModelPath, [0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0, 0]);
        Assert.Contains("claims 4611686018427387904 bytes, but only 2 are left", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);
    }

    [TestMethod]
    [DataRow("", DisplayName = "empty")]
    [DataRow("this is no model, but plain text", DisplayName = "text")]
    public void A_file_that_is_no_model_is_refused(string contents)
    {
        using TestPackage package = TestPackage.Of(Tiny);
        File.WriteAllText(package.ModelPath, contents);
        Assert.ThrowsExactly<CorruptFileException>(package.Load);
    }

    [TestMethod]
    public void Messages_nested_without_end_are_refused()
    {
        // Graph → node → attribute → graph …: field 7, then 1, 5, 6 in turn, each around the next.
        byte[] inner = [];
        for (int i = 0; i < 60; i++)
        {
            foreach (int field in (ReadOnlySpan<int>)[6, 5, 1]) inner = Delimited(field, inner);
        }

        using TestPackage package = TestPackage.Of(Tiny);
        File.WriteAllBytes(package.ModelPath, Delimited(7, inner));
        Assert.Contains("nested", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);

        static byte[] Delimited(int field, byte[] value) =>
            [(byte)((field << 3) | 2), (byte)(value.Length & 0x7f | 0x80), (byte)(value.Length >> 7 & 0x7f | 0x80), (byte)(value.Length >> 14), .. value];
    }

    [TestMethod]
    [DataRow("kv_num_heads", "is 0; it must be 1 or more")]  // ONNX Runtime would divide by it
    [DataRow("num_outputs", "is 0, and it has")]             // and would write past its list of outputs
    public void A_count_that_would_end_the_process_is_refused(string attribute, string problem)
    {
        // The name, then field 3, the attribute's number. Field 11 in its place is none that ONNX Runtime reads, and the number is left at 0.
        using TestPackage package = TestPackage.Of(Tiny);
        byte[] name = Encoding.UTF8.GetBytes(attribute);
        package.Replace(OnnxPackageLayout.ModelFile, [.. name, 3 << 3], [.. name, 11 << 3]);
        var error = Assert.ThrowsExactly<CorruptFileException>(package.Load);
        Assert.AreEqual(package.ModelPath, error.Path);
        Assert.Contains($"'{attribute}' {problem}", error.Message);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(0xFF)]
    public void A_key_of_the_metadata_with_a_NUL_or_a_byte_that_is_no_text_is_refused(int value)
    {
        using TestPackage package = TestPackage.Of(Tiny);
        byte[] key = Encoding.UTF8.GetBytes(OnnxPackageLayout.ConfigKey), other = (byte[])key.Clone();
        other[4] = (byte)value;
        package.Replace(OnnxPackageLayout.ModelFile, key, other);
        var error = Assert.ThrowsExactly<CorruptFileException>(package.Load);
        Assert.AreEqual(package.ModelPath, error.Path);
        Assert.Contains("holds a NUL or bytes that are no UTF-8", error.Message);
    }

    [TestMethod]
    public void A_model_of_another_kind_is_refused()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        File.WriteAllBytes(package.ModelPath, CacheGather.Build(Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float, CacheGather.Rows));
        Assert.Contains("no input 'input_ids'", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);
    }

    [TestMethod]
    [DataRow("input_ids", "input_idz")]
    [DataRow("position_ids", "positionzids")]
    [DataRow("past_key_values.1.value", "past_key_values.1.valuf")]
    [DataRow("present.0.key", "present.0.kez")]
    [DataRow("logits", "logitz")]
    public void An_input_or_output_of_another_name_is_refused(string name, string other)
    {
        using TestPackage package = TestPackage.Foreign();
        package.Replace(OnnxPackageLayout.ModelFile, Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(other));
        Assert.Contains($"'{name}'", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);
    }

    [TestMethod]
    [DataRow("\"n_head\": 2", "\"n_head\": 4", DisplayName = "heads")]
    [DataRow("\"n_layer\": 2", "\"n_layer\": 3", DisplayName = "more layers")]
    [DataRow("\"n_layer\": 2", "\"n_layer\": 1", DisplayName = "fewer layers")]
    [DataRow("\"n_embd\": 16", "\"n_embd\": 32", DisplayName = "width")]
    [DataRow("\"vocab_size\": 29", "\"vocab_size\": 30", DisplayName = "vocabulary")]
    public void A_configuration_of_another_model_is_refused(string old, string with)
    {
        using TestPackage package = TestPackage.Foreign();
        package.Replace(OnnxPackageLayout.ConfigFile, Encoding.UTF8.GetBytes(old), Encoding.UTF8.GetBytes(with));
        Assert.AreEqual(package.ModelPath, Assert.ThrowsExactly<CorruptFileException>(package.Load).Path);
    }

    [TestMethod]
    public void A_context_length_that_the_graph_does_not_have_is_refused()
    {
        // No input or output shows it: the model's own copy of the configuration does.
        using TestPackage package = TestPackage.Of(Tiny);
        package.Replace(OnnxPackageLayout.ConfigFile, "\"n_positions\": 16"u8, "\"n_positions\": 32"u8);
        Assert.Contains("different models", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);
    }

    [TestMethod]
    public void A_package_of_a_later_version_is_refused()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        byte[] key = Encoding.UTF8.GetBytes(OnnxPackageLayout.FormatVersionKey);
        package.Replace(OnnxPackageLayout.ModelFile, [.. key, 0x12, 1, (byte)'1'], [.. key, 0x12, 1, (byte)'2']);
        Assert.Contains("version '2'", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);
    }

    [TestMethod]
    [DataRow("../secret.bin.x", DisplayName = "parent")]
    [DataRow("/etc/hostname/x", DisplayName = "rooted")]
    [DataRow("a/../../other.x", DisplayName = "through a folder")]
    public void Weights_outside_the_folder_are_refused(string location)
    {
        using TestPackage package = TestPackage.WithDataFile(Tiny);
        Assert.AreEqual(OnnxPackageLayout.DataFile.Length, location.Length);
        foreach (string name in (ReadOnlySpan<string>)["secret.bin.x", "other.x"]) File.Copy(package[OnnxPackageLayout.DataFile], package.Beside(name));
        package.Replace(OnnxPackageLayout.ModelFile, Encoding.UTF8.GetBytes(OnnxPackageLayout.DataFile), Encoding.UTF8.GetBytes(location));
        var error = Assert.ThrowsExactly<CorruptFileException>(package.Load);
        Assert.Contains($"'{location}', which is outside the package's folder", error.Message);
    }

    // As in Hugging Face's cache, where a package's files are links to others that are named by their hashes.
    [TestMethod]
    public void A_packages_files_may_be_links()
    {
        using TestPackage package = TestPackage.WithDataFile(Tiny);
        float[] expected = LastLogits();
        foreach (string name in (ReadOnlySpan<string>)[OnnxPackageLayout.ModelFile, OnnxPackageLayout.DataFile, OnnxPackageLayout.ConfigFile])
        {
            File.Move(package[name], package.Beside("blob-" + name));
            File.CreateSymbolicLink(package[name], package.Beside("blob-" + name));
        }

        CollectionAssert.AreEqual(expected, LastLogits());
        File.WriteAllBytes(package.Beside("blob-" + OnnxPackageLayout.DataFile), new byte[5]);
        Assert.Contains("but the file has 5; it is cut off", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);
        File.Delete(package.Beside("blob-" + OnnxPackageLayout.DataFile));
        Assert.Contains("isn't there", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);

        // ONNX Runtime follows no link out of the folder in which the graph itself lies.
        using TestPackage other = TestPackage.WithDataFile(Tiny);
        File.Move(other[OnnxPackageLayout.DataFile], other.Beside("weights"));
        File.CreateSymbolicLink(other[OnnxPackageLayout.DataFile], other.Beside("weights"));
        var error = Assert.ThrowsExactly<CorruptFileException>(other.Load);
        Assert.AreEqual(other.ModelPath, error.Path);
        Assert.DoesNotContain("cut off", error.Message);

        float[] LastLogits()
        {
            float[] logits = new float[Tiny.VocabularySize];
            using OnnxCausalModel model = package.Load();
            using ICausalDecoder decoder = model.BeginDecoding(1, 3);
            decoder.Append([1, 2, 3], default, LogitsScope.LastPosition, logits);
            return logits;
        }
    }

    [TestMethod]
    public void Missing_weights_are_refused()
    {
        using TestPackage package = TestPackage.WithDataFile(Tiny);
        File.Delete(package[OnnxPackageLayout.DataFile]);
        Assert.Contains("isn't there", Assert.ThrowsExactly<CorruptFileException>(package.Load).Message);
    }

    [TestMethod]
    public void Weights_that_are_cut_off_are_refused()
    {
        using TestPackage package = TestPackage.WithDataFile(Tiny);
        using (FileStream data = File.OpenWrite(package[OnnxPackageLayout.DataFile])) data.SetLength(data.Length - 1);
        var error = Assert.ThrowsExactly<CorruptFileException>(package.Load);
        Assert.AreEqual(package[OnnxPackageLayout.DataFile], error.Path);
        Assert.Contains("cut off", error.Message);
    }

    [TestMethod]
    public void A_gpu_that_is_not_there_is_an_error_that_says_what_to_do()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        GptDevice device = GptDevice.Cuda(97);
        var error = Assert.ThrowsExactly<DeviceUnavailableException>(() => OnnxCausalModel.Load(package.Folder, device));
        Assert.AreEqual(device, error.Device);
        Assert.Contains("GptDevice.Cpu", error.Message);
    }

    [TestMethod]
    public void Without_a_wish_the_model_loads_wherever_it_can()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        using OnnxCausalModel model = OnnxCausalModel.Load(package.Folder);
        Assert.AreEqual(Tiny, model.Config);
    }

    [TestMethod]
    public void Threads_and_spinning_change_nothing_but_speed()
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using TestPackage package = TestPackage.Of(reference.Config);
        var options = new OnnxEngineOptions { ThreadCount = 1, SpinWhileWaiting = false };
        using OnnxCausalModel model = OnnxCausalModel.Load(package.Folder, GptDevice.Cpu, options);
        Logits.AreClose(reference.Rows[0].Logits, Logits.OfSequence(model, reference.Rows[0].Ids));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => OnnxCausalModel.Load(package.Folder, GptDevice.Cpu, options with { ThreadCount = 0 }));
    }

    [TestMethod]
    public void ONNX_Runtimes_CUDA_is_told_the_limit_of_memory()
    {
        OnnxEngineOptions limited = new() { CudaMemoryLimitBytes = 6L << 30, AllowTf32 = true };
        CollectionAssert.AreEquivalent(
            new Dictionary<string, string> { ["device_id"] = "2", ["arena_extend_strategy"] = "kSameAsRequested", ["use_tf32"] = "1", ["gpu_mem_limit"] = "6442450944" }.ToArray(), OrtRuntime.CudaSettings(2, limited).ToArray());
        CollectionAssert.AreEquivalent(
            new Dictionary<string, string> { ["device_id"] = "0", ["arena_extend_strategy"] = "kSameAsRequested", ["use_tf32"] = "0" }.ToArray(), OrtRuntime.CudaSettings(0, new()).ToArray());
        using TestPackage package = TestPackage.Of(Tiny);
        foreach (long wrong in new[] { 0, -1L })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => OnnxCausalModel.Load(package.Folder, GptDevice.Cpu, limited with { CudaMemoryLimitBytes = wrong })).Message, $"CudaMemoryLimitBytes is {wrong}; it must be 1 or more");

        // On the CPU, none of which is a GPU's memory, it changes nothing.
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using TestPackage known = TestPackage.Of(reference.Config);
        using OnnxCausalModel model = OnnxCausalModel.Load(known.Folder, GptDevice.Cpu, new() { CudaMemoryLimitBytes = 1 });
        Logits.AreClose(reference.Rows[0].Logits, Logits.OfSequence(model, reference.Rows[0].Ids));
    }

    [TestMethod]
    public void A_model_opened_without_options_takes_the_processs_own()
    {
        using TestPackage package = TestPackage.Of(Tiny);
        OnnxEngineOptions before = OnnxEngineOptions.Default;
        try
        {
            OnnxEngineOptions.Default = new() { KeepWorkingMemory = true };
            using OnnxCausalModel kept = package.Load(), given = OnnxCausalModel.Load(package.Folder, GptDevice.Cpu, new());
            Assert.AreEqual((false, true), (kept.GivesMemoryBack(2_000), given.GivesMemoryBack(2_000)));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => OnnxEngineOptions.Default = new() { ThreadCount = 0 });
            Assert.ThrowsExactly<ArgumentNullException>(() => OnnxEngineOptions.Default = null!);
            Assert.IsTrue(OnnxEngineOptions.Default.KeepWorkingMemory);
        }
        finally
        {
            OnnxEngineOptions.Default = before;
        }
    }

    [TestMethod]
    [DataRow(false, DisplayName = "weights in the graph's file")]
    [DataRow(true, DisplayName = "weights beside the graph")]
    public void A_loaded_package_can_be_written_elsewhere(bool beside)
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using TestPackage package = beside ? TestPackage.WithDataFile(reference.Config) : TestPackage.Of(reference.Config);
        using OnnxCausalModel model = package.Load();
        string copy = package.Beside("copy");
        Directory.CreateDirectory(copy);
        model.WriteOnnxPackage(copy);
        using OnnxCausalModel second = OnnxCausalModel.Load(copy, GptDevice.Cpu);
        Logits.AreClose(reference.Rows[0].Logits, Logits.OfSequence(second, reference.Rows[0].Ids));
        Assert.AreEqual(beside ? 3 : 2, Directory.GetFiles(copy).Length);

        model.WriteOnnxPackage(package.Folder);   // onto itself: nothing to do
        Directory.Delete(package.Folder, recursive: true);
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => model.WriteOnnxPackage(copy));
        Logits.AreClose(reference.Rows[1].Logits, Logits.OfSequence(model, reference.Rows[1].Ids));
        Directory.CreateDirectory(package.Folder);
    }

    [TestMethod]
    public void A_missing_native_library_is_recognised_however_it_shows()
    {
        var missing = new DllNotFoundException("onnxruntime");
        Assert.AreSame(missing, OrtRuntime.MissingLibrary(missing));
        Assert.AreSame(missing, OrtRuntime.MissingLibrary(new TypeInitializationException("NativeMethods", new TypeInitializationException("OrtEnv", missing))));
        Assert.IsNotNull(OrtRuntime.MissingLibrary(new EntryPointNotFoundException("OrtGetApiBase")));
        Assert.IsNotNull(OrtRuntime.MissingLibrary(new BadImageFormatException()));
        Assert.IsNull(OrtRuntime.MissingLibrary(new InvalidOperationException()));

        // A library of an older version has no table of functions for this API, which the managed part meets while it starts.
        var noTable = new ArgumentNullException("ptr");
        Assert.AreSame(noTable, OrtRuntime.MissingLibrary(new TypeInitializationException("NativeMethods", noTable)));
    }

    [TestMethod]
    public void Threads_on_one_core_count_once_and_a_quota_counts()
    {
        // Two cores of two threads each, and a folder that is no processor.
        using TestPackage package = TestPackage.Of(Tiny);
        string topology = package.Beside("cpu");
        string[] siblings = ["0,2", "1,3", "0,2", "1,3"];
        for (int i = 0; i < 4; i++)
        {
            string folder = Path.Combine(topology, $"cpu{i}", "topology");
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "thread_siblings_list"), siblings[i] + "\n");
        }

        Directory.CreateDirectory(Path.Combine(topology, "cpufreq"));
        Assert.AreEqual(2, ProcessorCores.Count(topology, 4));
        Assert.AreEqual(1, ProcessorCores.Count(topology, 1));
        Assert.AreEqual(0, ProcessorCores.Count(package.Beside("nowhere"), 4));
    }

    [TestMethod]
    public void A_state_is_saved_when_the_packages_files_can_be_read_again()
    {
        using TestPackage package = TestPackage.Of(new GptConfig { VocabularySize = 11, ContextLength = 8, EmbeddingSize = 8, LayerCount = 1, HeadCount = 1 });
        using OnnxCausalModel model = package.Load();
        using var decoder = (ISavableDecoder)model.BeginDecoding(1, 4);
        decoder.Append([1, 2], [], LogitsScope.LastPosition, new float[11]);
        Directory.Move(package.Folder, package.Folder + "-away");
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => decoder.Save(new MemoryStream()));
        Directory.Move(package.Folder + "-away", package.Folder);
        using var saved = new MemoryStream();
        decoder.Save(saved);
        Assert.IsGreaterThan(0, saved.Length);
    }
}
