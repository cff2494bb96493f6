using System.Text;

namespace MLNet.Gpt;

/// <summary>Writes a GGUF file, version 3: a header, keys and values, the tensors' names, shapes and places, and their numbers at multiples of 32 bytes.</summary>
internal sealed class GgufWriter
{
    private const int Alignment = 32;
    private const uint UInt32Type = 4, Int32Type = 5, Float32Type = 6, BoolType = 7, TextType = 8, ArrayType = 9;

    private readonly MemoryStream _pairs = new();
    private readonly BinaryWriter _values;
    private readonly List<GgufTensor> _tensors = [];
    private long _count;

    public GgufWriter() => _values = new BinaryWriter(_pairs, Encoding.UTF8);

    /// <summary>The bytes of all tensors.</summary>
    public long TensorBytes => _tensors.Sum(static tensor => Padded(tensor.ByteCount));

    public void UInt32(string key, uint value)
    {
        Begin(key, UInt32Type);
        _values.Write(value);
    }

    public void Float32(string key, float value)
    {
        Begin(key, Float32Type);
        _values.Write(value);
    }

    public void Bool(string key, bool value)
    {
        Begin(key, BoolType);
        _values.Write(value);
    }

    public void Text(string key, string value)
    {
        Begin(key, TextType);
        WriteText(_values, value);
    }

    public void Texts(string key, IReadOnlyList<string> values)
    {
        Begin(key, ArrayType);
        _values.Write(TextType);
        _values.Write((ulong)values.Count);
        foreach (string value in values) WriteText(_values, value);
    }

    public void Int32s(string key, IReadOnlyList<int> values)
    {
        Begin(key, ArrayType);
        _values.Write(Int32Type);
        _values.Write((ulong)values.Count);
        foreach (int value in values) _values.Write(value);
    }

    public void Tensor(GgufTensor tensor) => _tensors.Add(tensor);

    public void Write(Stream destination, WeightReader reader)
    {
        var header = new MemoryStream();
        using (var writer = new BinaryWriter(header, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write("GGUF"u8);
            writer.Write(3u);
            writer.Write((ulong)_tensors.Count);
            writer.Write((ulong)_count);
            _values.Flush();
            _pairs.WriteTo(header);
            long offset = 0;
            foreach (GgufTensor tensor in _tensors)
            {
                WriteText(writer, tensor.Name);
                writer.Write((uint)tensor.Shape.Count);
                foreach (long size in tensor.Shape) writer.Write((ulong)size);
                writer.Write(tensor.Type);
                writer.Write((ulong)offset);
                offset += Padded(tensor.ByteCount);
            }
        }

        destination.Write(new ReadOnlySpan<byte>(header.GetBuffer(), 0, (int)header.Length));
        Pad(destination, header.Length);
        foreach (GgufTensor tensor in _tensors)
        {
            tensor.Write(reader, destination);
            Pad(destination, tensor.ByteCount);
        }
    }

    private void Begin(string key, uint type)
    {
        _count++;
        WriteText(_values, key);
        _values.Write(type);
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static long Padded(long length) => (length + Alignment - 1) / Alignment * Alignment;

    private static void Pad(Stream stream, long length) => stream.Write(new byte[Padded(length) - length]);
}
