using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Export.Tests;

/// <summary>GGUF files, read by a reader of this file alone, which follows ggml's docs/gguf.md.</summary>
[TestClass]
public sealed class GgufExporterTests
{
    private static readonly GptTokenizer Tokenizer = GptTokenizer.TrainBytePairEncoding(["low lower lowest new newer newest"], new BytePairTrainingOptions { VocabularySize = 264 });

    // Two tokens more than the tokenizer has.
    private static readonly GptConfig Config = new() { VocabularySize = 266, ContextLength = 12, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4, FeedForwardSize = 96 };

    [TestMethod]
    public void The_file_says_what_llama_cpp_asks_of_a_gpt2()
    {
        using var folder = new TemporaryFolder();
        GgufExporter.Write(new FormulaWeights(Config), Tokenizer, folder["model.gguf"]);
        GgufFile file = GgufFile.Read(folder["model.gguf"]);
        Assert.AreEqual("gpt2", file.Values["general.architecture"]);
        Assert.AreEqual(0u, file.Values["general.file_type"]);
        Assert.AreEqual((12u, 64u, 96u, 2u, 4u), ((uint)file.Values["gpt2.context_length"], (uint)file.Values["gpt2.embedding_length"], (uint)file.Values["gpt2.feed_forward_length"],
            (uint)file.Values["gpt2.block_count"], (uint)file.Values["gpt2.attention.head_count"]));
        Assert.AreEqual(1e-5f, file.Values["gpt2.attention.layer_norm_epsilon"]);
        Assert.AreEqual(("gpt2", "gpt-2"), ((string)file.Values["tokenizer.ggml.model"], (string)file.Values["tokenizer.ggml.pre"]));
        Assert.AreEqual((uint)Tokenizer.EndOfTextId, file.Values["tokenizer.ggml.eos_token_id"]);
        Assert.IsFalse((bool)file.Values["tokenizer.ggml.add_bos_token"]);

        object[] tokens = (object[])file.Values["tokenizer.ggml.tokens"], types = (object[])file.Values["tokenizer.ggml.token_type"], merges = (object[])file.Values["tokenizer.ggml.merges"];
        Assert.HasCount(266, tokens);
        Assert.AreEqual(("<|endoftext|>", 3), ((string)tokens[Tokenizer.EndOfTextId], (int)types[Tokenizer.EndOfTextId]));
        Assert.AreEqual((5, 5), ((int)types[264], (int)types[265]));
        Assert.AreEqual(263, types.Count(static type => (int)type == 1));
        Assert.HasCount(264 - 257, merges);
        Assert.AreEqual(((string)tokens[263]).Replace('Ġ', ' '), Tokenizer.Decode([263])); // a space is Ġ in the byte alphabet
        foreach (string merge in merges.Cast<string>()) CollectionAssert.Contains(tokens, merge.Replace(" ", "", StringComparison.Ordinal));
    }

    [TestMethod]
    [DataRow("""{"bos_token_id":7,"eos_token_id":9}""", 7, 9, -1)] // -1: the end-of-text token
    [DataRow("""{"eos_token_id":[-1,9]}""", -1, -1, 9)]
    [DataRow("{}", -1, -1, null)]
    public void The_checkpoints_own_begin_and_end_tokens_are_in_the_file(string settings, int begin, int end, int? other)
    {
        int Id(int id) => id < 0 ? Tokenizer.EndOfTextId : id;
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(Config), Tokenizer);
        File.WriteAllText(folder["checkpoint", "generation_config.json"], settings.Replace("-1", Tokenizer.EndOfTextId.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal));
        GgufExporter.Export(folder["checkpoint"], folder["model.gguf"]);
        IReadOnlyDictionary<string, object> values = GgufFile.Read(folder["model.gguf"]).Values;
        Assert.AreEqual(((uint)Id(begin), (uint)Id(end)), ((uint)values["tokenizer.ggml.bos_token_id"], (uint)values["tokenizer.ggml.eos_token_id"]));
        Assert.AreEqual(other is { } id ? (uint)Id(id) : null, values.TryGetValue("tokenizer.ggml.eot_token_id", out object? found) ? (uint?)found : null);
        Assert.IsFalse(values.ContainsKey("tokenizer.chat_template"));
    }

    [TestMethod]
    public void The_checkpoints_chat_template_is_in_the_file()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(Config), Tokenizer);
        new ChatTemplate { UserMarker = "Q: ", AssistantMarker = "A: " }.Save(folder["checkpoint"]);
        GgufExporter.Export(folder["checkpoint"], folder["model.gguf"]);
        Assert.AreEqual(File.ReadAllText(folder["checkpoint", "chat_template.jinja"]), GgufFile.Read(folder["model.gguf"]).Values["tokenizer.chat_template"]);

        // One whose special tokens the tokenizer lacks can't be used.
        ChatTemplate.ChatMl.Save(folder["checkpoint"]);
        GgufExporter.Export(folder["checkpoint"], folder["model.gguf"]);
        Assert.IsFalse(GgufFile.Read(folder["model.gguf"]).Values.ContainsKey("tokenizer.chat_template"));
    }

    [TestMethod]
    public void Float32_tensors_are_the_weights_and_matrices_lie_output_by_output()
    {
        using var folder = new TemporaryFolder();
        GgufExporter.Write(new FormulaWeights(Config), Tokenizer, folder["model.gguf"]);
        GgufFile file = GgufFile.Read(folder["model.gguf"]);
        Assert.HasCount(2 + 2 + (2 * 12), file.Tensors);

        // (name there, name here, shape in ggml's order, whether it is transposed)
        foreach ((string name, string own, long[] shape, bool isMatrix) in ((string, string, long[], bool)[])
        [
            ("token_embd.weight", "wte.weight", [64, 266], false), ("position_embd.weight", "wpe.weight", [64, 12], false),
            ("blk.1.attn_norm.weight", "h.1.ln_1.weight", [64], false), ("blk.1.attn_qkv.weight", "h.1.attn.c_attn.weight", [64, 192], true),
            ("blk.1.attn_qkv.bias", "h.1.attn.c_attn.bias", [192], false), ("blk.0.attn_output.weight", "h.0.attn.c_proj.weight", [64, 64], true),
            ("blk.0.ffn_norm.bias", "h.0.ln_2.bias", [64], false), ("blk.1.ffn_up.weight", "h.1.mlp.c_fc.weight", [64, 96], true),
            ("blk.1.ffn_down.weight", "h.1.mlp.c_proj.weight", [96, 64], true), ("output_norm.bias", "ln_f.bias", [64], false),
        ])
        {
            (long[] found, uint type, byte[] data) = file.Tensors[name];
            CollectionAssert.AreEqual(shape, found, name);
            Assert.AreEqual(0u, type);
            float[] expected = new float[shape.Aggregate(1L, static (a, b) => a * b)], numbers = MemoryMarshal.Cast<byte, float>(data).ToArray();
            new FormulaWeights(Config).Read(own, expected);
            if (!isMatrix)
            {
                CollectionAssert.AreEqual(expected, numbers, name);
                continue;
            }

            long inputs = shape[0], outputs = shape[1];
            for (long o = 0; o < outputs; o++)
            {
                for (long i = 0; i < inputs; i++) Assert.AreEqual(expected[(i * outputs) + o], numbers[(o * inputs) + i], name);
            }
        }
    }

    [TestMethod]
    public void Quantized_blocks_lie_as_ggml_reads_them()
    {
        // The first 32 numbers of token 0's vector are (i − 8) / 4 for i = 0 … 15, twice: q4_0 has the scale 0.25, and byte j holds i = j in both halves.
        // The next 32 are −127 … 120: in q8_0 the scale is about 127 / 128 (found by the search), so that every code is near its number.
        float[] first = [.. Enumerable.Range(0, 32).Select(static i => ((i % 16) - 8) / 4f)];
        float[] second = [.. Enumerable.Range(0, 32).Select(static i => -127f + (i * 8))];
        var weights = new FirstRow(Config, [.. first, .. second]);
        using var folder = new TemporaryFolder();
        GgufExporter.Write(weights, Tokenizer, folder["q4.gguf"], GgufFormat.Q4_0);
        GgufFile four = GgufFile.Read(folder["q4.gguf"]);
        Assert.AreEqual((2u, 2u), ((uint)four.Values["general.file_type"], (uint)four.Values["general.quantization_version"]));
        (long[] shape, uint type, byte[] data) = four.Tensors["token_embd.weight"];
        CollectionAssert.AreEqual(new long[] { 64, 266 }, shape);
        Assert.AreEqual(2u, type);
        Assert.HasCount(266 * 2 * 18, data);
        Assert.AreEqual((Half)0.25f, BinaryPrimitives.ReadHalfLittleEndian(data));
        CollectionAssert.AreEqual(Enumerable.Range(0, 16).Select(static j => (byte)(j | (j << 4))).ToArray(), data[2..18]);

        GgufExporter.Write(weights, Tokenizer, folder["q8.gguf"], GgufFormat.Q8_0);
        GgufFile file = GgufFile.Read(folder["q8.gguf"]);
        Assert.AreEqual(7u, file.Values["general.file_type"]);
        (_, type, data) = file.Tensors["token_embd.weight"];
        Assert.AreEqual(8u, type);
        Assert.HasCount(266 * 2 * 34, data);
        float scale = (float)BinaryPrimitives.ReadHalfLittleEndian(data.AsSpan(34));
        for (int i = 0; i < 32; i++) Assert.AreEqual(second[i], scale * (sbyte)data[36 + i], 0.5f);
        foreach (string name in (ReadOnlySpan<string>)["position_embd.weight", "blk.0.attn_qkv.bias", "output_norm.weight"]) Assert.AreEqual(0u, file.Tensors[name].Type, name);
    }

    // A channel weighs g² + b² of the normalisation before it; behind the two residual projections there is none, and all weigh the same.
    [TestMethod]
    [DataRow(GgufFormat.Q4_0, "token_embd.weight", "wte.weight", "ln_f")]
    [DataRow(GgufFormat.Q4_0, "blk.1.attn_qkv.weight", "h.1.attn.c_attn.weight", "h.1.ln_1")]
    [DataRow(GgufFormat.Q4_0, "blk.0.ffn_up.weight", "h.0.mlp.c_fc.weight", "h.0.ln_2")]
    [DataRow(GgufFormat.Q4_0, "blk.0.ffn_down.weight", "h.0.mlp.c_proj.weight", null)]
    public void A_channel_that_the_normalization_lets_through_is_kept_better(GgufFormat format, string name, string own, string? normalization)
    {
        // Every third channel comes through ten times as strongly: half of them by the gain, half by the bias.
        using var folder = new TemporaryFolder();
        var weights = new Uneven(Config, normalization);
        GgufExporter.Write(weights, Tokenizer, folder["model.gguf"], format);
        (long[] shape, uint type, byte[] data) = GgufFile.Read(folder["model.gguf"]).Tensors[name];
        (int k, int n) = ((int)shape[0], (int)shape[1]);
        float[] read = new float[k * n], found = Dequantize(data, type);
        weights.Read(own, read);
        float[] rows = own == "wte.weight" ? read : [.. Enumerable.Range(0, n * k).Select(i => read[((i % k) * n) + (i / k)])];
        float[] importance = [.. Enumerable.Range(0, k).Select(static i => i % 3 == 0 ? 100f : 1f)], uniform = [.. Enumerable.Repeat(1f, k)];
        double weighted = Error(found, importance), plain = Error(Quantized(uniform), importance);
        if (normalization is null) Assert.AreEqual(plain, weighted, 1e-3 * plain, "all weigh the same");
        else Assert.IsLessThan(0.9 * plain, weighted);

        double Error(float[] numbers, float[] each) => rows.Select((value, i) => each[i % k] * Math.Pow(value - numbers[i], 2)).Sum();

        float[] Quantized(float[] each)
        {
            int bits = type == 8 ? 8 : 4, middle = 1 << (bits - 1);
            QuantizedMatrix matrix = BlockQuantizer.Quantize(rows, n, each, bits, 32, new QuantizationOptions());
            return [.. rows.Select((_, i) => ((bits == 8 ? matrix.Codes[i] : (matrix.Codes[i / 2] >> (4 * (i % 2))) & 15) - middle) * (float)(Half)matrix.Scales[i / 32])];
        }
    }

    [TestMethod]
    [DataRow(GgufFormat.Float16, 1u, 0.0005f)]
    [DataRow(GgufFormat.Q8_0, 8u, 0.01f)]
    [DataRow(GgufFormat.Q4_0, 2u, 0.12f)]
    public void Fewer_bits_stay_near_the_weights(GgufFormat format, uint type, float largestError)
    {
        using var folder = new TemporaryFolder();
        GgufExporter.Write(new FormulaWeights(Config), Tokenizer, folder["model.gguf"], format);
        (_, uint found, byte[] data) = GgufFile.Read(folder["model.gguf"]).Tensors["blk.1.ffn_down.weight"];
        Assert.AreEqual(type, found);
        float[] expected = new float[96 * 64], numbers = Dequantize(data, type);
        new FormulaWeights(Config).Read("h.1.mlp.c_proj.weight", expected);
        float worst = 0;
        for (int o = 0; o < 64; o++)
        {
            for (int i = 0; i < 96; i++) worst = Math.Max(worst, Math.Abs(expected[(i * 64) + o] - numbers[(o * 96) + i]));
        }

        Assert.IsLessThan(largestError, worst); // numbers of −0.3 to 0.3
    }

    [TestMethod]
    public void An_adapter_is_merged_into_the_projections_that_it_adapts()
    {
        // Rank 1: s·a·b = 2 · 0.5 · 0.25 for every weight of attn.c_attn.
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(Config), Tokenizer);
        LoraCheckpoint.Write(folder["adapter"], Config, new() { Rank = 1, Alpha = 2, Projections = LoraProjections.AttentionIn }, static (name, values) => values.AsSpan().Fill(name.Contains("lora_A", StringComparison.Ordinal) ? 0.5f : 0.25f));
        GgufExporter.Export(folder["checkpoint"], folder["plain.gguf"]);
        GgufExporter.ExportMerged(folder["checkpoint"], folder["adapter"], folder["merged.gguf"]);
        var (plain, merged) = (GgufFile.Read(folder["plain.gguf"]), GgufFile.Read(folder["merged.gguf"]));
        foreach ((string name, (_, _, byte[] data)) in plain.Tensors)
        {
            float[] before = MemoryMarshal.Cast<byte, float>(data).ToArray(), after = MemoryMarshal.Cast<byte, float>(merged.Tensors[name].Item3).ToArray();
            float added = name.EndsWith("attn_qkv.weight", StringComparison.Ordinal) ? 0.25f : 0;
            for (int i = 0; i < before.Length; i++) Assert.AreEqual(before[i] + added, after[i], 1e-7f, name);
        }

        Assert.ThrowsExactly<CheckpointNotFoundException>(() => GgufExporter.ExportMerged(folder["checkpoint"], folder["none"], folder["refused.gguf"]));
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => GgufExporter.ExportMerged(folder["checkpoint"], folder["adapter"], folder["refused.gguf"], cancellationToken: cancelled.Token));
        Assert.IsFalse(File.Exists(folder["refused.gguf"]));
    }

    [TestMethod]
    public void A_checkpoint_becomes_a_file()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(Config), Tokenizer);
        GgufExporter.Export(folder["checkpoint"], folder["a.gguf"]);
        GgufExporter.Write(new FormulaWeights(Config), Tokenizer, folder["b.gguf"]);
        CollectionAssert.AreEqual(File.ReadAllBytes(folder["b.gguf"]), File.ReadAllBytes(folder["a.gguf"]));
        GptCheckpoint.Write(folder["bare"], new FormulaWeights(Config));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => GgufExporter.Export(folder["bare"], folder["c.gguf"])).Message, "tokenizer");
        Assert.IsFalse(File.Exists(folder["c.gguf"]));
    }

    [TestMethod]
    public void What_llama_cpp_does_not_compute_is_refused()
    {
        using var folder = new TemporaryFolder();
        void Refused(GptConfig config, string setting, GgufFormat format = GgufFormat.Float32) => Assert.AreEqual(setting,
            Assert.ThrowsExactly<UnsupportedModelException>(() => GgufExporter.Write(new FormulaWeights(config), Tokenizer, folder["refused.gguf"], format)).Setting);
        Refused(Config with { BlockForm = GptBlockForm.PostNorm }, "BlockForm");
        Refused(Config with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 4 }, "AttentionPattern");
        Refused(Config with { EmbeddingSize = 48 }, "EmbeddingSize", GgufFormat.Q4_0);
        Refused(Config with { FeedForwardSize = 100 }, "FeedForwardSize", GgufFormat.Q8_0);
        Assert.ThrowsExactly<ArgumentException>(() => GgufExporter.Write(new FormulaWeights(Config), GptTokenizer.FromCharacters(["abc"]), folder["refused.gguf"]));
        Assert.ThrowsExactly<ArgumentException>(() => GgufExporter.Write(new FormulaWeights(Config with { VocabularySize = 200 }), Tokenizer, folder["refused.gguf"]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => GgufExporter.Write(new FormulaWeights(Config), Tokenizer, folder["refused.gguf"], (GgufFormat)9));
        Assert.IsEmpty(TemporaryFolder.NamesIn(folder.Path));
    }

    [TestMethod]
    [DataRow(GgufFormat.Q8_0, float.NaN, "NaN")]
    [DataRow(GgufFormat.Q4_0, float.PositiveInfinity, "Infinity")]
    [DataRow(GgufFormat.Float16, 65_520f, "65520")]
    [DataRow(GgufFormat.Q8_0, -1e7f, "float16 scale")]   // of about 10⁷ / 128
    [DataRow(GgufFormat.Q4_0, 1e6f, "float16 scale")]
    public void A_number_that_the_format_has_no_room_for_is_refused_by_name(GgufFormat format, float value, string shown)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.ThrowsExactly<ArgumentException>(() => GgufExporter.Write(new OneNumber(Config, value), Tokenizer, folder["model.gguf"], format));
        StringAssert.Contains(error.Message, "h.1.mlp.c_fc.weight");
        StringAssert.Contains(error.Message, shown);
        Assert.IsEmpty(TemporaryFolder.NamesIn(folder.Path));
    }

    private static float[] Dequantize(byte[] data, uint type)
    {
        if (type == 1) return Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(data).ToArray(), static value => (float)value);
        int bytes = type == 8 ? 34 : 18;
        var numbers = new float[data.Length / bytes * 32];
        for (int block = 0; block < data.Length / bytes; block++)
        {
            ReadOnlySpan<byte> one = data.AsSpan(block * bytes, bytes);
            float scale = (float)BinaryPrimitives.ReadHalfLittleEndian(one);
            for (int i = 0; i < 32; i++) numbers[(block * 32) + i] = scale * (type == 8 ? (sbyte)one[2 + i] : (i < 16 ? one[2 + i] & 15 : one[2 + i - 16] >> 4) - 8);
        }

        return numbers;
    }

    private sealed class FirstRow(GptConfig config, float[] row) : IGptWeights
    {
        private readonly FormulaWeights _weights = new(config);

        public GptConfig Config => config;

        public void Read(string name, Span<float> destination)
        {
            _weights.Read(name, destination);
            if (name == "wte.weight") row.CopyTo(destination);
        }
    }

    /// <summary>One normalisation of which every third channel has a gain, or a bias, of 10, and the others a gain of 1.</summary>
    private sealed class Uneven(GptConfig config, string? normalization) : IGptWeights
    {
        private readonly FormulaWeights _weights = new(config);

        public GptConfig Config => config;

        public void Read(string name, Span<float> destination)
        {
            _weights.Read(name, destination);
            if (normalization is null || !name.StartsWith(normalization + ".", StringComparison.Ordinal)) return;
            bool isGain = name.EndsWith("weight", StringComparison.Ordinal);
            for (int i = 0; i < destination.Length; i++) destination[i] = i % 3 > 0 ? isGain ? 1 : 0 : i % 2 == 0 == isGain ? 10 : 0;
        }
    }

    private sealed record GgufFile(Dictionary<string, object> Values, Dictionary<string, (long[] Shape, uint Type, byte[] Data)> Tensors)
    {
        public static GgufFile Read(string path)
        {
            byte[] bytes = File.ReadAllBytes(path);
            using var reader = new BinaryReader(new MemoryStream(bytes), Encoding.UTF8);
            Assert.AreEqual("GGUF", Encoding.ASCII.GetString(reader.ReadBytes(4)));
            Assert.AreEqual(3u, reader.ReadUInt32());
            ulong tensorCount = reader.ReadUInt64(), valueCount = reader.ReadUInt64();
            var values = new Dictionary<string, object>();
            for (ulong i = 0; i < valueCount; i++) values.Add(Text(reader), Value(reader, reader.ReadUInt32()));
            var places = new List<(string Name, long[] Shape, uint Type, long Offset)>();
            for (ulong i = 0; i < tensorCount; i++)
            {
                string name = Text(reader);
                long[] shape = [.. Enumerable.Range(0, (int)reader.ReadUInt32()).Select(_ => (long)reader.ReadUInt64())];
                places.Add((name, shape, reader.ReadUInt32(), (long)reader.ReadUInt64()));
            }

            long start = (reader.BaseStream.Position + 31) / 32 * 32;
            var tensors = new Dictionary<string, (long[], uint, byte[])>();
            foreach ((string name, long[] shape, uint type, long offset) in places)
            {
                Assert.AreEqual(0, offset % 32, name);
                long count = shape.Aggregate(1L, static (a, b) => a * b), length = type switch { 0 => count * 4, 1 => count * 2, 2 => count / 32 * 18, 8 => count / 32 * 34, _ => throw new AssertFailedException($"{name} has the type {type}.") };
                tensors.Add(name, (shape, type, bytes.AsSpan((int)(start + offset), (int)length).ToArray()));
            }

            Assert.AreEqual(start + (places.Max(static place => place.Offset)) + ((tensors[places[^1].Name].Item3.Length + 31) / 32 * 32), bytes.Length);
            return new(values, tensors);
        }

        private static string Text(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadUInt64()));

        private static object Value(BinaryReader reader, uint type) => type switch
        {
            4 => reader.ReadUInt32(),
            5 => reader.ReadInt32(),
            6 => reader.ReadSingle(),
            7 => reader.ReadBoolean(),
            8 => Text(reader),
            9 => Array(reader),
            _ => throw new AssertFailedException($"There is a value of type {type}."),
        };

        private static object[] Array(BinaryReader reader)
        {
            uint type = reader.ReadUInt32();
            return [.. Enumerable.Range(0, (int)reader.ReadUInt64()).Select(_ => Value(reader, type))];
        }
    }
}
