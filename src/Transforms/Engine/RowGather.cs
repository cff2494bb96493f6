using System.Text;
using Microsoft.ML.OnnxRuntime;

namespace MLNet.Gpt;

/// <summary>
/// Copies chosen rows of a cache tensor to another, on the device where both lie: an ONNX model of one Gather, made here byte by byte, because
/// ONNX Runtime's API can't copy part of a device's tensor.
/// </summary>
internal sealed class RowGather : IDisposable
{
    private static readonly string[] Inputs = ["data", "rows"], Outputs = ["chosen"];

    private readonly InferenceSession session;

    public RowGather(GptDevice device, OnnxEngineOptions options) => session = OrtRuntime.OpenHelper(Model, device, options);

    /// <summary>chosen = Gather(data (B, H, P, D), rows (B'), axis 0), as an ONNX file.</summary>
    public static byte[] Model { get; } = Build();

    /// <summary>Copies rows.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="source">(B, H, P, D).</param>
    /// <param name="rows">int64 (B').</param>
    /// <param name="destination">(B', H, P, D).</param>
    public void Run(RunOptions options, OrtValue source, OrtValue rows, OrtValue destination) =>
        session.Run(options, Inputs, [source, rows], Outputs, [destination]);

    public void Dispose() => session.Dispose();

    private static byte[] Build()
    {
        const int Float = 1, Int64 = 7;
        byte[] node = [.. Text(1, "data"), .. Text(1, "rows"), .. Text(2, "chosen"), .. Text(4, "Gather")];
        byte[] graph =
        [
            .. Bytes(1, node), .. Text(2, "rows"),
            .. Bytes(11, Value("data", Float, "b", "h", "p", "d")), .. Bytes(11, Value("rows", Int64, "c")),
            .. Bytes(12, Value("chosen", Float, "c", "h", "p", "d")),
        ];
        byte[] opset = [.. Text(1, ""), .. Number(2, 17)];
        return [.. Number(1, 8), .. Bytes(7, graph), .. Bytes(8, opset)];   // ModelProto: ir_version, graph, opset_import
    }

    private static byte[] Value(string name, int elementType, params ReadOnlySpan<string> symbols)
    {
        List<byte> shape = [];
        foreach (string symbol in symbols) shape.AddRange(Bytes(1, Text(2, symbol)));
        byte[] tensor = [.. Number(1, elementType), .. Bytes(2, [.. shape])];
        return [.. Text(1, name), .. Bytes(2, Bytes(1, tensor))];
    }

    // A protocol buffer's fields: a tag, then a number below 128, or a length below 128 x 128 and as many bytes.
    private static byte[] Number(int field, int value) => [(byte)(field << 3), (byte)value];

    private static byte[] Text(int field, string text) => Bytes(field, Encoding.ASCII.GetBytes(text));

    private static byte[] Bytes(int field, byte[] value) => value.Length < 128
        ? [(byte)((field << 3) | 2), (byte)value.Length, .. value]
        : [(byte)((field << 3) | 2), (byte)(value.Length & 0x7f | 0x80), (byte)(value.Length >> 7), .. value];
}
