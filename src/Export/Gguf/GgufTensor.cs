using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>A tensor of a GGUF file.</summary>
/// <param name="Name">Its name in llama.cpp's gpt2 architecture.</param>
/// <param name="Shape">Its dimensions in ggml's order: the one whose numbers lie side by side comes first.</param>
/// <param name="Type">ggml's number of the format.</param>
/// <param name="ByteCount">Its bytes.</param>
/// <param name="Write">Writes them.</param>
internal sealed record GgufTensor(string Name, IReadOnlyList<long> Shape, uint Type, long ByteCount, Action<WeightReader, Stream> Write)
{
    private const int Block = 32;
    private const uint Float32 = 0, Float16 = 1, Q4 = 2, Q8 = 8;

    /// <summary>A parameter's tensor. Matrices are (out, in) there, so that Conv1D's [in, out] are transposed.</summary>
    public static GgufTensor Of(GptParameterInfo parameter, GptConfig config, IReadOnlyDictionary<string, GptParameterInfo> all, GgufFormat format)
    {
        bool isMatrix = parameter.Role is GptParameterRole.Projection or GptParameterRole.ResidualProjection;
        bool isTable = parameter.Role == GptParameterRole.TokenEmbedding;
        uint type = !isMatrix && !isTable ? Float32 : format switch { GgufFormat.Float16 => Float16, GgufFormat.Q8_0 => Q8, GgufFormat.Q4_0 => Q4, _ => Float32 };
        long bytes = type switch
        {
            Float16 => parameter.ElementCount * 2,
            Q8 => parameter.ElementCount / Block * (2 + Block),
            Q4 => parameter.ElementCount / Block * (2 + (Block / 2)),
            _ => parameter.ElementCount * 4,
        };
        IReadOnlyList<long> shape = isMatrix ? parameter.Shape : [.. parameter.Shape.Reverse()]; // [in, out] is (in first) there too
        return new(NameOf(parameter.Name), shape, type, bytes, (reader, stream) =>
        {
            float[] importance = type is Q4 or Q8 && WeightImportance.NormalizationBefore(parameter, config) is { } before
                ? WeightImportance.Of(reader.Copy(all[before + ".weight"]), reader.Copy(all[before + ".bias"])) : [];
            ReadOnlyMemory<float> numbers = reader.Read(parameter);
            if (type is Q4 or Q8) BlockQuantizer.RequireFinite(parameter.Name, numbers.Span);
            if (isMatrix) numbers = BlockQuantizer.Transpose(numbers, (int)parameter.Shape[0], (int)parameter.Shape[1]);
            if (type is Q4 or Q8)
            {
                int rows = (int)(isMatrix ? parameter.Shape[1] : parameter.Shape[0]);
                WriteBlocks(parameter.Name, BlockQuantizer.Quantize(numbers, rows, importance, type == Q4 ? 4 : 8, Block, new QuantizationOptions()), type == Q4 ? 4 : 8, stream);
            }
            else if (type == Float16)
            {
                FloatWeight.WriteHalves(parameter.Name, numbers.Span, stream);
            }
            else
            {
                FloatWeight.WriteFloats(numbers.Span, stream);
            }
        });
    }

    /// <summary>GPT-2's name → llama.cpp's.</summary>
    internal static string NameOf(string parameter)
    {
        string[] parts = parameter.Split('.');
        string kind = parts[^1];
        if (parts[0] != "h") return parts[0] switch { "wte" => "token_embd.", "wpe" => "position_embd.", _ => "output_norm." } + kind;
        string inner = string.Join('.', parts[2..^1]) switch
        {
            "ln_1" => "attn_norm",
            "attn.c_attn" => "attn_qkv",
            "attn.c_proj" => "attn_output",
            "ln_2" => "ffn_norm",
            "mlp.c_fc" => "ffn_up",
            "mlp.c_proj" => "ffn_down",
            var other => throw new ArgumentException($"llama.cpp's gpt2 has no '{other}'.", nameof(parameter)),
        };
        return $"blk.{parts[1]}.{inner}.{kind}";
    }

    // ggml's block_q8_0: a half scale, 32 signed codes. block_q4_0: a half scale, 16 bytes; byte j holds number j in its low half and number j + 16 in its high half, both plus 8.
    private static void WriteBlocks(string name, QuantizedMatrix matrix, int bits, Stream stream)
    {
        int codeBytes = Block * bits / 8;
        byte[] block = new byte[2 + codeBytes];
        for (int i = 0; i < matrix.Scales.Length; i++)
        {
            var scale = (Half)matrix.Scales[i];
            if (!Half.IsFinite(scale))
                throw new ArgumentException(FormattableString.Invariant($"'{name}' holds numbers too large for blocks with a float16 scale (one would be {matrix.Scales[i]}, and the largest is 65504); export the model as {GgufFormat.Float32}."));
            BinaryPrimitives.WriteHalfLittleEndian(block, scale);
            ReadOnlySpan<byte> codes = matrix.Codes.AsSpan(i * codeBytes, codeBytes);
            for (int j = 0; j < codeBytes; j++) block[2 + j] = bits == 8 ? (byte)(codes[j] - 128) : (byte)(Nibble(codes, j) | (Nibble(codes, j + 16) << 4));
            stream.Write(block);
        }

        static int Nibble(ReadOnlySpan<byte> codes, int i) => (codes[i / 2] >> (4 * (i % 2))) & 15;
    }
}
