using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>A LoRA adapter in memory, in the numbers that a graph computes in. It goes with the last decoder that uses it.</summary>
internal sealed class OnnxAdapter : IModelAdapter
{
    private readonly OnnxAdapters _owner;
    private readonly Dictionary<string, byte[]> _matrices;   // by the names of the graph's inputs: A (r, in), B transposed (r, out)

    private OnnxAdapter(string name, LoraOptions options, string? baseModel, OnnxAdapters owner, Dictionary<string, byte[]> matrices, byte[] fingerprint)
    {
        (Name, Options, BaseModel, _owner, _matrices, Fingerprint) = (name, options, baseModel, owner, matrices, fingerprint);
        Scale = (float)options.Scale;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public LoraOptions Options { get; }

    /// <summary>s.</summary>
    public float Scale { get; }

    /// <summary>SHA-256 of scale and matrices, 32 bytes: what it computes, whatever its name.</summary>
    public byte[] Fingerprint { get; }

    private string? BaseModel { get; }

    /// <summary>Reads an adapter.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="checkpoint">Its folder.</param>
    /// <param name="owner">The model's adapters.</param>
    public static OnnxAdapter Read(string name, LoraCheckpoint checkpoint, OnnxAdapters owner)
    {
        LoraOptions options = checkpoint.Options;
        var matrices = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(BitConverter.GetBytes(options.Scale));
        foreach ((int layer, string module, int input, int output) in Projections(owner.Config, options))
        {
            float[] a = new float[options.Rank * input], b = new float[output * options.Rank], transposed = new float[b.Length];
            checkpoint.Read(LoraLayout.NameA(layer, module), a);
            checkpoint.Read(LoraLayout.NameB(layer, module), b);
            for (int row = 0; row < output; row++)
            {
                for (int r = 0; r < options.Rank; r++) transposed[(r * output) + row] = b[(row * options.Rank) + r];
            }

            Add(OnnxPackageLayout.AdapterIn(layer, module), a);
            Add(OnnxPackageLayout.AdapterOut(layer, module), transposed);
        }

        return new(name, options, checkpoint.BaseModel, owner, matrices, hash.GetHashAndReset());

        void Add(string input, float[] numbers)
        {
            byte[] bytes = Convert(numbers, owner.Type);
            hash.AppendData(Encoding.UTF8.GetBytes(input));
            hash.AppendData(bytes);
            matrices.Add(input, bytes);
        }
    }

    /// <summary>Whether it was loaded by a model.</summary>
    /// <param name="adapters">The model's adapters.</param>
    public bool IsOf(OnnxAdapters adapters) => _owner == adapters;

    /// <summary>A matrix by the name of the graph's input that it is for: its r rows, as bytes; null where the adapter leaves that projection alone.</summary>
    public byte[]? Find(string input) => _matrices.GetValueOrDefault(input);

    /// <summary>Numbers as the graph computes in them, pinned.</summary>
    public static byte[] Convert(ReadOnlySpan<float> numbers, TensorElementType type)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(checked(numbers.Length * (type == TensorElementType.Float ? sizeof(float) : sizeof(ushort))), pinned: true);
        if (type == TensorElementType.Float) MemoryMarshal.AsBytes(numbers).CopyTo(bytes);
        else if (type == TensorElementType.Float16) TensorPrimitives.ConvertToHalf(numbers, MemoryMarshal.Cast<byte, Half>(bytes.AsSpan()));
        else BFloat16.Round(numbers, MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan()));
        return bytes;
    }

    /// <summary>Writes its two files into a package's folder.</summary>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public void Write(string folder)
    {
        var inputs = new Dictionary<string, (string Input, int Rows)>(StringComparer.Ordinal);
        foreach ((int layer, string module, _, int output) in Projections(_owner.Config, Options))
        {
            inputs.Add(LoraLayout.NameA(layer, module), (OnnxPackageLayout.AdapterIn(layer, module), 0));
            inputs.Add(LoraLayout.NameB(layer, module), (OnnxPackageLayout.AdapterOut(layer, module), output));
        }

        LoraCheckpoint.WriteFiles(folder, OnnxPackageLayout.AdapterPrefix(Name), _owner.Config, Options, (name, values) =>
        {
            (string input, int output) = inputs[name];
            float[] numbers = new float[values.Length];
            Widen(_matrices[input], numbers);
            for (int i = 0; i < values.Length; i++)
                values[i] = output == 0 ? numbers[i] : numbers[((i % Options.Rank) * output) + (i / Options.Rank)];
        }, BaseModel);
    }

    private void Widen(byte[] bytes, float[] numbers)
    {
        if (_owner.Type == TensorElementType.Float) MemoryMarshal.Cast<byte, float>(bytes).CopyTo(numbers);
        else if (_owner.Type == TensorElementType.Float16) TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), numbers);
        else BFloat16.Widen(MemoryMarshal.Cast<byte, ushort>(bytes), numbers);
    }

    private static IEnumerable<(int Layer, string Module, int Input, int Output)> Projections(GptConfig config, LoraOptions options)
    {
        foreach (int layer in options.Layers?.Order() ?? Enumerable.Range(0, config.LayerCount))
        {
            foreach ((LoraProjections projection, string module) in LoraLayout.Modules)
            {
                if (!options.Projections.HasFlag(projection)) continue;
                (long input, long output) = LoraLayout.SizesOf(config, projection);
                yield return (layer, module, (int)input, (int)output);
            }
        }
    }
}
