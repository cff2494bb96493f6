using System.Text;
using static MLNet.Gpt.ProtocolBuffer;

namespace MLNet.Gpt;

/// <summary>
/// Changes the attention of a model's file, in memory: com.microsoft's GroupQueryAttention, which may write into the buffer of the past, becomes ONNX's Attention, which has another for past
/// and present together. CUDA computes the second in every number format and with any mask, the first in neither float32 nor with a mask.
/// </summary>
internal static class CacheRewrite
{
    // Field numbers of the ONNX specification.
    private const int ModelGraph = 7, GraphNode = 1, NodeInput = 1, NodeOutput = 2, NodeName = 3, NodeOperator = 4, NodeAttribute = 5;
    private const int AttributeName = 1, AttributeInt = 3, AttributeType = 20, IntType = 2;

    /// <summary>The file with the other attention.</summary>
    /// <param name="model">A file of this library's exporter, whose lengths <see cref="OnnxFileScan"/> has checked.</param>
    public static byte[] WithTwoBuffers(byte[] model)
    {
        (int _, int start, int graph, int end) = Fields(model, 0, model.Length).Last(static field => field.Field == ModelGraph);
        var pieces = new List<ReadOnlyMemory<byte>>();
        int kept = graph;
        foreach ((int field, int begin, int value, int after) in Fields(model, graph, end))
        {
            if (field != GraphNode || Replace(model, value, after) is not { } nodes) continue;
            pieces.Add(model.AsMemory(kept, begin - kept));
            pieces.Add(nodes);
            kept = after;
        }

        pieces.Add(model.AsMemory(kept, end - kept));
        byte[] prefix = Prefix(ModelGraph, pieces.Sum(static piece => (long)piece.Length));
        pieces.Insert(0, prefix);
        pieces.Insert(0, model.AsMemory(0, start));
        pieces.Add(model.AsMemory(end));
        byte[] result = new byte[pieces.Sum(static piece => piece.Length)];
        int at = 0;
        foreach (ReadOnlyMemory<byte> piece in pieces)
        {
            piece.CopyTo(result.AsMemory(at));
            at += piece.Length;
        }

        return result;
    }

    /// <summary>The nodes in the place of a GroupQueryAttention over queries, keys and values in one tensor; null for any other node.</summary>
    private static byte[]? Replace(byte[] model, int start, int end)
    {
        List<(int Field, int Start, int ValueStart, int End)> fields = Fields(model, start, end);
        string Text(int field) => All(field).FirstOrDefault() ?? "";
        string[] All(int number) => [.. fields.Where(field => field.Field == number).Select(field => Encoding.UTF8.GetString(model, field.ValueStart, field.End - field.ValueStart))];
        if (Text(NodeOperator) != "GroupQueryAttention") return null;
        string[] inputs = All(NodeInput), outputs = All(NodeOutput);
        if (inputs is not [{ } all, "", "", { } pastKey, { } pastValue, _, _, "", "", "", { } bias]) return null;
        string name = Text(NodeName);
        long heads = 0;
        foreach ((int field, _, int value, int after) in fields.Where(static field => field.Field == NodeAttribute))
        {
            List<(int Field, int Start, int ValueStart, int End)> attribute = Fields(model, value, after);
            (int _, int _, int nameStart, int nameEnd) = attribute.Single(static part => part.Field == AttributeName);
            if (Encoding.UTF8.GetString(model, nameStart, nameEnd - nameStart) != "num_heads") continue;
            (int _, int _, int numberStart, int numberEnd) = attribute.Single(static part => part.Field == AttributeInt);
            for (int i = numberEnd - 1; i >= numberStart; i--) heads = (heads << 7) | (uint)(model[i] & 0x7f);
        }

        string q = name + ".q", k = name + ".k", v = name + ".v";
        return
        [
            .. Node(name + ".split", "Split", [all], [q, k, v], [Attribute("axis", -1), Attribute("num_outputs", 3)]),
            .. Node(name, "Attention", [q, k, v, bias, pastKey, pastValue], outputs, [Attribute("q_num_heads", heads), Attribute("kv_num_heads", heads)]),
        ];
    }

    private static byte[] Node(string name, string op, string[] inputs, string[] outputs, byte[][] attributes)
    {
        List<byte> node = [];
        foreach (string input in inputs) node.AddRange(ProtocolBuffer.Text(NodeInput, input));
        foreach (string output in outputs) node.AddRange(ProtocolBuffer.Text(NodeOutput, output));
        node.AddRange(ProtocolBuffer.Text(NodeName, name));
        node.AddRange(ProtocolBuffer.Text(NodeOperator, op));
        foreach (byte[] attribute in attributes) node.AddRange(Bytes(NodeAttribute, attribute));
        return Bytes(GraphNode, [.. node]);
    }

    private static byte[] Attribute(string name, long value) => [.. ProtocolBuffer.Text(AttributeName, name), .. Number(AttributeInt, value), .. Number(AttributeType, IntType)];
}
