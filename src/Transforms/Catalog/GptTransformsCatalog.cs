using Microsoft.ML;

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

    /// <summary>Turns text into token ids.</summary>
    /// <param name="outputColumnName">The column to add: a vector of Int32 of each text's own length.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the output column has no name.</exception>
    public GptTextEstimator<TokenizeTextTransformer> TokenizeText(string outputColumnName, string? inputColumnName, GptTokenizer tokenizer, TokenizeTextOptions options)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(options);
        return new(Catalog.Context, new TokenizeTextTransformer(outputColumnName, inputColumnName, tokenizer, options));
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
        string outputColumnName, string? inputColumnName, GptModel model, int? maxNewTokens = null, float? temperature = null, int? topK = null, float? topP = null, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        GenerateTextOptions own = model.Generation;
        return GenerateText(outputColumnName, inputColumnName, model, own with
        {
            MaxNewTokens = maxNewTokens ?? own.MaxNewTokens,
            MinNewTokens = Math.Min(own.MinNewTokens, maxNewTokens ?? own.MaxNewTokens), // who asks for fewer tokens than the model's own least means it
            Temperature = temperature ?? own.Temperature,
            TopK = topK ?? own.TopK,
            TopP = topP ?? own.TopP,
            Seed = seed,
        });
    }

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
        return new(Catalog.Context, new GenerateTextTransformer(outputColumnName, inputColumnName, model, options));
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
        return new(Catalog.Context, new ScoreTextTransformer(outputColumnName, inputColumnName, model, options));
    }

    /// <summary>Turns the texts of a column into vectors.</summary>
    /// <param name="outputColumnName">The column to add: a vector of Single of the model's <see cref="GptConfig.EmbeddingSize"/>.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="model">The model.</param>
    /// <param name="pooling">How hidden states become one vector.</param>
    /// <param name="normalize">Whether vectors are scaled to length 1.</param>
    /// <exception cref="ArgumentException">The output column has no name.</exception>
    public GptTextEstimator<EmbedTextTransformer> EmbedText(
        string outputColumnName, string? inputColumnName, GptModel model, EmbeddingPooling pooling = EmbeddingPooling.Mean, bool normalize = true) =>
        EmbedText(outputColumnName, inputColumnName, model, new EmbedTextOptions { Pooling = pooling, Normalize = normalize });

    /// <summary>Turns the texts of a column into vectors.</summary>
    /// <param name="outputColumnName">The column to add: a vector of Single of the model's <see cref="GptConfig.EmbeddingSize"/>.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">The options, among them the names of further columns.</param>
    /// <exception cref="ArgumentException">An option is out of range, or two output columns share a name.</exception>
    public GptTextEstimator<EmbedTextTransformer> EmbedText(string outputColumnName, string? inputColumnName, GptModel model, EmbedTextOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        return new(Catalog.Context, new EmbedTextTransformer(outputColumnName, inputColumnName, model, options));
    }

    /// <summary>Cuts the texts of a column into chunks of at most so many tokens.</summary>
    /// <param name="outputColumnName">The column to add: a vector of texts of each text's own length.</param>
    /// <param name="inputColumnName">The text column; null means the output column's name.</param>
    /// <param name="tokenizer">Counts the tokens.</param>
    /// <param name="options">Length, overlap and where to cut; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the output column has no name.</exception>
    public GptTextEstimator<ChunkTextTransformer> ChunkText(string outputColumnName, string? inputColumnName, GptTokenizer tokenizer, ChunkTextOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(Catalog.Context, new ChunkTextTransformer(outputColumnName, inputColumnName, tokenizer, options ?? new ChunkTextOptions()));
    }

    /// <summary>Finds for each question of a column the nearest of some passages, as many as fit a number of tokens: the context of a prompt.</summary>
    /// <param name="outputColumnName">The text column to add: the passages.</param>
    /// <param name="inputColumnName">The text column of questions; null means the output column's name.</param>
    /// <param name="model">The model that makes vectors and whose tokens are counted.</param>
    /// <param name="passages">The passages, whose vectors are made at once.</param>
    /// <param name="options">How many passages, how many tokens, which search; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, there is no passage, or the output column has no name.</exception>
    /// <exception cref="HiddenStatesUnavailableException">The model gives no hidden states.</exception>
    /// <exception cref="OperationCanceledException">The token of <see cref="RetrieveTextOptions.Embedding"/> was cancelled while the passages' vectors were made.</exception>
    public GptTextEstimator<RetrieveTextTransformer> RetrieveText(string outputColumnName, string? inputColumnName, GptModel model, IReadOnlyList<string> passages, RetrieveTextOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(passages);
        return new(Catalog.Context, new RetrieveTextTransformer(outputColumnName, inputColumnName, model, passages, options ?? new RetrieveTextOptions()));
    }

    /// <summary>Builds prompts from text columns: zero-, one- or few-shot.</summary>
    /// <param name="outputColumnName">The text column to add: the prompts.</param>
    /// <param name="options">The templates, the number of examples and how they are selected, the most tokens.</param>
    /// <param name="examples">The examples, read at once; null where the options ask for none.</param>
    /// <param name="tokenizer">Counts tokens; needed with <see cref="BuildPromptOptions.MaxTokens"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range, there are too few examples, or a tokenizer is needed and missing.</exception>
    /// <exception cref="PromptTemplateException">A template is malformed.</exception>
    /// <exception cref="ColumnMismatchException">A field of the example template is no text column of the examples.</exception>
    public GptTextEstimator<BuildPromptTransformer> BuildPrompt(string outputColumnName, BuildPromptOptions options, IDataView? examples = null, GptTokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new(Catalog.Context, new BuildPromptTransformer(outputColumnName, options, PromptExamples.Read(examples, options), tokenizer));
    }

    /// <summary>Chooses for each prompt of a column the likeliest of some candidate answers.</summary>
    /// <param name="outputColumnName">The column to add: a key whose values are the candidates. "Score", a vector of Single, is added too.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="model">The model.</param>
    /// <param name="choices">The candidates, two or more.</param>
    /// <param name="normalization">What they are ranked by.</param>
    /// <exception cref="ArgumentException">There are fewer than two candidates, or one is there twice.</exception>
    public GptTextEstimator<ScoreChoicesTransformer> ScoreChoices(
        string outputColumnName, string promptColumnName, GptModel model, IReadOnlyList<string> choices, ChoiceNormalization normalization = ChoiceNormalization.None) =>
        ScoreChoices(outputColumnName, promptColumnName, model, new ScoreChoicesOptions { Choices = choices, Normalization = normalization });

    /// <summary>Chooses for each prompt of a column the likeliest of some candidate answers.</summary>
    /// <param name="outputColumnName">The column to add: a key whose values are the candidates, or, where each row has its own, the chosen text.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">The options, among them the candidates or their column.</param>
    /// <exception cref="ArgumentException">An option is out of range, or two output columns share a name.</exception>
    public GptTextEstimator<ScoreChoicesTransformer> ScoreChoices(string outputColumnName, string promptColumnName, GptModel model, ScoreChoicesOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        return new(Catalog.Context, new ScoreChoicesTransformer(outputColumnName, promptColumnName, model, options));
    }

    /// <summary>Classifies the texts of a column with a GPT's task head, or gives the number of a regression.</summary>
    /// <param name="scoreColumnName">The column to add for the scores: a probability for each class, or one number.</param>
    /// <param name="inputColumnName">The text column.</param>
    /// <param name="model">The model. Its labels become the values of the predicted label's keys.</param>
    /// <param name="options">The options, among them the names of further columns; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, the model takes more than one text, or two columns share a name.</exception>
    public GptTextEstimator<ClassifyTextTransformer> ClassifyText(string scoreColumnName, string inputColumnName, GptClassifier model, ClassifyTextOptions? options = null) =>
        ClassifyText(scoreColumnName, [inputColumnName], model, options);

    /// <summary>Classifies the texts of several columns with a GPT's task head, or gives the number of a regression.</summary>
    /// <param name="scoreColumnName">The column to add for the scores: a probability for each class (for each answer), or one number.</param>
    /// <param name="inputColumnNames">The text columns in the task's order: premise, hypothesis; two texts; a context and the answers.</param>
    /// <param name="model">The model. Its labels become the values of the predicted label's keys; for a multiple choice, the names of the answers' columns do.</param>
    /// <param name="options">The options, among them the names of further columns; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, the number of columns is not the task's, or two columns share a name.</exception>
    public GptTextEstimator<ClassifyTextTransformer> ClassifyText(string scoreColumnName, IReadOnlyList<string> inputColumnNames, GptClassifier model, ClassifyTextOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        ArgumentNullException.ThrowIfNull(inputColumnNames);
        ArgumentNullException.ThrowIfNull(model);
        foreach (string name in inputColumnNames) ArgumentException.ThrowIfNullOrEmpty(name, nameof(inputColumnNames));
        LabelValues? labels = HeadScores.Of(model.Head.IsRegression).LabelsOf(model.Head, inputColumnNames);
        return new(Catalog.Context, new ClassifyTextTransformer(scoreColumnName, [.. inputColumnNames], labels, model, options ?? new ClassifyTextOptions()));
    }

    /// <summary>Scores responses to prompts with a reward model.</summary>
    /// <param name="scoreColumnName">The Single column to add: the reward, the higher the better among the responses to one prompt. <c>Ranking.Evaluate</c> reads it.</param>
    /// <param name="promptColumnName">The text column of prompts: texts, or conversations in JSON, as the model was trained.</param>
    /// <param name="responseColumnName">The text column of responses.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">The options, among them the names of further columns; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, a column has no name, or two columns share one.</exception>
    public GptTextEstimator<ScoreResponseTransformer> ScoreResponse(string scoreColumnName, string promptColumnName, string responseColumnName, GptRewardModel model, ScoreResponseOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        ArgumentException.ThrowIfNullOrEmpty(promptColumnName);
        ArgumentException.ThrowIfNullOrEmpty(responseColumnName);
        ArgumentNullException.ThrowIfNull(model);
        return new(Catalog.Context, new ScoreResponseTransformer(scoreColumnName, promptColumnName, responseColumnName, model, options ?? new ScoreResponseOptions()));
    }

    /// <summary>Writes several responses to each prompt of a column and keeps the one that a reward model finds best (best-of-n).</summary>
    /// <param name="outputColumnName">The text column to add: the best response.</param>
    /// <param name="promptColumnName">The text column of prompts: texts, or conversations in JSON, as the reward model reads them.</param>
    /// <param name="policy">The model that writes.</param>
    /// <param name="reward">The model that chooses.</param>
    /// <param name="samples">n, 1 or more.</param>
    /// <exception cref="ArgumentException">A value is out of range, a column has no name, or the models do not go together.</exception>
    public GptTextEstimator<BestOfNTransformer> GenerateBestOfN(string outputColumnName, string promptColumnName, GptModel policy, GptRewardModel reward, int samples = 16) =>
        GenerateBestOfN(outputColumnName, promptColumnName, policy, reward, new BestOfNOptions { Samples = samples });

    /// <summary>Writes several responses to each prompt of a column and keeps the one that a reward model finds best (best-of-n).</summary>
    /// <param name="outputColumnName">The text column to add: the best response.</param>
    /// <param name="promptColumnName">The text column of prompts: texts, or conversations in JSON, as the reward model reads them.</param>
    /// <param name="policy">The model that writes.</param>
    /// <param name="reward">The model that chooses.</param>
    /// <param name="options">How many are drawn and how, and the names of further columns.</param>
    /// <exception cref="ArgumentException">An option is out of range, two columns share a name, or the models do not go together.</exception>
    /// <exception cref="ChatTemplateException">The prompts are conversations, and the policy has no chat template.</exception>
    public GptTextEstimator<BestOfNTransformer> GenerateBestOfN(string outputColumnName, string promptColumnName, GptModel policy, GptRewardModel reward, BestOfNOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(promptColumnName);
        ArgumentNullException.ThrowIfNull(options);
        return new(Catalog.Context, new BestOfNTransformer(outputColumnName, promptColumnName, policy, reward, options));
    }

    /// <summary>
    /// Writes several responses to each prompt of a column and gives the best of them, by a reward model, as rows for <c>Trainers.SupervisedFineTuning</c> (rejection sampling). The rows have
    /// the prompt, completion and score columns alone.
    /// </summary>
    /// <param name="completionColumnName">
    /// The text column of the responses that were kept. Where prompts are conversations it holds each conversation with the answer as its last turn, as fine-tuning reads a conversation column.
    /// </param>
    /// <param name="promptColumnName">The text column of prompts: texts, or conversations in JSON, as the reward model reads them.</param>
    /// <param name="policy">The model that writes.</param>
    /// <param name="reward">The model that chooses.</param>
    /// <param name="options">How many are drawn and how, and which are kept; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, two columns share a name, or the models do not go together.</exception>
    /// <exception cref="ChatTemplateException">The prompts are conversations, and the policy has no chat template.</exception>
    public RejectionSamplingEstimator SampleBestResponses(string completionColumnName, string promptColumnName, GptModel policy, GptRewardModel reward, RejectionSamplingOptions? options = null) =>
        new(Catalog.Context, new RejectionSamplingTransformer(completionColumnName, promptColumnName, policy, reward, options ?? new RejectionSamplingOptions()));
}
