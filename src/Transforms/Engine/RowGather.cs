using System.Text;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using static MLNet.Gpt.ProtocolBuffer;

namespace MLNet.Gpt;

/// <summary>
/// Copies chosen rows of a cache tensor to another, on the device where both lie: an ONNX model of one Gather, made here byte by byte, because
/// ONNX Runtime's API can't copy part of a device's tensor.
/// </summary>
internal sealed class RowGather : IDisposable
{
    private static readonly string[] Inputs = ["data", "rows"], Outputs = ["chosen"];

    private readonly InferenceSession session;

    public RowGather(GptDevice device, OnnxEngineOptions options, TensorElementType type) => session = OrtRuntime.OpenHelper(Build(type), device, options);

    /// <summary>Copies rows.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="source">(B, H, P, D).</param>
    /// <param name="rows">int64 (B').</param>
    /// <param name="destination">(B', H, P, D).</param>
    public void Run(RunOptions options, OrtValue source, OrtValue rows, OrtValue destination) =>
        session.Run(options, Inputs, [source, rows], Outputs, [destination]);

    public void Dispose() => session.Dispose();

    /// <summary>chosen = Gather(data (B, H, P, D), rows (B'), axis 0), as an ONNX file.</summary>
    public static byte[] Build(TensorElementType type)
    {
        const int Int64 = 7;
        int number = (int)type; // the numbers of ONNX's own data types
        byte[] node = [.. Text(1, "data"), .. Text(1, "rows"), .. Text(2, "chosen"), .. Text(4, "Gather")];
        byte[] graph =
        [
            .. Bytes(1, node), .. Text(2, "rows"),
            .. Bytes(11, Value("data", number, "b", "h", "p", "d")), .. Bytes(11, Value("rows", Int64, "c")),
            .. Bytes(12, Value("chosen", number, "c", "h", "p", "d")),
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
}
