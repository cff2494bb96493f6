using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Turns a text column of questions into a text column of the passages that are nearest to each, as many as fit a number of tokens.</summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/>. Passages and their vectors are saved with the transformer.</remarks>
public sealed class RetrieveTextTransformer : GptTextTransformer
{
    internal const string Kind = "RetrieveText";

    private readonly Settings _settings;
    private readonly IReadOnlyList<ReadOnlyMemory<float>> _vectors; // (N, C)

    internal RetrieveTextTransformer(string outputColumnName, string? inputColumnName, GptModel model, IReadOnlyList<string> passages, RetrieveTextOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(inputColumnName, outputColumnName), options), [.. passages.Select(static (passage, index) => GptTokenizer.WellFormed(passage ?? throw new ArgumentException($"Passage {index} is null; leave it out.", nameof(passages))))], model)
    {
    }

    private RetrieveTextTransformer(Settings settings, string[] passages, GptModel model)
        : this(settings, passages, Embed(model, passages, settings.Options), model, owned: null)
    {
    }

    private RetrieveTextTransformer(Settings settings, IReadOnlyList<string> passages, IReadOnlyList<ReadOnlyMemory<float>> vectors, GptModel model, IDisposable? owned)
        : base(new RetrieveOperation(settings, passages, vectors, model), owned)
    {
        (_settings, _vectors) = (settings, vectors);
        Passages = passages;
        Model = model;
    }

    /// <summary>The model that makes vectors and whose tokens are counted.</summary>
    public GptModel Model { get; }

    /// <summary>The options.</summary>
    public RetrieveTextOptions Options => _settings.Options;

    /// <summary>The passages; where one held half of a surrogate pair, U+FFFD stands in its place.</summary>
    public IReadOnlyList<string> Passages { get; }

    internal static RetrieveTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        (string[] passages, float[][] vectors) = contents.TakeFile(OnnxPackageLayout.PassagesFile, PassageFile.Read);
        return contents.OpenModel((model, owned) => new RetrieveTextTransformer(settings, passages, [.. vectors], model, owned));
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, folder =>
    {
        PassageFile.Write(Path.Combine(folder, OnnxPackageLayout.PassagesFile), Passages, _vectors);
        return Model.WriteToSave(folder);
    });

    private static ReadOnlyMemory<float>[] Embed(GptModel model, IReadOnlyList<string> passages, RetrieveTextOptions options)
    {
        options.Validate();
        if (passages.Count == 0) throw new ArgumentException("There is no passage to find; give one or more.", nameof(passages));
        ReadOnlyMemory<float>[] vectors = [.. model.Embed(passages, options.Embedding, options.Embedding.CancellationToken).Select(static embedding => embedding.Vector)];
        for (int i = 0; i < vectors.Length; i++)
        {
            int broken = vectors[i].Span.IndexOfAnyExceptInRange(-float.MaxValue, float.MaxValue);
            if (broken >= 0)
                throw new ArgumentException(FormattableString.Invariant($"Number {broken} of the vector of passage {i} is {vectors[i].Span[broken]}, which is near nothing. The model's weights are damaged or training diverged: load an earlier checkpoint, or export the model again."), nameof(model));
        }

        return vectors;
    }

    private sealed record Settings(string OutputColumnName, string InputColumnName, RetrieveTextOptions Options);

    private sealed record Found(string Context, float[] Similarities);

    private sealed class RetrieveOperation : TextOperation
    {
        private readonly Settings _settings;
        private readonly GptModel _model;
        private readonly IReadOnlyList<string> _texts;
        private readonly VectorSet _passages;

        public RetrieveOperation(Settings settings, IReadOnlyList<string> passages, IReadOnlyList<ReadOnlyMemory<float>> vectors, GptModel model)
            : base(settings.InputColumnName, settings.Options?.Embedding?.BatchSize ?? 0, Columns(settings))
        {
            if (vectors[0].Length != model.Config.EmbeddingSize)
                throw new ArgumentException($"The passages' vectors have {vectors[0].Length} numbers; the model's have {model.Config.EmbeddingSize}.", nameof(vectors));
            (_settings, _model, _texts) = (settings, model, passages);
            _passages = new VectorSet(VectorSimilarity.Of(null), settings.Options!.Hnsw);
            foreach (ReadOnlyMemory<float> vector in vectors) _passages.Add(vector);
        }

        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows)
        {
            RetrieveTextOptions options = _settings.Options;
            return [.. _model.Embed([.. rows.Select(static row => row.Text)], options.Embedding, options.Embedding.CancellationToken).Select(question =>
            {
                (float Nearness, int Id)[] near = [.. _passages.Search(question.Vector, options.Top).Where(item => item.Nearness >= options.MinSimilarity)];
                (string text, IReadOnlyList<int> taken) = ContextBudget.Fill(
                    [.. near.Select(item => _texts[item.Id])], options.Separator, options.MaxTokens, text => _model.Tokenizer.Encode(text, SpecialTokenHandling.AsText).Length);
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
