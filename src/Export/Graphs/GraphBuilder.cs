using System.Buffers.Binary;
using Google.Protobuf;
using MLNet.Gpt.Onnx;

namespace MLNet.Gpt;

/// <summary>Collects the nodes, inputs, outputs and weights of an ONNX graph. A value is known by its name.</summary>
internal sealed class GraphBuilder
{
    /// <summary>The domain of ONNX Runtime's own operators.</summary>
    public const string ContribDomain = "com.microsoft";

    private readonly List<StoredTensor> weights = [];
    private readonly List<GptParameterInfo> parameters = [];
    private readonly HashSet<string> constants = [];

    public GraphBuilder(string name) => Graph.Name = name;

    /// <summary>The graph, without the weights.</summary>
    public GraphProto Graph { get; } = new();

    /// <summary>The weights, in the order in which they are written.</summary>
    public IReadOnlyList<StoredTensor> Weights => weights;

    /// <summary>The model's parameters that they are made of.</summary>
    public IReadOnlyList<GptParameterInfo> Parameters => parameters;

    /// <summary>Whether a caller may pass one buffer as past and present.</summary>
    public bool SharesCache { get; set; }

    /// <summary>Adds a node with one output, which is named after the node.</summary>
    /// <returns>The output's name.</returns>
    public string Node(string name, string op, IReadOnlyList<string> inputs, params AttributeProto[] attributes) =>
        Node(name, op, "", inputs, [name], attributes);

    /// <summary>Adds a node of ONNX Runtime's own domain with one output, which is named after the node.</summary>
    /// <returns>The output's name.</returns>
    public string Contrib(string name, string op, IReadOnlyList<string> inputs, params AttributeProto[] attributes) =>
        Node(name, op, ContribDomain, inputs, [name], attributes);

    /// <summary>Adds a node. An empty input or output name leaves an optional one out.</summary>
    /// <returns>The first output's name.</returns>
    public string Node(string name, string op, string domain, IReadOnlyList<string> inputs, IReadOnlyList<string> outputs, params AttributeProto[] attributes)
    {
        var node = new NodeProto { Name = name, OpType = op };
        if (domain.Length > 0) node.Domain = domain;
        node.Input.AddRange(inputs);
        node.Output.AddRange(outputs);
        node.Attribute.AddRange(attributes);
        Graph.Node.Add(node);
        return outputs[0];
    }

    /// <summary>Gives a node's output another name; to be called before anything reads it.</summary>
    /// <returns>The new name.</returns>
    public string Rename(string value, string newName)
    {
        NodeProto node = Graph.Node.Single(node => node.Output.Contains(value));
        node.Output[node.Output.IndexOf(value)] = newName;
        return newName;
    }

    /// <summary>Declares a weight: an initializer whose numbers are read when the file is written. Asking again changes nothing.</summary>
    /// <returns>Its name.</returns>
    public string Weight(GptParameterInfo parameter, TensorProto.Types.DataType type)
    {
        if (constants.Add(parameter.Name))
        {
            parameters.Add(parameter);
            weights.Add(FloatWeight.Of(parameter, type));
        }

        return parameter.Name;
    }

    /// <summary>Declares the parts of a quantized weight. Asking again changes nothing.</summary>
    public void Weight(GptParameterInfo parameter, QuantizedWeight quantized)
    {
        if (!constants.Add(parameter.Name)) return;
        parameters.Add(parameter);
        weights.Add(quantized.Codes);
        weights.Add(quantized.Scales);
        if (quantized.ZeroPoints is { } zeroPoints) weights.Add(zeroPoints);
    }

    /// <summary>A constant vector of int64; the same name may be asked for again.</summary>
    public string Int64s(string name, params ReadOnlySpan<long> values)
    {
        byte[] raw = new byte[values.Length * sizeof(long)];
        for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteInt64LittleEndian(raw.AsSpan(i * sizeof(long)), values[i]);
        return Constant(name, TensorProto.Types.DataType.Int64, [values.Length], raw);
    }

    /// <summary>A constant scalar of int64.</summary>
    public string Int64(string name, long value)
    {
        byte[] raw = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(raw, value);
        return Constant(name, TensorProto.Types.DataType.Int64, [], raw);
    }

    /// <summary>A constant vector of int32.</summary>
    public string Int32(string name, int value)
    {
        byte[] raw = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(raw, value);
        return Constant(name, TensorProto.Types.DataType.Int32, [], raw);
    }

    /// <summary>A constant scalar of float32, float16 or bfloat16.</summary>
    public string Number(string name, TensorProto.Types.DataType type, float value)
    {
        byte[] raw = new byte[type == TensorProto.Types.DataType.Float ? sizeof(float) : sizeof(ushort)];
        if (type == TensorProto.Types.DataType.Float) BinaryPrimitives.WriteSingleLittleEndian(raw, value);
        else if (type == TensorProto.Types.DataType.Float16) BinaryPrimitives.WriteHalfLittleEndian(raw, (Half)value);
        else BinaryPrimitives.WriteUInt16LittleEndian(raw, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));   // towards 0: the lowest float stays finite
        return Constant(name, type, [], raw);
    }

    /// <summary>A constant of zeros.</summary>
    public string Zeros(string name, TensorProto.Types.DataType type, params long[] shape) =>
        Constant(name, type, shape, new byte[shape.Aggregate(type == TensorProto.Types.DataType.Float ? sizeof(float) : sizeof(ushort), static (product, size) => product * (int)size)]);

    /// <summary>Declares an input of the graph; a dimension is a number or a symbol.</summary>
    /// <returns>Its name.</returns>
    public string Input(string name, TensorProto.Types.DataType type, params ReadOnlySpan<GraphDimension> shape)
    {
        Graph.Input.Add(Value(name, type, shape));
        return name;
    }

    /// <summary>Declares an output of the graph.</summary>
    public void Output(string name, TensorProto.Types.DataType type, params ReadOnlySpan<GraphDimension> shape) =>
        Graph.Output.Add(Value(name, type, shape));

    public static AttributeProto Attribute(string name, long value) => new() { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = value };

    public static AttributeProto Attribute(string name, float value) => new() { Name = name, Type = AttributeProto.Types.AttributeType.Float, F = value };

    public static AttributeProto Attribute(string name, string value) =>
        new() { Name = name, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(value) };

    public static AttributeProto Attributes(string name, params ReadOnlySpan<long> values)
    {
        var attribute = new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints };
        foreach (long value in values) attribute.Ints.Add(value);
        return attribute;
    }

    private string Constant(string name, TensorProto.Types.DataType type, long[] shape, byte[] raw)
    {
        if (!constants.Add(name)) return name;
        var tensor = new TensorProto { Name = name, DataType = (int)type, RawData = ByteString.CopyFrom(raw) };
        tensor.Dims.AddRange(shape);
        Graph.Initializer.Add(tensor);
        return name;
    }

    private static ValueInfoProto Value(string name, TensorProto.Types.DataType type, ReadOnlySpan<GraphDimension> shape)
    {
        var dimensions = new TensorShapeProto();
        foreach (GraphDimension size in shape)
        {
            dimensions.Dim.Add(size.Symbol is { } symbol
                ? new TensorShapeProto.Types.Dimension { DimParam = symbol }
                : new TensorShapeProto.Types.Dimension { DimValue = size.Size });
        }

        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = dimensions } },
        };
    }
}
