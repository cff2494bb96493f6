namespace MLNet.Gpt;

/// <summary>The GPT transforms: <c>ml.Gpt().Transforms</c>. As in ML.NET, the output column comes before the input column.</summary>
/// <remarks>Immutable and thread-safe. The models and tokenizers stay the caller's: no transform made here disposes them.</remarks>
public sealed class GptTransformsCatalog
{
    internal GptTransformsCatalog(GptCatalog catalog) => Catalog = catalog;

    /// <summary>The catalog that this one belongs to.</summary>
    public GptCatalog Catalog { get; }

    /// <summary>Turns text into token ids.</summary>
    /// <param name="outputColumnName">The column to add: a vector of Int32 of each text's own length.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <exception cref="ArgumentException">The output column has no name.</exception>
    public GptTextEstimator<TokenizeTextTransformer> TokenizeText(string outputColumnName, string? inputColumnName, GptTokenizer tokenizer) =>
        TokenizeText(outputColumnName, inputColumnName, tokenizer, new TokenizeTextOptions());

    /// <inheritdoc cref="TokenizeText(string, string?, GptTokenizer)"/>
    /// <param name="outputColumnName">The column to add: a vector of Int32 of each text's own length.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The options.</param>
    public GptTextEstimator<TokenizeTextTransformer> TokenizeText(string outputColumnName, string? inputColumnName, GptTokenizer tokenizer, TokenizeTextOptions options)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(options);
        return new(new TokenizeTextTransformer(outputColumnName, inputColumnName, tokenizer, options));
    }

    /// <summary>Continues the prompts of a text column.</summary>
    /// <param name="outputColumnName">The text column to add: the new text, without the prompt.</param>
    /// <param name="inputColumnName">The text column of prompts; null means the output column's name.</param>
    /// <param name="model">The model.</param>
    /// <param name="maxNewTokens">The most tokens to generate, 1 or more.</param>
    /// <param name="temperature">Divides the logits; 0 means greedy. See <see cref="GenerationOptions.Temperature"/>.</param>
    /// <param name="topK">Draw among this many tokens; 0 switches it off. See <see cref="GenerationOptions.TopK"/>.</param>
    /// <param name="topP">Draw among the most likely tokens that make up this share; 1 switches it off. See <see cref="GenerationOptions.TopP"/>.</param>
    /// <param name="seed">The seed of the draws. See <see cref="GenerationOptions.Seed"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the output column has no name.</exception>
    public GptTextEstimator<GenerateTextTransformer> GenerateText(
        string outputColumnName, string? inputColumnName, GptModel model, int maxNewTokens = 128, float temperature = 1f, int topK = 0, float topP = 1f, int seed = 0) =>
        GenerateText(outputColumnName, inputColumnName, model, new GenerateTextOptions { MaxNewTokens = maxNewTokens, Temperature = temperature, TopK = topK, TopP = topP, Seed = seed });

    /// <summary>Continues the prompts of a text column.</summary>
    /// <param name="outputColumnName">The text column to add: the new text, without the prompt.</param>
    /// <param name="inputColumnName">The text column of prompts; null means the output column's name.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">The options, among them the names of further columns.</param>
    /// <exception cref="ArgumentException">An option is out of range, or two output columns share a name.</exception>
    public GptTextEstimator<GenerateTextTransformer> GenerateText(string outputColumnName, string? inputColumnName, GptModel model, GenerateTextOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        return new(new GenerateTextTransformer(outputColumnName, inputColumnName, model, options));
    }

    /// <summary>Scores the texts of a column: log-likelihood, perplexity and the number of tokens.</summary>
    /// <param name="outputColumnName">The Single column to add: the log-likelihood of the whole text in nats.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="model">The model.</param>
    /// <param name="perplexityColumnName">The Single column to add for the perplexity; null leaves it out.</param>
    /// <param name="tokenCountColumnName">The Int32 column to add for the number of tokens; null leaves it out.</param>
    /// <exception cref="ArgumentException">The output column has no name, or two columns share one.</exception>
    public GptTextEstimator<ScoreTextTransformer> ScoreText(
        string outputColumnName, string? inputColumnName, GptModel model, string? perplexityColumnName = "Perplexity", string? tokenCountColumnName = "TokenCount") =>
        ScoreText(outputColumnName, inputColumnName, model, new ScoreTextOptions { PerplexityColumnName = perplexityColumnName, TokenCountColumnName = tokenCountColumnName });

    /// <summary>Scores the texts of a column: log-likelihood, perplexity and the number of tokens.</summary>
    /// <param name="outputColumnName">The Single column to add: the log-likelihood of the whole text in nats.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">The options, among them the names of the further columns.</param>
    /// <exception cref="ArgumentException">An option is out of range, or two output columns share a name.</exception>
    public GptTextEstimator<ScoreTextTransformer> ScoreText(string outputColumnName, string? inputColumnName, GptModel model, ScoreTextOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        return new(new ScoreTextTransformer(outputColumnName, inputColumnName, model, options));
    }
}
