using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Turns a text column of prompts into a text column of continuations, and tells, where asked, why and after how many tokens each ended.</summary>
/// <remarks>
/// Thread-safe. Made by <see cref="GptTransformsCatalog"/>. A row's text depends on its prompt, the options and the seed, and not on the rows around it, the thread, or how often
/// it is read. An empty prompt begins with <see cref="GptModel.BeginTokenId"/>.
/// </remarks>
public sealed class GenerateTextTransformer : GptTextTransformer
{
    internal const string Kind = "GenerateText";

    private readonly Settings _settings;

    internal GenerateTextTransformer(string outputColumnName, string? inputColumnName, GptModel model, GenerateTextOptions options)
        : this(new Settings(outputColumnName, TextOperation.InputOrOutput(inputColumnName, outputColumnName), options), model, owned: null)
    {
    }

    private GenerateTextTransformer(Settings settings, GptModel model, IDisposable? owned)
        : base(new GenerateOperation(settings, model), owned)
    {
        _settings = settings;
        Model = model;
        model.CheckStops(settings.Options);
        if (settings.Options.PromptForm == PromptForm.Conversation) model.RequireChatTemplate();
    }

    /// <summary>The model.</summary>
    public GptModel Model { get; }

    /// <summary>The options.</summary>
    public GenerateTextOptions Options => _settings.Options;

    internal static GenerateTextTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        return contents.OpenModel((model, owned) => new GenerateTextTransformer(settings, model, owned));
    }

    /// <summary>The columns that such a transformer adds.</summary>
    internal static IReadOnlyList<TextOutput> OutputsOf(string outputColumnName, string inputColumnName, GenerateTextOptions options) =>
        GenerateOperation.Columns(new(outputColumnName, inputColumnName, options));

    /// <summary>Refuses options that no transformer can have, such as output columns that share a name.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or two columns share a name.</exception>
    internal static void CheckColumns(string outputColumnName, string inputColumnName, GenerateTextOptions options) => OutputsOf(outputColumnName, inputColumnName, options);

    /// <summary>The column of each new token's log-probability.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="tokens">The tokens of a result.</param>
    internal static TextOutput LogProbabilitiesColumn<TResult>(string name, Func<TResult, IReadOnlyList<TokenLogProbability>> tokens) =>
        TextOutput.Create<TResult, VBuffer<float>>(name, new VectorDataViewType(NumberDataViewType.Single), (TResult result, ref VBuffer<float> value) =>
        {
            IReadOnlyList<TokenLogProbability> all = tokens(result);
            VBufferEditor<float> editor = VBufferEditor.Create(ref value, all.Count);
            for (int i = 0; i < all.Count; i++) editor.Values[i] = all[i].LogProbability;
            value = editor.Commit();
        });

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, Model.WriteToSave);

    private sealed record Settings(string OutputColumnName, string InputColumnName, GenerateTextOptions Options);

    private sealed class GenerateOperation(Settings settings, GptModel model)
        : TextOperation(settings.InputColumnName, Window(settings.Options?.BatchSize ?? 0), Columns(settings))
    {
        /// <summary>Batches of like length, as far as the length of a text tells that of its prompt.</summary>
        public override IEnumerable<int[]> Divide(IReadOnlyList<TextRow> rows) =>
            Enumerable.Range(0, rows.Count).OrderBy(i => rows[i].Text.Length).Chunk(settings.Options.BatchSize);

        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows)
        {
            GenerateTextOptions options = settings.Options.ForColumns();
            GenerationOptions generation = options;
            var prompts = new int[rows.Count][];
            for (int i = 0; i < prompts.Length; i++)
            {
                options.CancellationToken.ThrowIfCancellationRequested();
                if (options.PromptForm == PromptForm.Conversation)
                {
                    generation = model.ChatOptions(options);
                    prompts[i] = Conversation(rows[i], options);
                    continue;
                }

                prompts[i] = model.Tokenizer.Encode(rows[i].Text, options.SpecialTokens);
                if (options.PromptOverflow != PromptOverflow.KeepTail && prompts[i].Length > model.Config.ContextLength) throw TooLong(prompts[i].Length, model.Config.ContextLength, rows[i]);
            }

            return [.. model.GenerateTokens(prompts, generation, onToken: null, options.CancellationToken).Select(sequence => model.ToText(sequence, options))];
        }

        private int[] Conversation(TextRow row, GenerateTextOptions options)
        {
            try
            {
                return [.. model.RenderPrompt(ConversationJson.Parse(row.Text), options, options.CancellationToken).TokenIds];
            }
            catch (ConversationException exception)
            {
                throw new ConversationException(exception.Problem, exception.TurnIndex, $"Column '{InputColumnName}', row {row.Position}: {exception.Message}", exception);
            }
            catch (PromptTooLongException exception)
            {
                throw TooLong(exception.TokenCount, exception.Limit, row);
            }
        }

        private PromptTooLongException TooLong(int tokens, int limit, TextRow row) => new(tokens, limit,
            $"It stands in column '{InputColumnName}', row {row.Position}. Shorten it{(settings.Options.PromptOverflow != PromptOverflow.KeepTail ? $", or set {nameof(GenerationOptions.PromptOverflow)} to {nameof(PromptOverflow.KeepTail)}" : "")}.");

        public static List<TextOutput> Columns(Settings settings)
        {
            GenerateTextOptions options = settings.Options;
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            SpecialTokensOption.Validate(options.SpecialTokens);
            if (!Enum.IsDefined(options.PromptForm))
                throw new ArgumentOutOfRangeException(nameof(options.PromptForm), options.PromptForm, $"{nameof(options.PromptForm)} is {options.PromptForm}; it must be {PromptForm.Text} or {PromptForm.Conversation}.");
            if (options.SamplesPerPrompt != 1)
                throw new ArgumentException($"{nameof(options.SamplesPerPrompt)} is {options.SamplesPerPrompt}, and a row has room for one text; set it to 1, or call {nameof(GptModel)}.{nameof(GptModel.Generate)}.", nameof(settings));
            CheckNames([(settings.OutputColumnName, "outputColumnName"), (options.FinishReasonColumnName, nameof(options.FinishReasonColumnName)), (options.TokenCountColumnName, nameof(options.TokenCountColumnName)), (options.LogProbabilitiesColumnName, nameof(options.LogProbabilitiesColumnName))]);
            List<TextOutput> columns = [TextOutput.Create<GeneratedText, ReadOnlyMemory<char>>(
                settings.OutputColumnName, TextDataViewType.Instance, static (GeneratedText text, ref ReadOnlyMemory<char> value) => value = text.Text.AsMemory())];
            if (options.FinishReasonColumnName is { } reason)
                columns.Add(TextOutput.Create<GeneratedText, ReadOnlyMemory<char>>(reason, TextDataViewType.Instance, static (GeneratedText text, ref ReadOnlyMemory<char> value) => value = text.FinishReason.ToString().AsMemory()));
            if (options.TokenCountColumnName is { } count)
                columns.Add(TextOutput.Create<GeneratedText, int>(count, NumberDataViewType.Int32, static (GeneratedText text, ref int value) => value = text.TokenCount));
            if (options.LogProbabilitiesColumnName is { } logProbabilities)
                columns.Add(LogProbabilitiesColumn<GeneratedText>(logProbabilities, static text => text.LogProbabilities!));
            return columns;
        }
    }
}
