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
    public void Metadata_are_written_in_the_order_of_their_names_and_none_where_there_are_none()
    {
        Assert.AreEqual("""{"__metadata__":{"B":"2","a":"1","ä":"3"}}""", Header(new() { ["ä"] = "3", ["a"] = "1", ["B"] = "2" }));
        Assert.AreEqual("{}", Header([]));

        static string Header(Dictionary<string, string> metadata)
        {
            using var stream = new MemoryStream();
            SafeTensorsWriter.Write(stream, [], static (_, _) => Assert.Fail(), metadata);
            return Encoding.UTF8.GetString(stream.ToArray(), 8, (int)stream.Length - 8).TrimEnd(' ');
        }
    }

    [TestMethod]
    public void A_tensor_may_be_written_in_pieces_and_its_stream_only_forwards()
    {
        using var stream = new MemoryStream();
        SafeTensorsWriter.Write(stream, [new("a", SafeTensorType.UInt8, [6])], static (_, part) =>
        {
            Assert.AreEqual((false, false, true, 6L, 0L), (part.CanRead, part.CanSeek, part.CanWrite, part.Length, part.Position));
            part.WriteByte(1);
            part.Write([9, 2, 3, 9], 1, 2);
            part.Write([4, 5]);
            part.Flush();
            Assert.AreEqual(5L, part.Position);
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => part.Write([6, 7])).Message, "Tensor 'a' has 6 bytes; 7 or more were written.");
            part.WriteByte(6);
            Assert.AreEqual("A tensor's bytes are written in order.", Assert.ThrowsExactly<NotSupportedException>(() => part.Position = 0).Message);
            Assert.AreEqual("A tensor's bytes are written in order.", Assert.ThrowsExactly<NotSupportedException>(() => part.Seek(0, SeekOrigin.Begin)).Message);
            Assert.AreEqual("A tensor's length is given.", Assert.ThrowsExactly<NotSupportedException>(() => part.SetLength(1)).Message);
            Assert.AreEqual("This stream is for writing.", Assert.ThrowsExactly<NotSupportedException>(() => part.ReadByte()).Message);
        });
        CollectionAssert.AreEqual(new byte[] { 1, 2, 3, 4, 5, 6 }, stream.ToArray()[^6..]);
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => SafeTensorsWriter.Write(stream, [new("a", SafeTensorType.UInt8, [6])], static (_, part) => part.WriteByte(1))).Message,
            "Tensor 'a' has 6 bytes; 1 were written.");
    }

    [TestMethod]
    public void Arguments_that_are_missing_are_named()
    {
        SafeTensorInfo[] tensors = [new("a", SafeTensorType.UInt8, [1])];
        Assert.AreEqual("stream", Assert.ThrowsExactly<ArgumentNullException>(() => SafeTensorsWriter.Write((Stream)null!, tensors, static (_, _) => { })).ParamName);
        Assert.AreEqual("tensors", Assert.ThrowsExactly<ArgumentNullException>(() => SafeTensorsWriter.Write(Stream.Null, null!, static (_, _) => { })).ParamName);
        Assert.AreEqual("writeTensor", Assert.ThrowsExactly<ArgumentNullException>(() => SafeTensorsWriter.Write(Stream.Null, tensors, null!)).ParamName);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsWriter.Write(Stream.Null, [.. tensors, .. tensors], static (_, _) => { })).Message, "The name 'a' is reserved, or given to two tensors.");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsWriter.Write(Stream.Null, [new("a", SafeTensorType.UInt8, [2, -1])], static (_, _) => { })).Message, "Tensor 'a' has the shape [2, -1] U8; no dimension may be negative.");
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
        Assert.ThrowsExactly<OverflowException>(() => SafeTensorsWriter.Write(stream, [tensor with { Shape = [1L << 62] }, tensor with { Name = "b", Shape = [1L << 62] }], Never));
        Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsWriter.Write(stream, [tensor with { Name = new string('x', 100_000_001) }], Never));
        byte[] header = SafeTensorsHeader.Write([tensor], null, 56); // {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} and three spaces
        Assert.HasCount(8 + 56, header);
        StringAssert.StartsWith(
            Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsHeader.Write([tensor], null, 55)).Message, "The header would have 56 bytes; at most 55 are allowed. Write fewer tensors into a file.");
        Assert.AreEqual(0L, stream.Length);

        static void Never(SafeTensorInfo tensor, Stream stream) => Assert.Fail();
    }

    [TestMethod]
    public void A_disk_without_room_is_found_before_the_first_tensor_is_written()
    {
        using var disk = new TinyDisk(kilobytes: 64);
        foreach (SafeTensorInfo[] tensors in (SafeTensorInfo[][])[[new("a", SafeTensorType.Float32, [1 << 20])], [new("a", SafeTensorType.Float32, [1 << 13]), new("b", SafeTensorType.Float32, [1 << 13])]])
            Assert.ThrowsExactly<DiskFullException>(() => SafeTensorsWriter.Write(disk["a"], tensors, static (_, _) => Assert.Fail("There is no room for it.")));
        Assert.IsEmpty(TemporaryFolder.NamesIn(disk.Path));
    }

    private static byte[] Content(SafeTensorInfo tensor) => [.. Enumerable.Range(0, (int)tensor.ByteLength).Select(i => (byte)((31 * i) + tensor.Name[0]))];
}
