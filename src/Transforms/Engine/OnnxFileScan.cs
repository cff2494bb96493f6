using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// Walks through an ONNX file (a protocol buffer) without reading the weights, checks every length before it is used, and notes which
/// tensors lie in other files. ONNX Runtime reads the file afterwards; what it would be led to open is known before.
/// </summary>
internal sealed class OnnxFileScan
{
    private const string Remedy = "Export the model again, or copy the package again.";
    private const int MaxDepth = 64, MaxTextBytes = 4_096;

    private readonly string path;
    private readonly Stream file;
    private readonly List<OnnxExternalTensor> external = [];
    private bool hasGraph, sharesCache;
    private string weights = "";
    private long number;   // the last one that was read past

    private OnnxFileScan(string path, Stream file) => (this.path, this.file) = (path, file);

    // The messages of the ONNX specification through which a tensor can be reached.
    private enum Message { Skip, Model, Training, Function, Graph, Node, Attribute, SparseTensor, Tensor, ExternalEntry, Metadata }

    /// <summary>Scans a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The tensors that lie in other files, whether past and present may share a buffer, and the format of the weights, as the metadata say; empty where they don't.</returns>
    /// <exception cref="CorruptFileException">The file is no ONNX model, or a length in it does not fit.</exception>
    public static (IReadOnlyList<OnnxExternalTensor> External, bool SharesCache, string Weights) Scan(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1 << 16);
        var scan = new OnnxFileScan(path, file);
        scan.Walk(Message.Model, file.Length, 0);
        if (!scan.hasGraph) throw scan.Corrupt("it holds no graph, so it is no ONNX model.");
        return (scan.external, scan.sharesCache, scan.weights);
    }

    /// <summary>The message that a field of another holds.</summary>
    private static Message Inner(Message message, int field) => (message, field) switch
    {
        (Message.Model, 7) => Message.Graph,
        (Message.Model, 14) => Message.Metadata,
        (Message.Model, 20) => Message.Training,
        (Message.Model, 25) => Message.Function,
        (Message.Training, 1 or 2) => Message.Graph,
        (Message.Function, 7) => Message.Node,
        (Message.Function, 11) => Message.Attribute,
        (Message.Graph, 1) => Message.Node,
        (Message.Graph, 5) => Message.Tensor,
        (Message.Graph, 15) => Message.SparseTensor,
        (Message.Node, 5) => Message.Attribute,
        (Message.Attribute, 5 or 10) => Message.Tensor,
        (Message.Attribute, 6 or 11) => Message.Graph,
        (Message.Attribute, 22 or 23) => Message.SparseTensor,
        (Message.SparseTensor, 1 or 2) => Message.Tensor,
        _ => Message.Skip,
    };

    private void Walk(Message message, long end, int depth)
    {
        if (depth > MaxDepth) throw Corrupt($"its messages are nested more than {MaxDepth} deep.");
        hasGraph |= message == Message.Graph;
        while (file.Position < end)
        {
            (int field, long valueEnd, bool delimited) = ReadField(end);
            Message inner = delimited ? Inner(message, field) : Message.Skip;
            if (inner == Message.Tensor) WalkTensor(valueEnd);
            else if (inner == Message.Metadata) WalkMetadata(valueEnd);
            else if (inner == Message.Node) WalkNode(valueEnd, depth + 1);
            else if (inner != Message.Skip) Walk(inner, valueEnd, depth + 1);
            file.Position = valueEnd;
        }
    }

    /// <summary>ONNX Runtime divides by counts of heads, and fills as many outputs as an attribute counts, without looking at either: a wrong one ends the process.</summary>
    private void WalkNode(long end, int depth)
    {
        int outputs = 0;
        var attributes = new List<(string Name, long Value)>();
        while (file.Position < end)
        {
            (int field, long valueEnd, bool delimited) = ReadField(end);
            if (field == 2 && delimited) outputs++;
            else if (field == 5 && delimited) attributes.Add(WalkAttribute(valueEnd, depth + 1));
            file.Position = valueEnd;
        }

        foreach ((string name, long value) in attributes)
        {
            if (name is "num_heads" or "q_num_heads" or "kv_num_heads" && value < 1) throw Corrupt($"a node's attribute '{name}' is {value}; it must be 1 or more.");
            if (name == "num_outputs" && value != outputs) throw Corrupt($"a node's attribute '{name}' is {value}, and it has {outputs} outputs.");
        }
    }

    /// <returns>The attribute's name, and its number; 0 where it has none.</returns>
    private (string Name, long Value) WalkAttribute(long end, int depth)
    {
        string name = "";
        long value = 0;
        while (file.Position < end)
        {
            (int field, long valueEnd, bool delimited) = ReadField(end);
            Message inner = delimited ? Inner(Message.Attribute, field) : Message.Skip;
            if (field == 1 && delimited) name = ReadText(valueEnd);
            else if (field == 3 && !delimited) value = number;
            else if (inner == Message.Tensor) WalkTensor(valueEnd);
            else if (inner != Message.Skip) Walk(inner, valueEnd, depth + 1);
            file.Position = valueEnd;
        }

        return (name, value);
    }

    private void WalkTensor(long end)
    {
        string name = "", location = "";
        long offset = 0;
        long? length = null;
        bool isExternal = false;
        while (file.Position < end)
        {
            (int field, long valueEnd, bool delimited) = ReadField(end);
            if (field == 8 && delimited)
            {
                name = ReadText(valueEnd);
            }
            else if (field == 13 && delimited)
            {
                isExternal = true;
                (string key, string value) = ReadEntry(valueEnd);
                if (key == "location") location = value;
                else if (key == "offset") offset = ReadNumber(name, key, value);
                else if (key == "length") length = ReadNumber(name, key, value);
            }

            file.Position = valueEnd;
        }

        if (isExternal) external.Add(new OnnxExternalTensor(name, location, offset, length));
    }

    /// <summary>ONNX Runtime's managed part looks a key up by what it has read of it, and fails where that is not the whole key.</summary>
    private void WalkMetadata(long end)
    {
        string key = "";
        while (file.Position < end)
        {
            (int field, long valueEnd, bool delimited) = ReadField(end);
            if (field == 1 && delimited)
            {
                key = ReadText(valueEnd);
                sharesCache |= key == OnnxPackageLayout.CacheKey;
                if (key.AsSpan().ContainsAny('\0', '\uFFFD'))
                    throw Corrupt($"its metadata have the key '{key.Replace('\0', '␀')}', which holds a NUL or bytes that are no UTF-8.");
            }
            else if (field == 2 && delimited && key == OnnxPackageLayout.WeightsKey)
            {
                weights = ReadText(valueEnd);
            }

            file.Position = valueEnd;
        }
    }

    private (string Key, string Value) ReadEntry(long end)
    {
        string key = "", value = "";
        while (file.Position < end)
        {
            (int field, long valueEnd, bool delimited) = ReadField(end);
            if (field == 1 && delimited) key = ReadText(valueEnd);
            else if (field == 2 && delimited) value = ReadText(valueEnd);
            file.Position = valueEnd;
        }

        return (key, value);
    }

    private long ReadNumber(string tensor, string key, string value) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number
            : throw Corrupt($"the {key} of tensor '{tensor}' is '{value}', which is no number.");

    private string ReadText(long end)
    {
        long length = end - file.Position;
        if (length > MaxTextBytes) throw Corrupt($"a name of {length} bytes at byte {file.Position} is longer than {MaxTextBytes}.");
        Span<byte> bytes = stackalloc byte[(int)length];
        file.ReadExactly(bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Reads a field's tag, and for a delimited one its length. A number has been read past already.</summary>
    private (int Field, long ValueEnd, bool Delimited) ReadField(long end)
    {
        long start = file.Position;
        ulong tag = ReadVarint(end);
        ulong field = tag >> 3;
        if (field is 0 or > 536_870_911) throw Corrupt($"byte {start} begins no field of a protocol buffer.");
        ulong length;
        switch (tag & 7)
        {
            case 0:
                number = unchecked((long)ReadVarint(end));
                return ((int)field, file.Position, false);
            case 1:
                length = 8;
                break;
            case 2:
                length = ReadVarint(end);
                break;
            case 5:
                length = 4;
                break;
            default:
                throw Corrupt($"byte {start} begins no field of a protocol buffer.");
        }

        long left = end - file.Position;
        if (length > (ulong)left) throw Corrupt($"the field at byte {start} claims {length} bytes, but only {left} are left; it is cut off or damaged.");
        return ((int)field, file.Position + (long)length, (tag & 7) == 2);
    }

    private ulong ReadVarint(long end)
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (file.Position >= end) throw Corrupt($"it ends in the middle of a number at byte {file.Position}; it is cut off or damaged.");
            int next = file.ReadByte();
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }

        throw Corrupt($"the number before byte {file.Position} is too long.");
    }

    private CorruptFileException Corrupt(string problem) => new(path, problem, Remedy);
}
