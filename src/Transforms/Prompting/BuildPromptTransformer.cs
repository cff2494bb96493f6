using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Builds a column of prompts from text columns: instruction, examples, query (Brown et al. 2020, figure 2.1).</summary>
/// <remarks>Thread-safe. Made by <see cref="GptTransformsCatalog"/>. The examples' texts are saved with the transformer.</remarks>
public sealed class BuildPromptTransformer : GptTextTransformer
{
    internal const string Kind = "BuildPrompt";

    private readonly Settings _settings;
    private readonly GptTokenizer? _tokenizer;

    internal BuildPromptTransformer(string outputColumnName, BuildPromptOptions options, IReadOnlyList<string> examples, GptTokenizer? tokenizer)
        : this(new Settings(outputColumnName, options, examples, tokenizer is not null), tokenizer)
    {
    }

    private BuildPromptTransformer(Settings settings, GptTokenizer? tokenizer)
        : base(new PromptOperation(settings, tokenizer), owned: null)
    {
        _settings = settings;
        _tokenizer = tokenizer;
    }

    /// <summary>The options.</summary>
    public BuildPromptOptions Options => _settings.Options;

    /// <summary>The examples that prompts show or are drawn from, as texts.</summary>
    public IReadOnlyList<string> Examples => _settings.Examples;

    internal static BuildPromptTransformer Load(ModelFileContents contents)
    {
        var settings = contents.ReadSettings<Settings>();
        using PrivateFolder folder = contents.TakeFolder(); // the tokenizer holds nothing of it
        try
        {
            return new BuildPromptTransformer(settings, settings.HasTokenizer ? GptTokenizer.Load(folder.Path) : null);
        }
        catch (Exception exception) when (exception is ArgumentException or PromptTemplateException)
        {
            throw ModelFileContents.Corrupt($"the settings of its transformer '{Kind}' are out of range: {exception.Message}", exception);
        }
    }

    private protected override SavedTransformer ToSaved() => SavedTransformer.Create(Kind, _settings, _tokenizer);

    private sealed record Settings(string OutputColumnName, BuildPromptOptions Options, IReadOnlyList<string> Examples, bool HasTokenizer);

    private sealed class PromptOperation : TextOperation
    {
        private readonly Settings _settings;
        private readonly GptTokenizer? _tokenizer;
        private readonly PromptTemplate _template;
        private readonly Dictionary<string, int> _places;

        public PromptOperation(Settings settings, GptTokenizer? tokenizer)
            : base(Read(settings), batchSize: 1, Columns(settings))
        {
            if (settings.Options.MaxTokens is { } limit && tokenizer is null)
                throw new ArgumentException($"{nameof(BuildPromptOptions.MaxTokens)} is {limit}, and tokens can't be counted without a tokenizer; pass the model's.", nameof(tokenizer));
            if (settings.Examples.Count < settings.Options.ExampleCount)
                throw new ArgumentException($"There are {settings.Examples.Count} examples, and a prompt is to show {settings.Options.ExampleCount}; give more, or ask for fewer.", nameof(settings));
            (_settings, _tokenizer) = (settings, tokenizer);
            _template = PromptTemplate.Parse(settings.Options.Template);
            _places = _template.Fields.Index().ToDictionary(field => field.Item, field => field.Index, StringComparer.Ordinal);
        }

        public override IReadOnlyList<object> Run(IReadOnlyList<TextRow> rows) => [.. rows.Select(Build)];

        private FewShotPrompt Build(TextRow row)
        {
            BuildPromptOptions options = _settings.Options;
            string query = _template.Fill(field => row.Columns[_places[field]][0]);
            IReadOnlyList<string> examples = options.Selection == ExampleSelection.RandomPerRow
                ? PromptExamples.Draw(_settings.Examples, options.ExampleCount, options.Seed, query)
                : _settings.Examples;
            int tokensOfAll = 0;
            for (int count = options.ExampleCount; ; count--)
            {
                string prompt = options.Instruction + string.Concat(examples.Take(count).Select(example => example + options.ExampleSeparator)) + query;
                if (options.MaxTokens is not { } limit) return new FewShotPrompt(prompt, count);
                int tokens = _tokenizer!.Encode(prompt).Length;
                if (count == options.ExampleCount) tokensOfAll = tokens;
                if (tokens <= limit)
                {
                    if (count == options.ExampleCount || options.AllowFewerExamples) return new FewShotPrompt(prompt, count);
                    throw new ExamplesDoNotFitException(options.ExampleCount, count, tokensOfAll, limit, $"Row {row.Position}");
                }

                if (count == 0)
                    throw new PromptTooLongException(tokens, limit, $"That is row {row.Position}'s without any example. Shorten it, or raise {nameof(options.MaxTokens)} as far as the model's context allows.");
            }
        }

        private static List<TextInput> Read(Settings settings)
        {
            ArgumentNullException.ThrowIfNull(settings.Options);
            settings.Options.Validate();
            return [.. PromptTemplate.Parse(settings.Options.Template).Fields.Select(field => new TextInput(field))];
        }

        private static List<TextOutput> Columns(Settings settings)
        {
            ArgumentException.ThrowIfNullOrEmpty(settings.OutputColumnName, "outputColumnName");
            CheckNames([(settings.OutputColumnName, "outputColumnName"), (settings.Options.ExampleCountColumnName, nameof(BuildPromptOptions.ExampleCountColumnName))]);
            List<TextOutput> columns = [TextOutput.Create<FewShotPrompt, ReadOnlyMemory<char>>(
                settings.OutputColumnName, TextDataViewType.Instance, static (FewShotPrompt prompt, ref ReadOnlyMemory<char> value) => value = prompt.Text.AsMemory())];
            if (settings.Options.ExampleCountColumnName is { } count)
                columns.Add(TextOutput.Create<FewShotPrompt, int>(count, NumberDataViewType.Int32, static (FewShotPrompt prompt, ref int value) => value = prompt.ExampleCount));
            return columns;
        }
    }
}
