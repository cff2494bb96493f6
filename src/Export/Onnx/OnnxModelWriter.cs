using System.Globalization;
using Google.Protobuf;
using MLNet.Gpt.Onnx;

namespace MLNet.Gpt;

/// <summary>
/// Writes an ONNX model, one weight in memory at a time: the protocol-buffer framing of the weights is written here, field by field,
/// because a <see cref="ModelProto"/> that held them would be a second copy of the model.
/// </summary>
internal sealed class OnnxModelWriter
{
    // Tags of length-delimited fields: (number << 3) | 2, one byte each.
    private const byte ModelGraph = (7 << 3) | 2;
    private const byte GraphInitializer = (5 << 3) | 2;
    private const byte TensorRawData = (9 << 3) | 2;

    /// <summary>Tensors beside the graph begin at multiples of this, so that they can be mapped into memory (Windows' allocation granule).</summary>
    private const long ExternalAlignment = 65_536;

    private readonly ModelProto model;
    private readonly GraphBuilder graph;
    private readonly WeightReader reader;

    /// <param name="model">The model without its graph.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="weights">Where the numbers come from.</param>
    /// <exception cref="ArgumentException">A weight has more elements than an array of .NET can hold.</exception>
    public OnnxModelWriter(ModelProto model, GraphBuilder graph, IGptWeights weights)
    {
        (this.model, this.graph) = (model, graph);
        reader = new WeightReader(weights, graph.Parameters);
    }

    /// <summary>The size of all weights.</summary>
    public long WeightBytes => graph.Weights.Sum(static weight => weight.ByteCount);

    /// <summary>Writes the model with its weights in it.</summary>
    public void WriteEmbedded(Stream destination)
    {
        TensorProto[] headers = [.. graph.Weights.Select(Header)];
        long length = graph.Graph.CalculateSize();
        for (int i = 0; i < headers.Length; i++)
        {
            long tensor = TensorLength(headers[i], graph.Weights[i]);
            length += 1 + CodedOutputStream.ComputeInt64Size(tensor) + tensor;
        }

        model.WriteTo(destination);
        destination.WriteByte(ModelGraph);
        WriteVarint(destination, length);
        graph.Graph.WriteTo(destination);
        for (int i = 0; i < headers.Length; i++)
        {
            StoredTensor weight = graph.Weights[i];
            destination.WriteByte(GraphInitializer);
            WriteVarint(destination, TensorLength(headers[i], weight));
            headers[i].WriteTo(destination);
            destination.WriteByte(TensorRawData);
            WriteVarint(destination, weight.ByteCount);
            weight.Write(reader, destination);
        }
    }

    /// <summary>Writes the weights of a model that keeps them beside its graph. <see cref="WriteWithoutWeights"/> comes after it.</summary>
    /// <param name="data">The weights' file.</param>
    /// <param name="dataName">Its name, relative to the model's folder.</param>
    public void WriteWeights(Stream data, string dataName)
    {
        foreach (StoredTensor weight in graph.Weights)
        {
            long offset = (data.Position + ExternalAlignment - 1) / ExternalAlignment * ExternalAlignment;
            data.Write(new byte[offset - data.Position]);
            weight.Write(reader, data);
            TensorProto tensor = Header(weight);
            tensor.DataLocation = TensorProto.Types.DataLocation.External;
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = dataName });
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = offset.ToString(CultureInfo.InvariantCulture) });
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = weight.ByteCount.ToString(CultureInfo.InvariantCulture) });
            graph.Graph.Initializer.Add(tensor);
        }
    }

    /// <summary>Writes the model whose weights lie where <see cref="WriteWeights"/> put them.</summary>
    public void WriteWithoutWeights(Stream destination)
    {
        model.Graph = graph.Graph;
        model.WriteTo(destination);
    }

    private static TensorProto Header(StoredTensor weight)
    {
        var tensor = new TensorProto { Name = weight.Name, DataType = (int)weight.Type };
        tensor.Dims.AddRange(weight.Shape);
        return tensor;
    }

    private static long TensorLength(TensorProto header, StoredTensor weight) =>
        header.CalculateSize() + 1 + CodedOutputStream.ComputeInt64Size(weight.ByteCount) + weight.ByteCount;

    private static void WriteVarint(Stream destination, long value)
    {
        ulong rest = (ulong)value;
        for (; rest >= 0x80; rest >>= 7) destination.WriteByte((byte)(rest | 0x80));
        destination.WriteByte((byte)rest);
    }
}
