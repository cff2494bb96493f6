using System.Text;
using System.Text.Json;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

[TestClass]
public sealed class StrictJsonTests
{
    private static readonly JsonSerializerOptions Options = new();

    // Brackets within strings, behind escapes and before a fault are what they are.
    [TestMethod]
    [DataRow("", 0)]
    [DataRow("1", 0)]
    [DataRow("[]", 1)]
    [DataRow("[[],{\"a\":[1]},[]]", 3)]
    [DataRow("\"[[[[\"", 0)]
    [DataRow("{\"\\\"[\":\"\\\\\",\"b\":[\"{[\"]}", 2)]
    [DataRow("[[[", 3)]
    public void The_depth_of_JSON_is_that_of_its_brackets(string json, int depth) => Assert.AreEqual(depth, StrictJson.DepthOf(Encoding.UTF8.GetBytes(json)));

    [TestMethod]
    public void What_is_nested_too_deep_says_how_deep()
    {
        string Lists(int count) => new string('[', count) + new string(']', count);
        StrictJson.Parse(Lists(64)).Dispose();
        foreach (Action parse in new Action[] { () => StrictJson.Parse(Lists(65)), () => StrictJson.Parse(Encoding.UTF8.GetBytes(Lists(65))) })
        {
            var error = Assert.ThrowsExactly<JsonDepthException>(parse);
            Assert.AreEqual((65, "It is nested 65 deep; at most 64 objects and lists within each other are read."), (error.Depth, error.Message));
        }
    }

    [TestMethod]
    [DataRow("{\"a\":1,\"a\":2}")]
    [DataRow("[{\"b\":{\"a\":1,\"a\":2}}]")]
    [DataRow("\"\\ud800\"")]            // half of a surrogate pair: as a value,
    [DataRow("[1,[\"\\udc00x\"]]")]     // in arrays,
    [DataRow("{\"a\":{\"b\":\"\\ud800\"}}")]
    [DataRow("{\"\\ud800\":1}")]        // and as a name
    [DataRow("{")]
    [DataRow("")]
    public void What_can_not_be_read_whole_is_not_read_at_all(string json)
    {
        foreach (Action read in new Action[]
        {
            () => StrictJson.Parse(json).Dispose(), () => StrictJson.Parse(Encoding.UTF8.GetBytes(json).AsMemory()).Dispose(), () => StrictJson.Deserialize<JsonElement>(json, Options),
            () => StrictJson.Deserialize<JsonElement>(Encoding.UTF8.GetBytes(json).AsMemory(), Options),
        })
            Assert.Throws<JsonException>(read);
        if (json.Contains("\\u", StringComparison.Ordinal)) StringAssert.Contains(Assert.ThrowsExactly<JsonException>(() => StrictJson.Parse(json)).Message, "A string holds bytes that are no UTF-8, or half of a surrogate pair.");
    }

    [TestMethod]
    public void Bytes_that_are_no_UTF8_are_found_in_values_and_names()
    {
        foreach (byte[] json in new byte[][] { [(byte)'"', 0xFF, (byte)'"'], [.. "{\""u8, 0xC3, .. "\":1}"u8], [.. "{\"a\":[\""u8, 0xFF, .. "\"]}"u8] })
            StringAssert.Contains(Assert.ThrowsExactly<JsonException>(() => StrictJson.Parse(json.AsMemory())).Message, "A string holds bytes that are no UTF-8");
    }

    // Windows' editors and shells write one.
    [TestMethod]
    public void A_byte_order_mark_is_passed_over()
    {
        byte[] file = [.. Encoding.UTF8.Preamble, .. "{\"a\":7}"u8];
        using JsonDocument document = StrictJson.Parse(file.AsMemory());
        Assert.AreEqual(7, document.RootElement.GetProperty("a").GetInt32());
        CollectionAssert.AreEqual("{\"a\":7}"u8.ToArray(), StrictJson.WithoutMark(file).ToArray());
        CollectionAssert.AreEqual("{}"u8.ToArray(), StrictJson.WithoutMark("{}"u8.ToArray()).ToArray());
    }

    [TestMethod]
    public void Values_come_as_their_type_or_with_the_reason_why_not()
    {
        Assert.AreEqual(7, StrictJson.Deserialize<int>("7", Options));
        CollectionAssert.AreEqual(new[] { "é", "\U0001F600" }, StrictJson.Deserialize<string[]>("[\"é\",\"\\ud83d\\ude00\"]", Options));
        Assert.AreEqual(7, StrictJson.Deserialize<int>((byte[])[.. Encoding.UTF8.Preamble, (byte)'7'], Options));
        Assert.AreEqual(7, StrictJson.Deserialize<int>("7"u8.ToArray(), Options));
        Assert.AreEqual("It is null.", Assert.ThrowsExactly<JsonException>(() => StrictJson.Deserialize<string>("null", Options)).Message);
        Assert.ThrowsExactly<JsonException>(() => StrictJson.Deserialize<int>("\"x\"", Options));
        StringAssert.Contains(Assert.ThrowsExactly<JsonException>(() => StrictJson.Deserialize<Foreign>("1", Options)).Message, "A value is of another type or outside its range: from elsewhere");
    }

    /// <summary>A value whose reader fails as no reader of JSON does.</summary>
    [System.Text.Json.Serialization.JsonConverter(typeof(Failing))]
    private sealed class Foreign;

    private sealed class Failing : System.Text.Json.Serialization.JsonConverter<Foreign>
    {
        public override Foreign Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new ArgumentException("from elsewhere");

        public override void Write(Utf8JsonWriter writer, Foreign value, JsonSerializerOptions options) => throw new NotSupportedException();
    }
}
