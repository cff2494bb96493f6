using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// Writes several responses to each prompt of a column and gives the best of them, by a reward model, as rows to train on (rejection sampling; Touvron et al. 2023, section 3.2.3): a prompt
/// and a completion column, as supervised fine-tuning takes them.
/// </summary>
/// <remarks>
/// Thread-safe. Made by <see cref="GptTransformsCatalog"/>. The view that it gives has columns of its own and as many rows as were kept; they are drawn anew each time it is read, to the same
/// result: a prompt's responses depend on it, the options and the seed. Cache it, or save it, where it is read more than once. <c>mlContext.Model.Save</c> writes both models.
/// </remarks>
public sealed class RejectionSamplingTransformer : ITransformer, IModelFileTransformer, IDisposable
{
    internal const string Kind = "RejectionSampling";

    private readonly Settings _settings;
    private readonly ResponseSampler _sampler;
    private readonly IDisposable? _owned;
    private volatile bool _disposed;

    internal RejectionSamplingTransformer(string completionColumnName, string promptColumnName, GptModel policy, GptRewardModel reward, RejectionSamplingOptions options)
        : this(new Settings(completionColumnName, promptColumnName, options), policy, reward, owned: null)
    {
    }

    private RejectionSamplingTransformer(Settings settings, GptModel policy, GptRewardModel reward, IDisposable? owned)
    {
        ArgumentNullException.ThrowIfNull(settings.Options);
        settings.Options.Validate();
        ArgumentException.ThrowIfNullOrEmpty(settings.CompletionColumnName);
        ArgumentException.ThrowIfNullOrEmpty(settings.PromptColumnName);
        TextOperation.CheckNames([(settings.CompletionColumnName, "completionColumnName"), (settings.PromptColumnName, "promptColumnName"), (settings.Options.ScoreColumnName, nameof(settings.Options.ScoreColumnName))]);
        _settings = settings;
        _sampler = new(policy, reward, settings.Options.Samples, settings.Options.Generation, settings.Options.MaxBatchTokens);
        _owned = owned;
        (Model, RewardModel) = (policy, reward);
    }

    /// <summary>The policy that writes.</summary>
    public GptModel Model { get; }

    /// <summary>The model that chooses.</summary>
    public GptRewardModel RewardModel { get; }

    /// <summary>The options.</summary>
    public RejectionSamplingOptions Options => _settings.Options;

    /// <summary>Always false: a row may give several, or none.</summary>
    public bool IsRowToRowMapper => false;

    IHostEnvironment? IModelFileTransformer.Environment
    {
        get => Environment;
        set => Environment = value;
    }

    /// <summary>The context that made the transformer.</summary>
    internal IHostEnvironment? Environment { get; set; }

    /// <summary>The prompt, completion and score columns.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <exception cref="ColumnMismatchException">The prompt column is missing, or is not text.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was loaded, and has been disposed.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        ObjectDisposedException.ThrowIf(_disposed, this);
        TextColumnMapper.FindText(_settings.PromptColumnName, inputSchema);
        var schema = new DataViewSchema.Builder();
        foreach ((string name, DataViewType type) in Columns) schema.AddColumn(name, type);
        return schema.ToSchema();
    }

    /// <summary>The rows that were kept, prompt by prompt, a prompt's best first. Nothing is drawn yet.</summary>
    /// <param name="input">The prompts.</param>
    /// <exception cref="ColumnMismatchException">The prompt column is missing, or is not text.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was loaded, and has been disposed.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ObjectDisposedException.ThrowIf(_disposed, this);
        TextColumnMapper.FindText(_settings.PromptColumnName, input.Schema);
        SchemaDefinition definition = SchemaDefinition.Create(typeof(Example));
        definition[nameof(Example.Prompt)].ColumnName = _settings.PromptColumnName;
        definition[nameof(Example.Completion)].ColumnName = _settings.CompletionColumnName;
        if (Options.ScoreColumnName is { } score) definition[nameof(Example.Score)].ColumnName = score;
        else definition.Remove(definition[nameof(Example.Score)]);
        return new MLContext().Data.LoadFromEnumerable(Examples(input), definition);
    }

    /// <summary>There is no such mapper.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) =>
        throw new InvalidOperationException($"Rejection sampling gives several rows for one, or none, so that it can't map row by row; call {nameof(Transform)}, or take best-of-n, which gives one.");

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ArgumentNullException.ThrowIfNull(ctx);
        ObjectDisposedException.ThrowIf(_disposed, this);
        ModelFile.Save(ctx, SavedTransformer.Create(Kind, _settings, Model.WriteToSave) with { WriteSecondModel = RewardModel.WriteToSave }, Environment);
    }

    /// <summary>
    /// Disposes the models of a transformer that <c>mlContext.Model.Load</c> made, each with the last transformer that was loaded over it; this one, and the views that it has made, then throw an
    /// <see cref="ObjectDisposedException"/>. Does nothing otherwise, since the models are the caller's.
    /// </summary>
    public void Dispose()
    {
        _disposed = _owned is not null;
        _owned?.Dispose();
    }

    internal static RejectionSamplingTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenPolicyAndReward((policy, reward, owned) => new RejectionSamplingTransformer(settings, policy, reward, owned));
    }

    /// <summary>The columns of the examples.</summary>
    internal IEnumerable<(string Name, DataViewType Type)> Columns =>
    [
        (_settings.PromptColumnName, TextDataViewType.Instance),
        (_settings.CompletionColumnName, TextDataViewType.Instance),
        .. Options.ScoreColumnName is { } score ? ((string, DataViewType)[])[(score, NumberDataViewType.Single)] : [],
    ];

    /// <summary>The text column that is read.</summary>
    internal string PromptColumnName => _settings.PromptColumnName;

    private IEnumerable<Example> Examples(IDataView input)
    {
        CancellationToken cancellation = Options.Generation.CancellationToken;
        long row = 0, kept = 0, without = 0;
        foreach (string[] prompts in Prompts(input).Chunk(Options.PromptBatchSize))
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            IReadOnlyList<SampledResponse[]> drawn = Draw(prompts, row, cancellation);
            for (int i = 0; i < prompts.Length; i++)
            {
                SampledResponse[] best = Best(drawn[i], Options);
                if (best.Length == 0) without++;
                kept += best.Length;
                foreach (SampledResponse one in best) yield return new() { Prompt = prompts[i], Completion = Completion(prompts[i], one.Text), Score = one.Reward };
            }

            row += prompts.Length;
        }

        if (Environment is null) yield break;
        using IChannel channel = Environment.Start("RejectionSampling");
        channel.Info(MessageSensitivity.None, "{0}", FormattableString.Invariant($"{kept:N0} responses kept of {row * Options.Samples:N0} to {row:N0} prompts; {without:N0} prompts gave none"));
    }

    /// <summary>The best different responses that may be kept, the best first.</summary>
    internal static SampledResponse[] Best(IEnumerable<SampledResponse> drawn, RejectionSamplingOptions options) =>
    [
        .. drawn.Where(one => (one.IsFinished || !options.FinishedOnly) && (options.MinReward is not { } least || one.Reward >= least) && one.Text.Length > 0)
            .DistinctBy(static one => one.Text).OrderByDescending(static one => one.Reward).Take(options.Keep),
    ];

    /// <summary>The prompts' responses; where one prompt is at fault, its row is named.</summary>
    private IReadOnlyList<SampledResponse[]> Draw(string[] prompts, long firstRow, CancellationToken cancellation)
    {
        try
        {
            return _sampler.Draw(prompts, cancellation);
        }
        catch (Exception exception) when (TextOperation.MayBeOneRows(exception) && prompts.Length > 1)
        {
            return [.. prompts.Select((prompt, i) => Draw([prompt], firstRow + i, cancellation)[0])];
        }
        catch (Exception exception) when (TextOperation.MayBeOneRows(exception))
        {
            throw new TextRowException(firstRow, [_settings.PromptColumnName], exception);
        }
    }

    /// <summary>What supervised fine-tuning reads: the response; of a conversation, the whole of it with the answer as its last turn.</summary>
    private string Completion(string prompt, string response) => Options.Generation.PromptForm == PromptForm.Text ? response
        : ConversationJson.Write([.. ConversationJson.Parse(prompt), ConversationTurn.Assistant(response)]);

    private IEnumerable<string> Prompts(IDataView input)
    {
        DataViewSchema.Column column = input.Schema[_settings.PromptColumnName];
        using DataViewRowCursor cursor = input.GetRowCursor([column]);
        ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> text = default;
        while (cursor.MoveNext())
        {
            getter(ref text);
            yield return text.ToString();
        }
    }

    private sealed record Settings(string CompletionColumnName, string PromptColumnName, RejectionSamplingOptions Options);

    private sealed class Example
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";

        public float Score { get; set; }
    }
}
