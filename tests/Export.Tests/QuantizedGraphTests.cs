using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using MLNet.Gpt.Onnx;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Export.Tests;

/// <summary>Packages of 8 and 4 bits: what they compute is what their own codes, scales and zero points say, read back here by ONNX Runtime's published layout.</summary>
[TestClass]
public sealed class QuantizedGraphTests
{
    // Widths of one, two and three blocks of 32; 3 x 64 + 64 = 256 inner; a vocabulary that is no multiple of anything.
    private static readonly GptConfig Wide = new() { VocabularySize = 97, ContextLength = 16, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4, FeedForwardSize = 160 };
    private static readonly int[] Ids = [5, 96, 0, 17, 44, 44, 81, 3, 60];

    [TestMethod]
    [DataRow(WeightFormat.Int8, 32, true, null)]
    [DataRow(WeightFormat.Int8, 64, false, null)]
    [DataRow(WeightFormat.Int8, 128, true, null)]
    [DataRow(WeightFormat.Int4, 32, true, null)]
    [DataRow(WeightFormat.Int4, 32, false, null)]
    [DataRow(WeightFormat.Int4, 64, true, 8)]
    [DataRow(WeightFormat.Int4, 128, false, null)]
    [DataRow(WeightFormat.Int8, 32, false, 4)]
    public void The_logits_are_those_of_the_numbers_that_the_file_stands_for(WeightFormat format, int block, bool symmetric, int? embeddingBits)
    {
        using var folder = new TemporaryFolder();
        var options = new OnnxExportOptions { Weights = format, Quantization = new() { BlockSize = block, Symmetric = symmetric, AccuracyLevel = 1, EmbeddingBits = embeddingBits } };
        foreach (GptBlockForm form in Enum.GetValues<GptBlockForm>())
        {
            GptConfig config = Wide with { BlockForm = form };
            OnnxExporter.Write(new FormulaWeights(config), folder["quantized"], options);
            var dequantized = new DequantizedWeights(config, folder["quantized", "model.onnx"], block);
            OnnxExporter.Write(dequantized, folder["float"]);
            float[] expected = Logits(folder["float"], config), logits = Logits(folder["quantized"], config);
            AreClose(expected, logits, 2e-4f); // the sums run in another order

            // And they are not the unquantized model's: 4 bits move them visibly, 8 bits a little.
            OnnxExporter.Write(new FormulaWeights(config), folder["exact"]);
            Assert.IsGreaterThan(format == WeightFormat.Int4 ? 0.02f : 0.001f, LargestDifference(Logits(folder["exact"], config), logits));
            Assert.AreEqual(block > config.EmbeddingSize ? 8 : 9, dequantized.QuantizedCount, "Four matrices in each of two blocks, and the embedding where its width allows.");
        }
    }

    [TestMethod]
    public void Int8_activations_change_the_logits_little()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(Wide), folder["exact"]);
        OnnxExporter.Write(new FormulaWeights(Wide), folder["int8"], new OnnxExportOptions { Weights = WeightFormat.Int8 });
        AreClose(Logits(folder["exact"], Wide), Logits(folder["int8"], Wide), 0.15f); // logits of -10 to 10
    }

    [TestMethod]
    public void The_tied_head_is_in_the_file_once_and_quantized()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(Wide), folder["int4"], new OnnxExportOptions { Weights = WeightFormat.Int4 });
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["int4", "model.onnx"]));
        TensorProto[] large = [.. model.Graph.Initializer.Where(tensor => tensor.Dims.Contains(97))];
        CollectionAssert.AreEquivalent(new[] { "wte.weight_quantized", "wte.weight_scales" }, large.Select(static tensor => tensor.Name).ToArray());
        Assert.AreEqual(97 * 64 / 2, large.Single(static tensor => tensor.Name == "wte.weight_quantized").RawData.Length);
        Assert.AreEqual(97 * 4, large.Single(static tensor => tensor.Name == "wte.weight_scales").RawData.Length);
        StringAssert.Contains(model.MetadataProps.Single(static entry => entry.Key == "mlnet.gpt.weights").Value, "Int4");
    }

    [TestMethod]
    [DataRow(WeightFormat.Int4, 4, null, 4, 4)]
    [DataRow(WeightFormat.Int4, 1, 8, 4, 8)]
    [DataRow(WeightFormat.Int8, 0, 4, 8, 4)]
    public void Each_quantized_node_has_the_options_bits_and_accuracy(WeightFormat format, int accuracy, int? embeddingBits, int bits, int tableBits)
    {
        using var folder = new TemporaryFolder();
        var options = new OnnxExportOptions { Weights = format, Quantization = new() { BlockSize = 64, AccuracyLevel = accuracy, EmbeddingBits = embeddingBits } };
        OnnxExporter.Write(new FormulaWeights(Wide), folder["package"], options);
        GraphProto graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["package", "model.onnx"])).Graph;
        NodeProto[] products = [.. graph.Node.Where(static node => node.OpType == "MatMulNBits")];
        Assert.HasCount(9, products); // four matrices in each of two blocks, and the head
        foreach (NodeProto product in products)
        {
            Assert.AreEqual(accuracy, Number(product, "accuracy_level"), product.Name);
            Assert.AreEqual(product.Input[1] == "wte.weight_quantized" ? tableBits : bits, Number(product, "bits"), product.Name);
            Assert.AreEqual(64, Number(product, "block_size"), product.Name);
        }

        NodeProto table = graph.Node.Single(static node => node.OpType == "GatherBlockQuantized");
        Assert.AreEqual(tableBits, Number(table, "bits"));
        Assert.AreEqual(97 * 64 * tableBits / 8, graph.Initializer.Single(static tensor => tensor.Name == "wte.weight_quantized").RawData.Length);

        static long Number(NodeProto node, string name) => node.Attribute.Single(attribute => attribute.Name == name).I;
    }

    /// <summary>A channel weighs g² + b² of the layer normalisation before a matrix; where that is none (the two residual projections, GPT-1's first block) all weigh the same.</summary>
    [TestMethod]
    [DataRow(GptBlockForm.PreNorm, "h.0.attn.c_attn.weight", "h.0.ln_1")]
    [DataRow(GptBlockForm.PreNorm, "h.1.attn.c_attn.weight", "h.1.ln_1")]
    [DataRow(GptBlockForm.PreNorm, "h.1.attn.c_proj.weight", null)]
    [DataRow(GptBlockForm.PreNorm, "h.1.mlp.c_fc.weight", "h.1.ln_2")]
    [DataRow(GptBlockForm.PreNorm, "h.1.mlp.c_proj.weight", null)]
    [DataRow(GptBlockForm.PreNorm, "wte.weight", "ln_f")]
    [DataRow(GptBlockForm.PostNorm, "h.0.attn.c_attn.weight", null)]
    [DataRow(GptBlockForm.PostNorm, "h.1.attn.c_attn.weight", "h.0.ln_2")]
    [DataRow(GptBlockForm.PostNorm, "h.1.mlp.c_fc.weight", "h.1.ln_1")]
    [DataRow(GptBlockForm.PostNorm, "wte.weight", "h.1.ln_2")]
    public void A_channel_weighs_what_the_normalization_before_it_lets_through(GptBlockForm form, string matrix, string? normalization)
    {
        using var folder = new TemporaryFolder();
        var weights = new UnevenNormalizations(Wide with { BlockForm = form });
        var quantization = new QuantizationOptions { BlockSize = 32 };
        OnnxExporter.Write(weights, folder["package"], new OnnxExportOptions { Weights = WeightFormat.Int4, Quantization = quantization });
        byte[] codes = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["package", "model.onnx"])).Graph.Initializer.Single(tensor => tensor.Name == matrix + "_quantized").RawData.ToByteArray();

        bool isTable = matrix == "wte.weight";
        long[] shape = [.. GptParameterLayout.Of(weights.Config).Single(parameter => parameter.Name == matrix).Shape];
        int n = (int)shape[isTable ? 0 : 1], k = (int)shape[isTable ? 1 : 0];
        float[] numbers = Numbers(matrix, n * k);
        float[] rows = isTable ? numbers : [.. Enumerable.Range(0, n * k).Select(i => numbers[((i % k) * n) + (i / k)])];
        float[] importance = normalization is null ? [] : [.. Numbers(normalization + ".weight", k).Zip(Numbers(normalization + ".bias", k), static (g, b) => (g * g) + (b * b))];
        CollectionAssert.AreEqual(BlockQuantizer.Quantize(rows, n, importance, 4, 32, quantization).Codes, codes);
        if (normalization is not null) CollectionAssert.AreNotEqual(BlockQuantizer.Quantize(rows, n, default, 4, 32, quantization).Codes, codes);

        float[] Numbers(string name, int count)
        {
            float[] read = new float[count];
            weights.Read(name, read);
            return read;
        }
    }

    [TestMethod]
    public void Rounding_to_nearest_covers_the_largest_number()
    {
        // Largest magnitude -4, so s = -(-4) / 8 = 0.5 and -4 gets code 0: q = x / 0.5 + 8. 3.6 / 0.5 = 7.2 -> 7 + 8 = 15; 0.3 / 0.5 = 0.6 -> 1 + 8 = 9; 1 -> 10; zeros -> 8.
        float[] x = new float[32];
        (x[0], x[1], x[2], x[3]) = (-4f, 3.6f, 0.3f, 1f);
        QuantizedMatrix matrix = BlockQuantizer.Quantize(x, 1, default, 4, 32, new QuantizationOptions { Method = QuantizationMethod.RoundToNearest });
        Assert.AreEqual(0.5f, matrix.Scales.Single());
        byte[] expected = [0xF0, 0xA9, .. Enumerable.Repeat((byte)0x88, 14)];
        CollectionAssert.AreEqual(expected, matrix.Codes);
        Assert.IsNull(matrix.ZeroPoints);

        // With a zero point, -4 to 3.5: s = 7.5 / 15 = 0.5, z = 4 / 0.5 = 8. Two rows' zero points do not share a byte.
        x[1] = 3.5f;
        matrix = BlockQuantizer.Quantize((float[])[.. x, .. x], 2, default, 4, 32, new QuantizationOptions { Method = QuantizationMethod.RoundToNearest, Symmetric = false });
        CollectionAssert.AreEqual(new[] { 0.5f, 0.5f }, matrix.Scales);
        CollectionAssert.AreEqual(new byte[] { 8, 8 }, matrix.ZeroPoints);
        CollectionAssert.AreEqual((byte[])[.. expected, .. expected], matrix.Codes);
    }

    [TestMethod]
    public void A_block_that_is_a_multiple_of_a_step_is_kept_exactly()
    {
        // Codes 0 to 15 around 8 times 0.25, each twice, shuffled: any of the methods finds the step.
        float[] x = [.. Enumerable.Range(0, 32).Select(static i => (((i * 7) % 16) - 8) * 0.25f)];
        foreach (bool symmetric in (ReadOnlySpan<bool>)[true, false])
        {
            QuantizedMatrix matrix = BlockQuantizer.Quantize(x, 1, default, 4, 32, new QuantizationOptions { Symmetric = symmetric });
            float[] back = Dequantize(matrix.Codes, matrix.Scales, matrix.ZeroPoints, 1, 32, 32, 4);
            for (int i = 0; i < x.Length; i++) Assert.AreEqual(x[i], back[i], 1e-6f);
        }
    }

    [TestMethod]
    [DataRow(4, true)]
    [DataRow(4, false)]
    [DataRow(8, true)]
    [DataRow(8, false)]
    public void The_search_lowers_the_weighted_error_and_less_important_channels_pay_for_it(int bits, bool symmetric)
    {
        var random = new Random(3);
        const int Rows = 40, Columns = 96;
        float[] x = [.. Enumerable.Range(0, Rows * Columns).Select(_ => (float)Math.Tan((random.NextDouble() - 0.5) * 2.4))];
        float[] importance = [.. Enumerable.Range(0, Columns).Select(static i => i % 3 == 0 ? 10f : 0.1f)];
        double Error(QuantizationMethod method)
        {
            QuantizedMatrix matrix = BlockQuantizer.Quantize(x, Rows, importance, bits, 32, new QuantizationOptions { Method = method, Symmetric = symmetric });
            float[] back = Dequantize(matrix.Codes, matrix.Scales, matrix.ZeroPoints, Rows, Columns, 32, bits);
            return x.Select((value, i) => importance[i % Columns] * Math.Pow(value - back[i], 2)).Sum();
        }

        double nearest = Error(QuantizationMethod.RoundToNearest), searched = Error(QuantizationMethod.ScaleSearch);
        Assert.IsLessThan((bits == 4 ? 0.85 : 1.0) * nearest, searched);
    }

    [TestMethod]
    public void A_width_that_is_no_multiple_of_a_block_is_filled_up_with_zeros()
    {
        float[] x = [.. Enumerable.Range(0, 2 * 40).Select(static i => MathF.Sin(i))];
        QuantizedMatrix matrix = BlockQuantizer.Quantize(x, 2, default, 8, 32, new QuantizationOptions());
        Assert.HasCount(2 * 64, matrix.Codes);
        Assert.HasCount(4, matrix.Scales);
        CollectionAssert.AreEqual(Enumerable.Repeat((byte)128, 24).ToArray(), matrix.Codes[40..64]);
        float[] back = Dequantize(matrix.Codes, matrix.Scales, null, 2, 40, 32, 8);
        for (int i = 0; i < x.Length; i++) Assert.AreEqual(x[i], back[i], 0.005f);
    }

    [TestMethod]
    public void A_weight_that_is_not_finite_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.ThrowsExactly<ArgumentException>(() => OnnxExporter.Write(new OneNumber(Wide, float.NaN), folder["int8"], new OnnxExportOptions { Weights = WeightFormat.Int8 }));
        StringAssert.Contains(error.Message, "h.1.mlp.c_fc.weight");
        StringAssert.Contains(error.Message, "NaN");
    }

    [TestMethod]
    [DataRow(WeightFormat.Float16, 65_520f, "65520")]           // half way from the largest, 65504, to the next power of two: rounds up
    [DataRow(WeightFormat.Float16, -1e6f, "-1000000")]
    [DataRow(WeightFormat.BFloat16, 3.3961775e38f, "3.3961775E+38")] // half way from the largest, an odd one, to 2^128
    public void A_weight_that_would_become_infinite_is_refused_by_name(WeightFormat format, float value, string shown)
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(Wide), folder["package"], new OnnxExportOptions { Weights = format });
        byte[][] old = Files();
        var error = Assert.ThrowsExactly<ArgumentException>(() => OnnxExporter.Write(new OneNumber(Wide with { LayerNormEpsilon = 1e-3f }, value), folder["package"], new OnnxExportOptions { Weights = format }));
        StringAssert.Contains(error.Message, "h.1.mlp.c_fc.weight");
        StringAssert.Contains(error.Message, $"holds {shown} at 11");

        // The package that was there is whole.
        byte[][] found = Files();
        Assert.HasCount(old.Length, found);
        for (int i = 0; i < old.Length; i++) CollectionAssert.AreEqual(old[i], found[i]);

        byte[][] Files() => [.. Directory.GetFiles(folder["package"]).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
    }

    [TestMethod]
    public void The_largest_float16_is_none_too_large()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new OneNumber(Wide, 65_519f), folder["package"], new OnnxExportOptions { Weights = WeightFormat.Float16 });
        TensorProto weight = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["package", "model.onnx"])).Graph.Initializer.Single(static tensor => tensor.Name == "h.1.mlp.c_fc.weight");
        Assert.AreEqual((Half)65_504, MemoryMarshal.Cast<byte, Half>(weight.RawData.Span)[11]);
    }

    [TestMethod]
    [DataRow(1e-40f)]
    [DataRow(1e37f)]
    public void Numbers_near_the_ends_of_float32_have_the_codes_that_middling_ones_have(float unit)
    {
        float[] x = [.. Enumerable.Range(0, 128).Select(static i => MathF.Sin(i * i) * 8)];
        foreach ((int bits, bool symmetric) in ((int, bool)[])[(4, true), (4, false), (8, true), (8, false)])
        {
            var options = new QuantizationOptions { Symmetric = symmetric };
            QuantizedMatrix matrix = BlockQuantizer.Quantize(x.Select(value => value * unit).ToArray(), 1, default, bits, 128, options);
            float[] back = Dequantize(matrix.Codes, matrix.Scales, matrix.ZeroPoints, 1, 128, 128, bits);

            // Half a step of 16 / 15 or 16 / 255, and a little for what a searched scale cuts off at the ends.
            for (int i = 0; i < x.Length; i++) Assert.AreEqual(x[i], back[i] / unit, bits == 4 ? 0.9f : 0.07f);
        }
    }

    [TestMethod]
    public void Options_that_can_not_be_honoured_are_refused()
    {
        using var folder = new TemporaryFolder();
        void Refused(OnnxExportOptions options, string named)
        {
            ArgumentException error = Assert.Throws<ArgumentException>(() => OnnxExporter.Write(new FormulaWeights(Wide), folder["refused"], options));
            StringAssert.Contains(error.Message, named);
        }

        Refused(new() { Weights = WeightFormat.Int8, Quantization = new() { BlockSize = 48 } }, "48");
        Refused(new() { Weights = WeightFormat.Int8, Quantization = new() { AccuracyLevel = 5 } }, "5");
        Refused(new() { Weights = WeightFormat.Int8, Quantization = new() { EmbeddingBits = 6 } }, "6");
        Refused(new() { Weights = WeightFormat.Int8, Quantization = new() { Method = (QuantizationMethod)7 } }, "7");
        Refused(new() { Quantization = new() }, "Float32");
        Refused(new() { Weights = (WeightFormat)9 }, "9");
        Refused(new() { Operators = (GraphOperators)4 }, "4");
        Refused(new() { Weights = WeightFormat.Int4, Operators = GraphOperators.Standard }, "Int4");
        Assert.IsFalse(Directory.Exists(folder["refused"]));
    }

    [TestMethod]
    [DataRow(WeightFormat.Int8, 768, 128)]
    [DataRow(WeightFormat.Int4, 768, 64)]
    [DataRow(WeightFormat.Int8, 192, 64)]
    [DataRow(WeightFormat.Int4, 96, 32)]
    [DataRow(WeightFormat.Int8, 40, 32)]
    public void Without_a_choice_blocks_are_as_large_as_the_format_and_the_width_allow(WeightFormat format, int width, int expected)
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(Wide with { EmbeddingSize = width, LayerCount = 1 }), folder["package"], new OnnxExportOptions { Weights = format });
        NodeProto[] products = [.. ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["package", "model.onnx"])).Graph.Node.Where(static node => node.OpType is "MatMulNBits" or "GatherBlockQuantized")];
        Assert.HasCount(width % 32 == 0 ? 6 : 4, products);
        foreach (NodeProto product in products) Assert.AreEqual(expected, product.Attribute.Single(static attribute => attribute.Name == "block_size").I);
    }

    private static float[] Logits(string package, GptConfig config)
    {
        using var settings = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(Path.Combine(package, "model.onnx"), settings);
        return OnnxGraphTests.Run(session, config, Ids, keep: null);
    }

    private static void AreClose(float[] expected, float[] actual, float tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        Assert.IsLessThan(tolerance, LargestDifference(expected, actual));
    }

    private static float LargestDifference(float[] one, float[] other) => one.Zip(other, static (a, b) => MathF.Abs(a - b)).Max();

    /// <summary>
    /// The layout as ONNX Runtime documents it for MatMulNBits: B (N, blocks, block · bits / 8), of two 4-bit numbers in a byte the first is the low half; zero points (N, ⌈blocks · bits / 8⌉), packed alike,
    /// 2^(bits − 1) where there are none; value = (code − zero point) · scale.
    /// </summary>
    private static float[] Dequantize(byte[] codes, float[] scales, byte[]? zeroPoints, int n, int k, int block, int bits)
    {
        int blocks = (k + block - 1) / block, zeroBytes = ((blocks * bits) + 7) / 8;
        var result = new float[n * k];
        for (int row = 0; row < n; row++)
        {
            for (int column = 0; column < k; column++)
            {
                int b = column / block, code = Nibble(codes, (row * blocks * block) + column), zero = zeroPoints is null ? 1 << (bits - 1) : bits == 8
                    ? zeroPoints[(row * zeroBytes) + b] : (zeroPoints[(row * zeroBytes) + (b / 2)] >> (4 * (b % 2))) & 15;
                result[(row * k) + column] = (code - zero) * scales[(row * blocks) + b];
            }
        }

        return result;

        int Nibble(byte[] bytes, int i) => bits == 8 ? bytes[i] : (bytes[i / 2] >> (4 * (i % 2))) & 15;
    }

    /// <summary>Weights whose normalisations let some channels through several times as strongly as others, by their gains and by their biases.</summary>
    private sealed class UnevenNormalizations(GptConfig config) : IGptWeights
    {
        private readonly FormulaWeights _weights = new(config);

        public GptConfig Config => config;

        public void Read(string name, Span<float> destination)
        {
            _weights.Read(name, destination);
            if (!name.Contains("ln_", StringComparison.Ordinal)) return;
            foreach (ref float number in destination) number = number * number * number * (name.EndsWith("bias", StringComparison.Ordinal) ? 40 : 1);
        }
    }

    private sealed class DequantizedWeights : IGptWeights
    {
        private readonly Dictionary<string, float[]> _numbers = [];

        public DequantizedWeights(GptConfig config, string model, int block)
        {
            Config = config;
            ModelProto proto = ModelProto.Parser.ParseFrom(File.ReadAllBytes(model));
            Dictionary<string, TensorProto> tensors = proto.Graph.Initializer.ToDictionary(static tensor => tensor.Name);
            foreach (GptParameterInfo parameter in GptParameterLayout.Of(config))
            {
                if (tensors.TryGetValue(parameter.Name, out TensorProto? plain))
                {
                    _numbers[parameter.Name] = Floats(plain);
                    continue;
                }

                QuantizedCount++;
                bool isTable = parameter.Name == "wte.weight";
                int k = (int)parameter.Shape[isTable ? 1 : 0], n = (int)parameter.Shape[isTable ? 0 : 1];
                TensorProto codes = tensors[parameter.Name + "_quantized"];
                int bits = (int)codes.Dims[2] * 8 / block;
                byte[]? zeroPoints = tensors.GetValueOrDefault(parameter.Name + "_zero_points")?.RawData.ToByteArray();
                float[] rows = Dequantize(codes.RawData.ToByteArray(), Floats(tensors[parameter.Name + "_scales"]), zeroPoints, n, k, block, bits);
                float[] numbers = new float[rows.Length];
                for (int row = 0; row < n; row++)
                {
                    for (int column = 0; column < k; column++) numbers[isTable ? (row * k) + column : (column * n) + row] = rows[(row * k) + column];
                }

                _numbers[parameter.Name] = numbers;
            }
        }

        public GptConfig Config { get; }

        public int QuantizedCount { get; }

        public void Read(string name, Span<float> destination) => _numbers[name].CopyTo(destination);

        private static float[] Floats(TensorProto tensor) => MemoryMarshal.Cast<byte, float>(tensor.RawData.Span).ToArray();
    }
}
