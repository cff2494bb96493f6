using System.Runtime.InteropServices;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Turns a text column of questions into a text column of the passages that are nearest to each, as many as fit a number of tokens.</summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/>. Passages and their vectors are saved with the transformer.</remarks>
public sealed class RetrieveTextTransformer : GptTextTransformer
{
    internal const string Kind = "RetrieveText";

    private readonly Settings _settings;

    internal RetrieveTextTransformer(string outputColumnName, string? inputColumnName, GptModel model, IReadOnlyList<string> passages, RetrieveTextOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(inputColumnName, outputColumnName), options, [.. passages], Embed(model, passages, options)), model, owned: null)
    {
    }

    private RetrieveTextTransformer(Settings settings, GptModel model, IDisposable? owned)
        : base(new RetrieveOperation(settings, model), owned)
    {
        _settings = settings;
        Model = model;
    }

    /// <summary>The model that makes vectors and whose tokens are counted.</summary>
    public GptModel Model { get; }

    /// <summary>The options.</summary>
    public RetrieveTextOptions Options => _settings.Options;

    /// <summary>The passages.</summary>
    public IReadOnlyList<string> Passages => _settings.Passages;

    internal static RetrieveTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenModel((model, owned) => new RetrieveTextTransformer(settings, model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave);

    private static byte[] Embed(GptModel model, IReadOnlyList<string> passages, RetrieveTextOptions options)
    {
        options.Validate();
        if (passages.Count == 0) throw new ArgumentException("There is no passage to find; give one or more.", nameof(passages));
        var vectors = new float[passages.Count * model.Config.EmbeddingSize]; // (N, C)
        IReadOnlyList<SequenceEmbedding> embeddings = model.Embed(passages, options.Embedding, options.Embedding.CancellationToken);
        for (int i = 0; i < embeddings.Count; i++) embeddings[i].Vector.CopyTo(vectors, i * model.Config.EmbeddingSize);
        return MemoryMarshal.AsBytes(vectors.AsSpan()).ToArray();
    }

    private sealed record Settings(string OutputColumnName, string InputColumnName, RetrieveTextOptions Options, IReadOnlyList<string> Passages, byte[] Vectors);

    private sealed record Found(string Context, float[] Similarities);

    private sealed class RetrieveOperation : TextOperation
    {
        private readonly Settings _settings;
        private readonly GptModel _model;
        private readonly VectorSet _passages;

        public RetrieveOperation(Settings settings, GptModel model)
            : base(settings.InputColumnName, settings.Options?.Embedding?.BatchSize ?? 0, Columns(settings))
        {
            int width = model.Config.EmbeddingSize;
            if (settings.Vectors.Length != (long)settings.Passages.Count * width * sizeof(float))
                throw new ArgumentException($"There are {settings.Vectors.Length} bytes of vectors for {settings.Passages.Count} passages of {width} numbers each.", nameof(settings));
            (_settings, _model) = (settings, model);
            _passages = new VectorSet(VectorSimilarity.Of(null), settings.Options!.Hnsw);
            float[] vectors = MemoryMarshal.Cast<byte, float>(settings.Vectors).ToArray();
            for (int i = 0; i < settings.Passages.Count; i++) _passages.Add(vectors.AsMemory(i * width, width));
        }

        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows)
        {
            RetrieveTextOptions options = _settings.Options;
            return [.. _model.Embed([.. rows.Select(static row => row.Text)], options.Embedding, options.Embedding.CancellationToken).Select(question =>
            {
                (float Nearness, int Id)[] near = [.. _passages.Search(question.Vector, options.Top).Where(item => item.Nearness >= options.MinSimilarity)];
                (string text, IReadOnlyList<int> taken) = ContextBudget.Fill(
                    [.. near.Select(item => _settings.Passages[item.Id])], options.Separator, options.MaxTokens, text => _model.Tokenizer.Encode(text, SpecialTokenHandling.AsText).Length);
                return (object)new Found(text, [.. taken.Select(i => near[i].Nearness)]);
            })];
        }

        private static List<TextOutput> Columns(Settings settings)
        {
            ArgumentNullException.ThrowIfNull(settings.Options);
            settings.Options.Validate();
            CheckNames([(settings.OutputColumnName, "outputColumnName"), (settings.Options.SimilarityColumnName, nameof(RetrieveTextOptions.SimilarityColumnName))]);
            List<TextOutput> columns = [TextOutput.Create<Found, ReadOnlyMemory<char>>(settings.OutputColumnName, TextDataViewType.Instance, static (Found found, ref ReadOnlyMemory<char> value) => value = found.Context.AsMemory())];
            if (settings.Options.SimilarityColumnName is { } similarity)
            {
                columns.Add(TextOutput.Create<Found, VBuffer<float>>(similarity, new VectorDataViewType(NumberDataViewType.Single), static (Found found, ref VBuffer<float> value) =>
                {
                    VBufferEditor<float> editor = VBufferEditor.Create(ref value, found.Similarities.Length);
                    found.Similarities.CopyTo(editor.Values);
                    value = editor.Commit();
                }));
            }

            return columns;
        }
    }
}
