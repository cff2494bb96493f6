using System.Text.RegularExpressions;

namespace MLNet.Gpt.Tool;

/// <summary>What the library's messages call by the names of its API, in the words of the command line.</summary>
internal static partial class CommandLineTerms
{
    private static readonly Dictionary<string, string> Terms = new()
    {
        ["Optimizer.DecaySteps (MaxSteps, unless set)"] = "--steps",
        ["Optimizer.WarmupSteps"] = "the warm-up, a tenth of --steps,",
        ["Optimizer.LearningRate"] = "--learning-rate",
        ["Optimizer.MinLearningRate"] = "the least rate, a tenth of --learning-rate,",
        ["BatchSize"] = "--batch",
        ["Epochs"] = "--epochs",
        ["Beta"] = "--beta",
        ["Packing"] = "--packing",
        ["Lora"] = "--lora",
        ["Set Overflow to KeepTail, KeepHead or Skip"] = "Set --overflow to keep-tail, keep-head or skip",
        ["MicroBatchSize was"] = "the rows at once, all of --batch, was",
        ["MicroBatchSize (the batch stays the same), or let MicroBatchSize.Auto find one that fits; else lower the context length or the size of the model"] = "--batch, --context, --layers or --width",
        ["VocabularySize"] = "--vocabulary",
        ["ContextLength"] = "--context",
        ["EmbeddingSize"] = "--width",
        ["FeedForwardSize"] = "the inner width, four times --width,",
        ["LayerCount"] = "--layers",
        ["HeadCount"] = "--heads",
        ["ValidationFraction"] = "--validation",
        ["an Evaluation.ValidationFraction"] = "the --validation",
        [", add text, or give Fit a validation set"] = ", or add text",
        ["Split it by position (CorpusOptions.Split, a trainer's SplitByPosition), set"] = "Set --documents to what there is more of, or",
        [" to 0, or give a validation set of its own"] = " to 0",
        ["GptCheckpoint.Write or transformers' save_pretrained"] = "mlnet-gpt train, the library or transformers' save_pretrained",
        [", put chat_template.json into its folder, or pass a template to GptModel's constructor"] = ", or put chat_template.json into its folder",
        [", copy them there, or write them with GptTokenizer.Save"] = ", or copy them there",
        [", or set MicroBatchSize"] = "",
        ["Write a template of this library there with ChatTemplate.Save"] = "Write a template of this library there",
        ["Set Separator to a space or a line break"] = "Write another candidate",
        ["open it with FromOnnx, or name"] = "name",
        ["Take ChatTemplate.Default, which"] = "Take --template plain, which",
        ["Seed was"] = "--seed was",
        ["Device was"] = "--device was",
        ["Tokenizer was"] = "the tokenizer was",
        ["Pretrained weights was"] = "the checkpoint was",
        ["Training examples was"] = "what is trained on (the file, --validation and --seed say what) was",
        ["Training text was"] = "the text that is trained on (--documents, --validation and --seed say which part) was",
        ["set MLContext.FallbackToCpu, "] = "",
        ["GptDevice.Cpu"] = "--device cpu",
    };

    /// <summary>A message of the library's that names and advises what the command line has. What stands in quotes, such as a path, stays as it is.</summary>
    public static string In(string message) => Name().Replace(message, static found => Terms.GetValueOrDefault(found.Groups["name"].Value) ?? found.Value);

    [GeneratedRegex(@"(?<!\w)'[^']*'(?!\w)|(?<name>, add text, or give Fit a validation set| to 0, or give a validation set of its own|, put chat_template\.json into its folder, or pass a template to GptModel's constructor|, copy them there, or write them with GptTokenizer\.Save|, or set MicroBatchSize)"
        + @"|(?<![\w.])(?<name>Split it by position \(CorpusOptions\.Split, a trainer's SplitByPosition\), set|GptCheckpoint\.Write or transformers' save_pretrained|an Evaluation\.ValidationFraction|open it with FromOnnx, or name|Write a template of this library there with ChatTemplate\.Save|Set Separator to a space or a line break|Optimizer\.DecaySteps \(MaxSteps, unless set\)|set MLContext\.FallbackToCpu, |(Seed|Device|Tokenizer|Pretrained weights|Training examples|Training text|MicroBatchSize) was|Set Overflow to KeepTail, KeepHead or Skip|Take ChatTemplate\.Default, which"
        + @"|MicroBatchSize \(the batch stays the same\), or let MicroBatchSize\.Auto find one that fits; else lower the context length or the size of the model)"
        + @"|(?<![\w.])((Model|Evaluation)\.)?(?<name>((Optimizer|GptDevice)\.)?[A-Z][A-Za-z]+)", RegexOptions.ExplicitCapture)]
    private static partial Regex Name();
}
