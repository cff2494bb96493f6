namespace MLNet.Gpt;

/// <summary>Writes a GPT as a GGUF file, which llama.cpp and what is built on it open: its architecture <c>gpt2</c>, with the tokenizer in the file.</summary>
/// <remarks>Thread-safe. docs/deployment.md describes the file. A float32 file gives the same greedy tokens there as the model does here.</remarks>
public static class GgufExporter
{
    private const int BlockSize = 32;

    /// <summary>Writes a checkpoint folder as a GGUF file, with its begin token, its first two end tokens and its chat template; a template that this library can't use is left out.</summary>
    /// <param name="checkpointFolder">A folder in Hugging Face's layout for GPT-2, with a byte-level tokenizer.</param>
    /// <param name="path">The file; it appears, or replaces one of that name, only when it is complete.</param>
    /// <param name="format">The numbers of the matrices.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next weight is read; what was there stays.</param>
    /// <exception cref="CheckpointNotFoundException">The folder, its config.json or its safetensors weights are missing.</exception>
    /// <exception cref="CorruptFileException">A file of the checkpoint breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedModelException">llama.cpp has no such model: a post-norm one, one with banded attention, or one whose widths are no multiple of 32 in a quantized format.</exception>
    /// <exception cref="ArgumentException">The checkpoint has no tokenizer, or one of characters; or a weight can't be kept in the format.</exception>
    /// <exception cref="FolderNotWritableException">The file's folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void Export(string checkpointFolder, string path, GgufFormat format = GgufFormat.Float32, CancellationToken cancellationToken = default)
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(checkpointFolder);
        Export(checkpoint, checkpoint, path, format, cancellationToken);
    }

    /// <summary>Writes a checkpoint folder with a LoRA adapter merged into its weights as a GGUF file; else as <see cref="Export(string, string, GgufFormat, CancellationToken)"/>.</summary>
    /// <param name="checkpointFolder">The base: a folder in Hugging Face's layout for GPT-2, with a byte-level tokenizer.</param>
    /// <param name="adapterFolder">The adapter's folder, in PEFT's layout.</param>
    /// <param name="path">The file; it appears, or replaces one of that name, only when it is complete.</param>
    /// <param name="format">The numbers of the matrices.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next weight is read; what was there stays.</param>
    /// <exception cref="CheckpointNotFoundException">A folder or one of its files is missing.</exception>
    /// <exception cref="CorruptFileException">A file of the checkpoint or the adapter breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedModelException">llama.cpp has no such model: a post-norm one, one with banded attention, or one whose widths are no multiple of 32 in a quantized format.</exception>
    /// <exception cref="UnsupportedAdapterException">The adapter asks for a computation that this library does not perform.</exception>
    /// <exception cref="TensorMismatchException">The adapter belongs to another base.</exception>
    /// <exception cref="ArgumentException">The checkpoint has no tokenizer, or one of characters; or a weight can't be kept in the format.</exception>
    /// <exception cref="FolderNotWritableException">The file's folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void ExportMerged(string checkpointFolder, string adapterFolder, string path, GgufFormat format = GgufFormat.Float32, CancellationToken cancellationToken = default)
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(checkpointFolder);
        using LoraCheckpoint adapter = LoraCheckpoint.Open(adapterFolder, checkpoint.Config);
        Export(checkpoint, new MergedWeights(checkpoint, adapter), path, format, cancellationToken);
    }

    private static void Export(GptCheckpoint checkpoint, IGptWeights weights, string path, GgufFormat format, CancellationToken cancellationToken)
    {
        GptTokenizer tokenizer = checkpoint.Tokenizer ?? throw new ArgumentException($"The checkpoint '{checkpoint.Folder}' has no tokenizer, which a GGUF file holds; put its files beside the weights.");
        ModelCompanions companions = ModelCompanions.Load(checkpoint.Folder, tokenizer);
        int end = tokenizer.EndOfTextId;
        IReadOnlyList<int> others = companions.Generation.StopTokenIds;
        int[] ends = checkpoint.Generation.StopTokenIds.Contains(end) ? [end, .. others] : [.. others, end];
        Write(new CancellableWeights(weights, cancellationToken), new Vocabulary(tokenizer, companions.BeginTokenId ?? end, ends, companions.ChatTemplate?.ToJinja()), path, format);
    }

    /// <summary>Writes weights and a tokenizer as a GGUF file.</summary>
    /// <param name="weights">The weights; each is read once, a layer normalisation's twice in a quantized format.</param>
    /// <param name="tokenizer">A byte-level tokenizer. Ids of the model beyond it become unused tokens.</param>
    /// <param name="path">The file; it appears, or replaces one of that name, only when it is complete.</param>
    /// <param name="format">The numbers of the matrices.</param>
    /// <exception cref="UnsupportedModelException">llama.cpp has no such model: a post-norm one, one with banded attention, or one whose widths are no multiple of 32 in a quantized format.</exception>
    /// <exception cref="ArgumentException">The tokenizer is one of characters, or has more tokens than the model; or a weight can't be kept in the format.</exception>
    /// <exception cref="FolderNotWritableException">The file's folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void Write(IGptWeights weights, GptTokenizer tokenizer, string path, GgufFormat format = GgufFormat.Float32)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(tokenizer);
        Write(weights, new Vocabulary(tokenizer, tokenizer.EndOfTextId, [tokenizer.EndOfTextId], null), path, format);
    }

    private static void Write(IGptWeights weights, Vocabulary vocabulary, string path, GgufFormat format)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!Enum.IsDefined(format)) throw new ArgumentOutOfRangeException(nameof(format), format, $"The format is {(int)format}, which is none; use one of {string.Join(", ", Enum.GetNames<GgufFormat>())}.");
        GptConfig config = weights.Config.Validate();
        Check(config, vocabulary.Tokenizer, path, format);

        // 1. What the file says about the model. 2. Its tensors: names, shapes, places. 3. Their numbers.
        var writer = new GgufWriter();
        Describe(writer, config, format);
        AddTokenizer(writer, config, vocabulary);
        IReadOnlyList<GptParameterInfo> parameters = GptParameterLayout.Of(config);
        Dictionary<string, GptParameterInfo> byName = parameters.ToDictionary(static parameter => parameter.Name);
        foreach (GptParameterInfo parameter in parameters) writer.Tensor(GgufTensor.Of(parameter, config, byName, format));
        AtomicFile.Write(path, stream => writer.Write(stream, new WeightReader(weights, parameters)), writer.TensorBytes);
    }

    private static void Check(GptConfig config, GptTokenizer tokenizer, string path, GgufFormat format)
    {
        if (config.BlockForm != GptBlockForm.PreNorm) throw new UnsupportedModelException(path, nameof(GptConfig.BlockForm), config.BlockForm.ToString(), nameof(GptBlockForm.PreNorm));
        if (config.BandWidthOfLayer(1) < config.ContextLength && config.LayerCount > 1)
            throw new UnsupportedModelException(path, nameof(GptConfig.AttentionPattern), config.AttentionPattern.ToString(), nameof(GptAttentionPattern.Dense));
        if (format is GgufFormat.Q8_0 or GgufFormat.Q4_0)
        {
            foreach ((int width, string name) in ((int, string)[])[(config.EmbeddingSize, nameof(config.EmbeddingSize)), (config.InnerSize, nameof(config.FeedForwardSize))])
            {
                if (width % BlockSize != 0) throw new UnsupportedModelException(path, name, width.ToString(System.Globalization.CultureInfo.InvariantCulture), $"multiples of {BlockSize} in {format}");
            }
        }

        if (tokenizer.Kind != GptTokenizerKind.ByteLevelBpe)
            throw new ArgumentException($"The tokenizer is one of {tokenizer.Kind}s, which GGUF has no form for; train the model with a byte-level one.", nameof(tokenizer));
        if (tokenizer.VocabularySize > config.VocabularySize)
            throw new ArgumentException($"The tokenizer has {tokenizer.VocabularySize} tokens, the model only {config.VocabularySize}; take the tokenizer that the model was trained with.", nameof(tokenizer));
    }

    // Keys and values of ggml's docs/gguf.md; the file types and token types are llama.cpp's.
    private static void Describe(GgufWriter writer, GptConfig config, GgufFormat format)
    {
        writer.Text("general.architecture", "gpt2");
        writer.Text("general.name", "MLNet.Gpt");
        writer.UInt32("general.file_type", format switch { GgufFormat.Float32 => 0, GgufFormat.Float16 => 1, GgufFormat.Q4_0 => 2, _ => 7 });
        if (format is GgufFormat.Q8_0 or GgufFormat.Q4_0) writer.UInt32("general.quantization_version", 2);
        writer.UInt32("gpt2.context_length", (uint)config.ContextLength);
        writer.UInt32("gpt2.embedding_length", (uint)config.EmbeddingSize);
        writer.UInt32("gpt2.feed_forward_length", (uint)config.InnerSize);
        writer.UInt32("gpt2.block_count", (uint)config.LayerCount);
        writer.UInt32("gpt2.attention.head_count", (uint)config.HeadCount);
        writer.Float32("gpt2.attention.layer_norm_epsilon", config.LayerNormEpsilon);
    }

    private static void AddTokenizer(GgufWriter writer, GptConfig config, Vocabulary vocabulary)
    {
        const int Normal = 1, Control = 3, UserDefined = 4, Unused = 5;
        (GptTokenizer tokenizer, int begin, IReadOnlyList<int> ends, string? chatTemplate) = vocabulary;
        TokenizerDefinition definition = tokenizer.Definition;
        var tokens = new string[config.VocabularySize];
        var types = new int[config.VocabularySize];
        for (int id = 0; id < tokens.Length; id++)
        {
            bool isKnown = id < definition.Tokens.Count;
            tokens[id] = isKnown ? definition.Tokens[id] : $"[unused{id}]";
            types[id] = !isKnown ? Unused : definition.IsSpecial[id] ? Control : definition.IsWhole[id] ? UserDefined : Normal;
        }

        writer.Text("tokenizer.ggml.model", "gpt2");
        writer.Text("tokenizer.ggml.pre", "gpt-2");
        writer.Texts("tokenizer.ggml.tokens", tokens);
        writer.Int32s("tokenizer.ggml.token_type", types);
        writer.Texts("tokenizer.ggml.merges", [.. definition.Merges.Select(merge => $"{definition.Tokens[merge.Left]} {definition.Tokens[merge.Right]}")]);
        writer.UInt32("tokenizer.ggml.bos_token_id", (uint)begin);
        writer.UInt32("tokenizer.ggml.eos_token_id", (uint)ends[0]);
        if (ends.Count > 1) writer.UInt32("tokenizer.ggml.eot_token_id", (uint)ends[1]); // generation ends there too; the format has room for two
        writer.Bool("tokenizer.ggml.add_bos_token", false);
        if (chatTemplate is not null) writer.Text("tokenizer.chat_template", chatTemplate);
    }

    /// <summary>What the file says about texts.</summary>
    /// <param name="Tokenizer">The tokenizer.</param>
    /// <param name="Begin">The token that stands before a text.</param>
    /// <param name="Ends">Those that end one, the first two of which have room.</param>
    /// <param name="ChatTemplate">The chat template in Jinja; null where there is none.</param>
    private sealed record Vocabulary(GptTokenizer Tokenizer, int Begin, IReadOnlyList<int> Ends, string? ChatTemplate);
}
