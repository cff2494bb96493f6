using System.Buffers.Binary;
using System.Text;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

[TestClass]
public sealed class SafeTensorsFileTests
{
    // The names and bytes of safetensors' Dtype.
    [TestMethod]
    public void Each_type_has_its_name_and_size()
    {
        (string Name, SafeTensorType Type, int Size)[] types =
        [
            ("BOOL", SafeTensorType.Bool, 1), ("U8", SafeTensorType.UInt8, 1), ("I8", SafeTensorType.Int8, 1), ("F8_E5M2", SafeTensorType.Float8E5M2, 1), ("F8_E4M3", SafeTensorType.Float8E4M3, 1),
            ("F8_E8M0", SafeTensorType.Float8E8M0, 1), ("I16", SafeTensorType.Int16, 2), ("U16", SafeTensorType.UInt16, 2), ("F16", SafeTensorType.Float16, 2), ("BF16", SafeTensorType.BFloat16, 2),
            ("I32", SafeTensorType.Int32, 4), ("U32", SafeTensorType.UInt32, 4), ("F32", SafeTensorType.Float32, 4), ("C64", SafeTensorType.Complex64, 8), ("F64", SafeTensorType.Float64, 8),
            ("I64", SafeTensorType.Int64, 8), ("U64", SafeTensorType.UInt64, 8),
        ];
        CollectionAssert.AreEquivalent(Enum.GetValues<SafeTensorType>(), types.Select(static type => type.Type).ToArray());
        foreach ((string name, SafeTensorType type, int size) in types)
        {
            Assert.AreEqual((name, size), (type.Name(), type.Size()));
            Assert.AreEqual(type, SafeTensorTypes.Parse(name));
        }

        foreach (string name in (string[])["", "f32", "F32 ", "F4"]) Assert.IsNull(SafeTensorTypes.Parse(name), name);
        foreach (int value in (int[])[types.Length, -1])
        {
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ((SafeTensorType)value).Name());
            Assert.AreEqual("type", error.ParamName);
            StringAssert.StartsWith(error.Message, "There is no such element type.");
        }
    }

    [TestMethod]
    public void A_file_written_by_hand_is_read()
    {
        using var folder = new TemporaryFolder();
        string json = """{"__metadata__":{"format":"pt","note":"ü"},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"empty":{"dtype":"F32","shape":[3,0],"data_offsets":[16,16]},"one":{"dtype":"U8","shape":[],"data_offsets":[16,17]}}  """;
        WriteFile(folder["a"], json, [.. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f), .. BitConverter.GetBytes(7L), 9]);
        using SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        CollectionAssert.AreEqual(new[] { "a", "b", "empty", "one" }, file.Tensors.Select(static tensor => tensor.Name).ToArray());
        Assert.AreEqual("pt", file.Metadata["format"]);
        Assert.AreEqual("ü", file.Metadata["note"]);
        Assert.AreEqual("[2, 1] F32", file.Find("a")!.ToString());
        Assert.IsNull(file.Find("c"));
        var values = new float[2];
        file.Read("a", values);
        CollectionAssert.AreEqual(new[] { 1.5f, -2f }, values);
        file.Read("a", values.AsSpan(0, 1), firstElement: 1);
        Assert.AreEqual(-2f, values[0]);
        file.Read("empty", []);
        Assert.AreEqual(7L, BitConverter.ToInt64(file.Bytes("b", 0, 8)));
        Assert.AreEqual(9, file.Bytes("one", 0, 1)[0]);
        Assert.AreEqual(1L, file.Find("one")!.ElementCount);
        Assert.AreEqual(0L, file.Find("empty")!.ElementCount);
    }

    [TestMethod]
    public void A_file_without_tensors_is_read()
    {
        using var folder = new TemporaryFolder();
        WriteFile(folder["a"], """{"__metadata__":null}""", []);
        using SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        Assert.IsEmpty(file.Tensors);
    }

    // Every value of the two 16-bit types, against .NET's own Half and against the definition of bfloat16.
    [TestMethod]
    public void Every_float16_and_bfloat16_is_read_exactly_also_where_it_is_not_aligned()
    {
        using var folder = new TemporaryFolder();
        byte[] all = [.. Enumerable.Range(0, 65_536).SelectMany(static i => BitConverter.GetBytes((ushort)i))];
        WriteFile(folder["a"], """{"pad":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"h":{"dtype":"F16","shape":[65536],"data_offsets":[1,131073]},"b":{"dtype":"BF16","shape":[256,256],"data_offsets":[131073,262145]}}""", [0, .. all, .. all]);
        using SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        var values = new float[65_536];
        file.Read("h", values);
        for (int i = 0; i < values.Length; i++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf((ushort)i);
            Assert.IsTrue(values[i].Equals(expected), $"{i:X4}: {values[i]} for {expected}"); // Equals: NaN is equal to NaN, -0 differs by its bits below
            if (expected == 0) Assert.AreEqual(float.IsNegative(expected), float.IsNegative(values[i]));
        }

        file.Read("b", values);
        for (int i = 0; i < values.Length; i++) Assert.AreEqual((uint)i << 16, BitConverter.SingleToUInt32Bits(values[i]));
    }

    [TestMethod]
    public void Float64_is_rounded()
    {
        using var folder = new TemporaryFolder();
        double[] doubles = [0.1, -1e300, double.NaN, 1e-300, 3];
        WriteFile(folder["a"], """{"d":{"dtype":"F64","shape":[5],"data_offsets":[0,40]}}""", [.. doubles.SelectMany(BitConverter.GetBytes)]);
        using SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        var values = new float[5];
        file.Read("d", values);
        CollectionAssert.AreEqual(new[] { 0.1f, float.NegativeInfinity, float.NaN, 0f, 3f }, values);
    }

    [TestMethod]
    public void Other_types_and_other_lengths_are_refused()
    {
        using var folder = new TemporaryFolder();
        WriteFile(folder["a"], """{"i":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"f":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", new byte[16]);
        SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        TensorMismatchException exception = Assert.ThrowsExactly<TensorMismatchException>(() => file.Read("i", new float[2]));
        Assert.AreEqual(("i", "I32", "F32, F16, BF16 or F64"), (exception.TensorName, exception.Found, exception.Expected));
        StringAssert.EndsWith(exception.Message, "Convert the checkpoint to one of these types.");
        Assert.ThrowsExactly<ArgumentException>(() => file.Read("none", new float[2]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read("f", new float[3]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read("f", new float[1], 2));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read("f", new float[1], -1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Bytes("f", 4, 5).Length);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Bytes("f", long.MaxValue, 1).Length);
        file.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => file.Read("f", new float[2]));
    }

    public static IEnumerable<object[]> BrokenHeaders => new (string Rule, string Json, int DataLength, string Problem)[]
    {
        ("begins with a brace", """ {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "doesn't begin with '{'"),
        ("no array", "[]", 0, "doesn't begin with '{'"),
        ("valid JSON", """{"a":""", 0, "no valid JSON"),
        ("nothing after the object", """{} {}""", 0, "no valid JSON"),
        ("no comment", """{/* */}""", 0, "no valid JSON"),
        ("names unique", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' appears twice"),
        ("one metadata", """{"__metadata__":{},"__metadata__":{}}""", 0, "appears twice"),
        ("metadata are texts", """{"__metadata__":{"a":1}}""", 0, "is not a string"),
        ("metadata are an object", """{"__metadata__":"x"}""", 0, "is not an object"),
        ("metadata unique", """{"__metadata__":{"a":"1","a":"2"}}""", 0, "appears twice in its __metadata__"),
        ("entry is an object", """{"a":[1]}""", 0, "is not an object"),
        ("dtype present", """{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "lacks its dtype"),
        ("shape present", """{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "lacks its shape"),
        ("offsets present", """{"a":{"dtype":"F32","shape":[1]}}""", 4, "lacks its data_offsets"),
        ("shape once", """{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}""", 4, "'shape' of tensor 'a' appears twice"),
        ("dtype once", """{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "'dtype' of tensor 'a' appears twice"),
        ("offsets once", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}""", 4, "'data_offsets' of tensor 'a' appears twice"),
        ("dtype is a text", """{"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}}""", 4, "wrong JSON type"),
        ("dtype known", """{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}""", 1, "dtype 'F4'"),
        ("shape of whole numbers", """{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "other than whole numbers"),
        ("shape not negative", """{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "other than whole numbers"),
        ("shape in 64 bits", """{"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}}""", 4, "other than whole numbers"),
        ("shape is an array", """{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "is not an array"),
        ("product in 64 bits", """{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "more bytes than 64 bits"),
        ("bytes in 64 bits", """{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}""", 0, "more bytes than 64 bits"),
        ("two offsets", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "data_offsets of tensor 'a' are [0]"),
        ("three offsets", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "data_offsets of tensor 'a' are [0, 4, 8]"),
        ("end after begin", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "an end that is not before it"),
        ("length fits shape", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "has 8 bytes; its data_offsets [0, 4] make 4"),
        ("length fits shape behind another", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,4]}}""", 4, "has 1 bytes; its data_offsets [2, 4] make 2"),
        ("within the file", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "ends at byte 4 of the data; the file has 3"),
        ("huge offsets", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[9223372036854775803,9223372036854775807]}}""", 4, "leave a hole"),
        ("no overlap", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6, "tensors overlap"),
        ("no shared data", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4, "tensors overlap"),
        ("no hole", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5, "leave a hole"),
        ("no hole at the begin", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "leave a hole"),
        ("nothing left over", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 3, "take 2 bytes of data; the file has 3"),
    }.Select(static rule => new object[] { rule.Rule, rule.Json, rule.DataLength, rule.Problem });

    [TestMethod]
    [DynamicData(nameof(BrokenHeaders))]
    public void A_file_that_breaks_a_rule_is_refused_with_the_reason(string rule, string json, int dataLength, string problem)
    {
        using var folder = new TemporaryFolder();
        WriteFile(folder["a"], json, new byte[dataLength]);
        CorruptFileException exception = Assert.ThrowsExactly<CorruptFileException>(() => SafeTensorsFile.Open(folder["a"]), rule);
        Assert.AreEqual(folder["a"], exception.Path);
        StringAssert.Contains(exception.Message, problem);
    }

    [TestMethod]
    [DataRow(new byte[0], "fewer than the 8")]
    [DataRow(new byte[] { 1, 2, 3 }, "fewer than the 8")]
    [DataRow(new byte[] { 0, 0, 0, 0, 0, 0, 0, 0 }, "doesn't begin with '{'")]
    [DataRow(new byte[] { 3, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}' }, "said to have 3 bytes; the file has 10")]
    [DataRow(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, (byte)'{', (byte)'}' }, "said to have 18446744073709551615 bytes; at most 100000000")]
    [DataRow(new byte[] { 0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, (byte)'{', (byte)'}' }, "said to have 100000001 bytes; at most 100000000")]
    [DataRow(new byte[] { 0x00, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, (byte)'{', (byte)'}' }, "said to have 100000000 bytes; the file has 10. It is cut short")]
    [DataRow(new byte[] { 7, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'0', (byte)'}' }, "no valid JSON")]
    public void A_file_that_is_no_safetensors_file_is_refused(byte[] bytes, string problem)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["a"], bytes);
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => SafeTensorsFile.Open(folder["a"])).Message, problem);
    }

    [TestMethod]
    public void Members_that_the_format_does_not_know_are_passed_over()
    {
        using var folder = new TemporaryFolder();
        WriteFile(folder["a"], """{"a":{"note":{"dtype":"U8","more":[1,{"shape":[]}]},"dtype":"F32","shape":[1],"axes":["x"],"data_offsets":[0,4]}}""", BitConverter.GetBytes(3f));
        using SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        var value = new float[1];
        file.Read("a", value);
        Assert.AreEqual(3f, value[0]);
    }

    [TestMethod]
    public void What_is_broken_is_told_with_the_file_the_values_and_the_remedy()
    {
        using var folder = new TemporaryFolder();
        WriteFile(folder["a"], """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", new byte[5]);
        StringAssert.Contains(
            Assert.ThrowsExactly<CorruptFileException>(() => SafeTensorsFile.Open(folder["a"])).Message,
            "tensor 'b' begins at byte 3 of the data, where the one before it ends at 2: the tensors leave a hole.");
        WriteFile(folder["a"], "{", []);
        CorruptFileException exception = Assert.ThrowsExactly<CorruptFileException>(() => SafeTensorsFile.Open(folder["a"]));
        StringAssert.Contains(exception.Message, "Fetch or write the file again.");
        Assert.IsInstanceOfType<System.Text.Json.JsonException>(exception.InnerException);
        WriteFile(folder["a"], """{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", []);
        exception = Assert.ThrowsExactly<CorruptFileException>(() => SafeTensorsFile.Open(folder["a"]));
        StringAssert.Contains(exception.Message, "tensor 'a' of shape [4294967296, 4294967296] F32 has more bytes than 64 bits can count.");
        StringAssert.Contains(exception.Message, "Fetch or write the file again.");
        Assert.IsInstanceOfType<OverflowException>(exception.InnerException);
        Assert.ThrowsExactly<ArgumentException>(() => SafeTensorsFile.Open(" "));
    }

    [TestMethod]
    public void A_part_of_a_tensor_is_read_from_any_place_and_not_beyond_its_end()
    {
        using var folder = new TemporaryFolder();
        WriteFile(folder["a"], """{"d":{"dtype":"F64","shape":[3],"data_offsets":[0,24]},"h":{"dtype":"F16","shape":[3],"data_offsets":[24,30]}}""",
            [.. new[] { 1.0, 2, 3 }.SelectMany(BitConverter.GetBytes), .. new[] { (Half)4, (Half)5, (Half)6 }.SelectMany(BitConverter.GetBytes)]);
        using SafeTensorsFile file = SafeTensorsFile.Open(folder["a"]);
        var pair = new float[2];
        file.Read("d", pair, firstElement: 1);
        CollectionAssert.AreEqual(new[] { 2f, 3 }, pair);
        file.Read("h", pair, firstElement: 1);
        CollectionAssert.AreEqual(new[] { 5f, 6 }, pair);
        file.Read("h", [], firstElement: 3);
        Assert.AreEqual(6, (float)BitConverter.ToHalf(file.Bytes("h", 4, 2)));
        Assert.AreEqual(0, file.Bytes("h", 6, 0).Length);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Read("h", pair, firstElement: 2)).Message, "Tensor 'h' has 3 elements; 2 from 2 on were asked for.");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Bytes("h", 5, 2).Length).Message, "Tensor 'h' has 6 bytes; 2 from 5 on were asked for.");
        Assert.AreEqual("offset", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Bytes("h", -1, 1).Length).ParamName);
        Assert.AreEqual("length", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => file.Bytes("h", 0, -1).Length).ParamName);
        Assert.AreEqual("name", Assert.ThrowsExactly<ArgumentNullException>(() => file.Read(null!, pair)).ParamName);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => file.Read("none", pair)).Message, "has no tensor 'none'");
    }

    [TestMethod]
    public void A_file_cut_anywhere_is_refused()
    {
        using var folder = new TemporaryFolder();
        byte[] whole = File.ReadAllBytes(Path.Combine(CheckpointFixtures.Folder("gpt2"), "model.safetensors"));
        for (int length = 0; length < whole.Length; length += 97)
        {
            File.WriteAllBytes(folder["a"], whole[..length]);
            Assert.ThrowsExactly<CorruptFileException>(() => SafeTensorsFile.Open(folder["a"]), $"{length}");
        }
    }

    private static void WriteFile(string path, string json, byte[] data)
    {
        byte[] header = Encoding.UTF8.GetBytes(json), length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        File.WriteAllBytes(path, [.. length, .. header, .. data]);
    }
}
