using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Transforms.Tests.Saving;

namespace MLNet.Gpt.Transforms.Tests.Retrieval;

[TestClass]
public sealed class PassageFileTests
{
    // 8 magic, version, C = 2, N = 2; two vectors of 2 float32; "ab" and "é" with the length of each.
    private static readonly byte[] Known =
    [
        .. "MLGPTPAS"u8, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0x80, 0xBF, 0, 0, 0, 0, // 1, 2, -1, 0
        2, 0, 0, 0, .. "ab"u8, 2, 0, 0, 0, .. "é"u8,
    ];

    [TestMethod]
    public void It_is_written_and_read_as_documented()
    {
        using var folder = new TemporaryFolder();
        PassageFile.Write(folder["p"], ["ab", "é"], [new float[] { 1, 2 }, new float[] { -1, 0 }]);
        CollectionAssert.AreEqual(Known, File.ReadAllBytes(folder["p"]));
        (string[] passages, float[][] vectors) = PassageFile.Read(folder["p"]);
        CollectionAssert.AreEqual(new[] { "ab", "é" }, passages);
        CollectionAssert.AreEqual(new float[] { 1, 2, -1, 0 }, vectors.SelectMany(static vector => vector).ToArray());
    }

    [TestMethod]
    public void Cut_short_anywhere_it_is_refused()
    {
        using var folder = new TemporaryFolder();
        for (int length = 0; length < Known.Length; length++)
        {
            File.WriteAllBytes(folder["p"], Known[..length]);
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => PassageFile.Read(folder["p"])).Message, length < 24 ? "its header alone has 24" : "is cut short");
        }

        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => PassageFile.Read(folder["none"])).Message, "'mlnet_gpt_passages.bin' is missing");
    }

    [TestMethod]
    [DataRow(0, "58", "does not begin as such a file does")]
    [DataRow(8, "02", "has format version 2")]
    [DataRow(12, "00", "claims 2 passages with vectors of 0 numbers")]
    [DataRow(12, "FFFFFFFF", "claims 2 passages with vectors of -1 numbers")]
    [DataRow(12, "FFFFFF7F", "2 passages with vectors of 2147483647 numbers take 17179869208 or more")] // 24 + 2 · (4 · (2^31 - 1) + 4)
    [DataRow(12, "03", "2 passages with vectors of 3 numbers take 56 or more")]
    [DataRow(12, "01", "is cut short: passage 0 of 2 has")] // what is read as a text's length is a number of a vector
    [DataRow(16, "00", "claims 0 passages")]
    [DataRow(16, "0300000000000000", "3 passages with vectors of 2 numbers take 60 or more")]
    [DataRow(16, "FFFFFF7F00000000", "claims 2147483647 passages")]
    [DataRow(16, "0000000000000080", "claims -9223372036854775808 passages")]
    [DataRow(24, "0000C07F", "NaN as number 0 of vector 0")]
    [DataRow(36, "000080FF", "-Infinity as number 1 of vector 1")]
    [DataRow(40, "09", "passage 0 of 2 has 9 bytes, and 8 are left")]
    [DataRow(40, "FFFFFFFF", "passage 0 of 2 has -1 bytes")]
    [DataRow(46, "01", "has 1 bytes behind the last of 2 passages")]
    [DataRow(50, "FFFF", "has a passage 1 that is no UTF-8")]
    public void What_can_not_be_is_refused(int at, string bytes, string problem)
    {
        using var folder = new TemporaryFolder();
        byte[] file = [.. Known];
        Convert.FromHexString(bytes).CopyTo(file, at);
        if (at == 46) file[50] = (byte)'e';
        File.WriteAllBytes(folder["p"], file);
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => PassageFile.Read(folder["p"])).Message, problem);
    }

    [TestMethod]
    public void A_pipeline_keeps_its_passages_in_an_entry_of_their_own_and_shares_its_model()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder, tokenizer: GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .\uFFFD"])));
        var ml = new MLContext { TempFilePath = folder["temporary"] };
        IDataView questions = ml.Data.LoadFromEnumerable(Text.Row.Make(["the cat sat."]));
        string[] passages = ["the cat sat.", "half \ud800 of a pair", "a dog runs.", ""];
        ITransformer chain = ml.Gpt().Transforms.RetrieveText("Context", "Text", model, passages, new() { Top = 4, MaxTokens = 90, Separator = " " })
            .Append(ml.Gpt().Transforms.RetrieveText("Other", "Text", model, passages[2..], new() { Top = 4, MaxTokens = 90, Separator = " " }))
            .Append(ml.Gpt().Transforms.ScoreText("Score", "Text", model)).Fit(questions);
        ml.Model.Save(chain, questions.Schema, folder["model.zip"]);
        using (ZipArchive zip = ZipFile.OpenRead(folder["model.zip"]))
        {
            // 24, four vectors of 16 numbers, and each text behind its length; U+FFFD has 3 bytes.
            Assert.AreEqual(24 + (4 * 16 * 4) + (4 * 4) + "the cat sat.".Length + "half  of a pair".Length + 3 + "a dog runs.".Length, zip.Entries.First(static entry => entry.Name == "mlnet_gpt_passages.bin").Length);
        }

        ITransformer loaded = ml.Model.Load(folder["model.zip"], out _);
        using var disposal = (IDisposable)loaded;
        RetrieveTextTransformer first = ((TransformerChain<ITransformer>)loaded).OfType<RetrieveTextTransformer>().First(), second = ((TransformerChain<ITransformer>)loaded).OfType<RetrieveTextTransformer>().Last();
        CollectionAssert.AreEqual(new[] { "the cat sat.", "half \uFFFD of a pair", "a dog runs.", "" }, first.Passages.ToArray());
        CollectionAssert.AreEqual(passages[2..], second.Passages.ToArray());
        Assert.AreSame(first.Model, second.Model, "other passages, the same model");
        Assert.AreSame(first.Model, ((TransformerChain<ITransformer>)loaded).OfType<ScoreTextTransformer>().Single().Model);
        Assert.IsFalse(Directory.EnumerateFiles(folder["temporary"], "mlnet_gpt_passages.bin", SearchOption.AllDirectories).Any(), "what has been read takes no room on the disk");
        foreach (string column in new[] { "Context", "Other" })
            CollectionAssert.AreEqual(chain.Transform(questions).GetColumn<string>(column).ToArray(), loaded.Transform(questions).GetColumn<string>(column).ToArray());
    }

    // The file and its hash in the table are whole; what is in it is not the model's.
    [TestMethod]
    public void Passages_of_another_model_or_none_are_refused()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder));
        var ml = new MLContext();
        IDataView questions = ml.Data.LoadFromEnumerable(Text.Row.Make(["the cat sat."]));
        ml.Model.Save(ml.Gpt().Transforms.RetrieveText("Context", "Text", model, ["a"]).Fit(questions), questions.Schema, folder["model.zip"]);
        Assert.AreEqual(93, Change(Known));
        Assert.ThrowsExactly<ArgumentException>(() => ml.Gpt().Transforms.RetrieveText("Context", "Text", model, [null!]));
        CorruptFileException other = SaveAndLoadTests.Cause<CorruptFileException>(Assert.Throws<Exception>(() => ml.Model.Load(folder["changed.zip"], out _)));
        StringAssert.Contains(other.Message, "The passages' vectors have 2 numbers; the model's have 16.");

        // Puts other bytes into the entry, with their length and hash.
        int Change(byte[] bytes)
        {
            File.Copy(folder["model.zip"], folder["changed.zip"]);
            using ZipArchive zip = ZipFile.Open(folder["changed.zip"], ZipArchiveMode.Update);
            ZipArchiveEntry passages = zip.Entries.Single(static entry => entry.Name == "mlnet_gpt_passages.bin");
            string name = passages.FullName;
            ZipArchiveEntry table = zip.Entries.Single(entry => entry.FullName == name.Replace("mlnet_gpt_passages.bin", "Model.key", StringComparison.Ordinal));
            byte[] was = Read(table);
            int at = was.AsSpan().IndexOf(Encoding.UTF8.GetBytes("mlnet_gpt_passages.bin")) + "mlnet_gpt_passages.bin".Length;
            int length = checked((int)BitConverter.ToInt64(was, at));
            BitConverter.GetBytes((long)bytes.Length).CopyTo(was, at);
            SHA256.HashData(bytes).CopyTo(was, at + 8);
            Replace(table, was);
            Replace(passages, bytes);
            return length;

            static byte[] Read(ZipArchiveEntry entry)
            {
                using Stream stream = entry.Open();
                using var memory = new MemoryStream();
                stream.CopyTo(memory);
                return memory.ToArray();
            }

            void Replace(ZipArchiveEntry entry, byte[] with)
            {
                string full = entry.FullName;
                entry.Delete();
                using Stream stream = zip.CreateEntry(full).Open();
                stream.Write(with);
            }
        }
    }
}
