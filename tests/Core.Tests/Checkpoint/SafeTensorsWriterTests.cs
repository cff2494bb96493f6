using System.Text;
using System.Text.Json;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

[TestClass]
public sealed class SafeTensorsWriterTests
{
    // Read by hand, by the published rules, and not with this library's reader.
    [TestMethod]
    public void What_is_written_follows_the_published_rules()
    {
        using var folder = new TemporaryFolder();
        SafeTensorInfo[] tensors =
        [
            new("zeta", SafeTensorType.Float32, [2, 3]), new("byte", SafeTensorType.UInt8, [5]), new("half", SafeTensorType.BFloat16, []),
            new("alpha", SafeTensorType.Float32, [1]), new("long", SafeTensorType.Int64, [1]), new("none", SafeTensorType.Float32, [0, 4]),
        ];
        SafeTensorsWriter.Write(folder["a"], tensors, static (tensor, stream) => stream.Write(Content(tensor)), new Dictionary<string, string> { ["format"] = "pt" });

        byte[] bytes = File.ReadAllBytes(folder["a"]);
        int length = (int)BitConverter.ToUInt64(bytes, 0);
        Assert.AreEqual(0, length % 8);
        Assert.AreEqual((byte)'{', bytes[8]);
        string header = Encoding.UTF8.GetString(bytes, 8, length);
        Assert.AreEqual(header.TrimEnd(' ').Length, header.LastIndexOf('}') + 1);
        using JsonDocument json = JsonDocument.Parse(header);
        Assert.AreEqual("pt", json.RootElement.GetProperty("__metadata__").GetProperty("format").GetString());

        // The reference implementation's order: the types with the largest elements first, then by name; and so every tensor at a multiple of its element's size.
        string[] order = [.. json.RootElement.EnumerateObject().Skip(1).Select(static property => property.Name)];
        CollectionAssert.AreEqual(new[] { "long", "alpha", "none", "zeta", "half", "byte" }, order);
        long expected = 0;
        foreach (SafeTensorInfo tensor in order.Select(name => tensors.Single(tensor => tensor.Name == name)))
        {
            JsonElement entry = json.RootElement.GetProperty(tensor.Name);
            Assert.AreEqual(tensor.Name switch { "long" => "I64", "half" => "BF16", "byte" => "U8", _ => "F32" }, entry.GetProperty("dtype").GetString());
            CollectionAssert.AreEqual(tensor.Shape.ToArray(), entry.GetProperty("shape").Deserialize<long[]>());
            long[] offsets = entry.GetProperty("data_offsets").Deserialize<long[]>()!;
            Assert.AreEqual(expected, offsets[0]);
            CollectionAssert.AreEqual(Content(tensor), bytes[(8 + length + (int)offsets[0])..(8 + length + (int)offsets[1])]);
            expected = offsets[1];
        }

        Assert.AreEqual(bytes.Length, 8 + length + expected);
    }

    [TestMethod]
    public void What_is_written_is_read()
    {
        using var folder = new TemporaryFolder();
        SafeTensorInfo[] tensors = [.. Enum.GetValues<SafeTensorType>().Select(static type => new SafeTensorInfo($"te\"nsor\n {type} ü", type, [3, 5]))];
        SafeTensorsWriter.Write(folder["a"], tensors, static (tensor, stream) => stream.Write(Content(tensor)));
        using SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        Assert.IsEmpty(file.Metadata);
        Assert.HasCount(tensors.Length, file.Tensors);
        foreach (SafeTensorInfo tensor in tensors)
        {
            SafeTensorInfo found = file.Find(tensor.Name)!;
            Assert.AreEqual(tensor.ToString(), found.ToString());
            CollectionAssert.AreEqual(Content(tensor), file.Bytes(tensor.Name, 0, (int)tensor.ByteLength).ToArray());
        }
    }

    [TestMethod]
    public void A_tensor_of_another_length_is_refused_and_no_file_appears()
    {
        using var folder = new TemporaryFolder();
        SafeTensorInfo[] tensors = [new("a", SafeTensorType.Float32, [2])];
        foreach (int length in (int[])[7, 9])
        {
            InvalidOperationException exception = Assert.ThrowsExactly<InvalidOperationException>(() => SafeTensorsWriter.Write(folder["a"], tensors, (_, stream) => stream.Write(new byte[length])));
            StringAssert.Contains(exception.Message, "Tensor 'a' has 8 bytes");
        }

        Assert.IsEmpty(folder.Names);
    }

    [TestMethod]
    public void Names_twice_reserved_names_and_negative_sizes_are_refused()
    {
        using var stream = new MemoryStream();
        SafeTensorInfo tensor = new("a", SafeTensorType.UInt8, [1]);
        Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsWriter.Write(stream, [tensor, tensor], Never));
        Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsWriter.Write(stream, [tensor with { Name = "__metadata__" }], Never));
        Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsWriter.Write(stream, [tensor with { Shape = [-1] }], Never));
        Assert.ThrowsExactly<OverflowException>(() => SafeTensorsWriter.Write(stream, [tensor with { Shape = [1L << 40, 1L << 40] }], Never));
        Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsWriter.Write(stream, [tensor with { Name = new string('x', 100_000_001) }], Never));
        Assert.AreEqual(0L, stream.Length);

        static void Never(SafeTensorInfo tensor, Stream stream) => Assert.Fail();
    }

    [TestMethod]
    public void A_disk_without_room_is_found_before_the_first_tensor_is_written()
    {
        using var disk = new TinyDisk(kilobytes: 64);
        Assert.ThrowsExactly<DiskFullException>(() => SafeTensorsWriter.Write(disk["a"], [new("a", SafeTensorType.Float32, [1 << 20])], static (_, _) => Assert.Fail("There is no room for it.")));
        Assert.IsEmpty(TemporaryFolder.NamesIn(disk.Path));
    }

    private static byte[] Content(SafeTensorInfo tensor) => [.. Enumerable.Range(0, (int)tensor.ByteLength).Select(i => (byte)((31 * i) + tensor.Name[0]))];
}
