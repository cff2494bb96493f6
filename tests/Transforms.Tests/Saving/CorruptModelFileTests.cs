using System.IO.Compression;
using System.Text;
using Microsoft.ML;

namespace MLNet.Gpt.Transforms.Tests.Saving;

[TestClass]
public sealed class CorruptModelFileTests
{
    [TestMethod]
    public void A_changed_byte_of_the_weights_is_found() =>
        AssertCorrupt("model.onnx", bytes => bytes[bytes.Length / 2] ^= 1, "'model.onnx' is not what was saved");

    [TestMethod]
    public void A_changed_byte_of_the_tokenizer_is_found() =>
        AssertCorrupt("tokenizer.json", bytes => bytes[^3] ^= 1, "'tokenizer.json' is not what was saved");

    [TestMethod]
    public void A_file_cut_short_is_found() =>
        AssertCorrupt("model.onnx", bytes => bytes[..(bytes.Length / 2)], "bytes; ");

    [TestMethod]
    public void A_missing_file_is_found() =>
        AssertCorrupt("model.onnx", bytes => null, "'model.onnx' is missing");

    [TestMethod]
    public void A_format_of_another_version_says_so() =>
        // The version stands before the kind, whose text is preceded by its length.
        AssertCorrupt("Model.key", bytes => bytes[Find(bytes, "\fGenerateText") - 4] = 9, "format version 9");

    [TestMethod]
    public void An_unknown_transformer_says_so() =>
        AssertCorrupt("Model.key", bytes => Replace(bytes, "\fGenerateText", "\fGenerateSong"), "'GenerateSong'");

    [TestMethod]
    public void Settings_that_are_not_understood_are_an_error() =>
        AssertCorrupt("Model.key", bytes => Replace(bytes, "\"TopK\":20", "\"TopQ\":20"), "TopQ");

    [TestMethod]
    public void Settings_out_of_range_are_an_error() =>
        AssertCorrupt("Model.key", bytes => Replace(bytes, "\"TopK\":20", "\"TopK\":-2"), "TopK is -2");

    [TestMethod]
    public void A_name_that_leads_out_of_the_folder_is_refused() =>
        AssertCorrupt("Model.key", bytes => Replace(bytes, "config.json", "../cfg.json"), "'../cfg.json'");

    [TestMethod]
    public void A_name_that_stands_twice_is_refused() =>
        AssertCorrupt("Model.key", bytes => Replace(bytes, "model.onnx", "vocab.json"), "'vocab.json'");

    [TestMethod]
    public void A_negative_number_of_bytes_is_refused() =>
        AssertCorrupt("Model.key", bytes =>
        {
            int length = Find(bytes, "\nmodel.onnx") + 11;
            bytes.AsSpan(length, 8).Fill(0xFF); // -1
        }, "'model.onnx'");

    [TestMethod]
    [DataRow(12, DisplayName = "bzip2")]
    [DataRow(93, DisplayName = "Zstandard")]
    [DataRow(99, DisplayName = "encrypted")]
    public void A_file_packed_by_a_method_that_NET_does_not_know_is_named(int method)
    {
        using var saved = new SavedPipeline();
        byte[] zip = File.ReadAllBytes(saved.ZipPath);
        Span<byte> name = Encoding.UTF8.GetBytes("model.onnx");
        int changed = 0;
        for (int at = 0; at < zip.Length - 46; at++)
        {
            // The method stands at byte 8 of a local header and at byte 10 of one in the directory; the names after byte 30 and 46.
            bool local = zip.AsSpan(at).StartsWith("PK\x03\x04"u8), central = zip.AsSpan(at).StartsWith("PK\x01\x02"u8);
            if (!local && !central) continue;
            int length = BitConverter.ToUInt16(zip, at + (local ? 26 : 28));
            if (!zip.AsSpan(at + (local ? 30 : 46), length).EndsWith(name)) continue;
            zip[at + (local ? 8 : 10)] = (byte)method;
            changed++;
        }

        Assert.IsGreaterThanOrEqualTo(2, changed);
        string path = saved.PathOf("other.zip");
        File.WriteAllBytes(path, zip);
        CorruptFileException exception = SaveAndLoadTests.Cause<CorruptFileException>(AssertLeavesNothing(saved, path));
        StringAssert.Contains(exception.Message, "'model.onnx' can't be unpacked");
    }

    [TestMethod]
    public void A_zip_cut_short_is_an_error_and_leaves_nothing_behind()
    {
        using var saved = new SavedPipeline();
        File.WriteAllBytes(saved.PathOf("short.zip"), File.ReadAllBytes(saved.ZipPath)[..^500]);
        AssertLeavesNothing(saved, saved.PathOf("short.zip")); // ML.NET's own error: it can't open the zip
    }

    private static void AssertCorrupt(string entryName, Action<byte[]> change, string message) => AssertCorrupt(entryName, bytes =>
    {
        change(bytes);
        return bytes;
    }, message);

    // Changes the named part of the generating transformer, which is the chain's third.
    private static void AssertCorrupt(string entryName, Func<byte[], byte[]?> change, string message)
    {
        using var saved = new SavedPipeline();
        string path = saved.PathOf("corrupt.zip");
        File.Copy(saved.ZipPath, path);
        using (ZipArchive zip = ZipFile.Open(path, ZipArchiveMode.Update))
        {
            ZipArchiveEntry entry = zip.Entries.Single(e => e.FullName.Replace('\\', '/').EndsWith("Transform_002/" + entryName, StringComparison.Ordinal));
            byte[] bytes;
            using (Stream stream = entry.Open())
            using (var memory = new MemoryStream())
            {
                stream.CopyTo(memory);
                bytes = memory.ToArray();
            }

            string name = entry.FullName;
            entry.Delete();
            if (change(bytes) is { } changed)
            {
                using Stream stream = zip.CreateEntry(name).Open();
                stream.Write(changed);
            }
        }

        CorruptFileException exception = SaveAndLoadTests.Cause<CorruptFileException>(AssertLeavesNothing(saved, path));
        StringAssert.Contains(exception.Message, message);
    }

    private static Exception AssertLeavesNothing(SavedPipeline saved, string path)
    {
        string temporary = saved.PathOf("temporary");
        Directory.CreateDirectory(temporary);
        Exception exception = Assert.Throws<Exception>(() => new MLContext { TempFilePath = temporary }.Model.Load(path, out _));
        // The transformers before the one at fault were loaded, and nobody holds them: what the collector has not reached yet it takes now.
        for (int i = 0; i < 20 && Directory.GetDirectories(temporary, "mlnet-gpt-model-*").Length > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.HasCount(0, Directory.GetDirectories(temporary, "mlnet-gpt-model-*"));
        return exception;
    }

    private static int Find(byte[] bytes, string text)
    {
        int at = bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text));
        Assert.IsGreaterThanOrEqualTo(0, at, $"'{text}' is not there.");
        return at;
    }

    private static byte[] Replace(byte[] bytes, string old, string with)
    {
        Encoding.UTF8.GetBytes(with).CopyTo(bytes, Find(bytes, old));
        return bytes;
    }
}
