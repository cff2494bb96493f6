using System.Text;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using static MLNet.Gpt.ProtocolBuffer;

namespace MLNet.Gpt;

/// <summary>
/// Copies chosen rows, or chosen positions of all rows, of a cache tensor to another, each on the model's device or the CPU: an ONNX model of one
/// Gather, made here byte by byte, because ONNX Runtime's API can't copy part of a device's tensor.
/// </summary>
internal sealed class CacheGather : IDisposable
{
    /// <summary>The axis of the rows.</summary>
    public const int Rows = 0;

    /// <summary>The axis of the positions.</summary>
    public const int Positions = 2;

    private const string Data = "data", Indices = "indices", Chosen = "chosen";

    private static readonly string[] Inputs = [Data, Indices], Outputs = [Chosen];

    private readonly InferenceSession session;

    /// <param name="device">Where to compute.</param>
    /// <param name="options">The engine's settings.</param>
    /// <param name="type">The type of the cache's numbers.</param>
    /// <param name="axis"><see cref="Rows"/> or <see cref="Positions"/>.</param>
    public CacheGather(GptDevice device, OnnxEngineOptions options, TensorElementType type, int axis) => session = OrtRuntime.OpenHelper(Build(type, axis), device, options);

    /// <summary>Copies rows or positions; one may be named more than once.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="source">(B, H, P, D).</param>
    /// <param name="indices">int64 (N).</param>
    /// <param name="destination">(N, H, P, D) or (B, H, N, D). No part of the source.</param>
    public void Run(RunOptions options, OrtValue source, OrtValue indices, OrtValue destination) =>
        session.Run(options, Inputs, [source, indices], Outputs, [destination]);

    public void Dispose() => session.Dispose();

    /// <summary>chosen = Gather(data (B, H, P, D), indices (N), axis), as an ONNX file.</summary>
    public static byte[] Build(TensorElementType type, int axis)
    {
        const int Int64 = 7, IntAttribute = 2;
        int number = (int)type; // the numbers of ONNX's own data types
        string[] chosen = ["b", "h", "p", "d"];
        chosen[axis] = "n";
        byte[] node =
        [
            .. Text(1, Data), .. Text(1, Indices), .. Text(2, Chosen), .. Text(4, "Gather"),
            .. Bytes(5, [.. Text(1, "axis"), .. Number(3, axis), .. Number(20, IntAttribute)]),
        ];
        byte[] graph =
        [
            .. Bytes(1, node), .. Text(2, "gather"),
            .. Bytes(11, Value(Data, number, "b", "h", "p", "d")), .. Bytes(11, Value(Indices, Int64, "n")),
            .. Bytes(12, Value(Chosen, number, chosen)),
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
