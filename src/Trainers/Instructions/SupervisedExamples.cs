using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Turns rows into training examples: one example a row, whatever its length.</summary>
/// <param name="tokenizer">The pretrained model's.</param>
/// <param name="contextLength">The most places that an example may take.</param>
/// <param name="companions">The pretrained model's: the token that an empty prompt begins with, and its end tokens.</param>
/// <param name="options">Special tokens, and what happens to long examples.</param>
internal sealed class SupervisedExamples(GptTokenizer tokenizer, int contextLength, ModelCompanions companions, SupervisedFineTuningOptions options)
{
    private readonly List<SupervisedExample> _tooLong = [];
    private readonly CompletionTexts _texts = new(tokenizer, companions, options.SpecialTokens);

    /// <summary>The examples that were cut to the context.</summary>
    public int TruncatedCount { get; private set; }

    /// <summary>The examples that did not fit and were left out.</summary>
    public int LeftOutCount { get; private set; }

    /// <summary>Reads a prompt and a completion column. They become tokens as <see cref="CompletionTexts"/> says.</summary>
    /// <exception cref="TrainingExampleException">A completion is empty, an example is too long, or there is none.</exception>
    public List<SupervisedExample> ReadPairs(IDataView view, string promptColumn, string completionColumn)
    {
        IEnumerable<SupervisedExample> pairs = TextColumn.Read(view, [promptColumn, completionColumn]).Select((texts, row) =>
        {
            int[] completion = _texts.Completion(texts[1]);
            return completion.Length > 0 ? SupervisedExample.Of(row, _texts.Prompt(texts[0]), completion)
                : throw new TrainingExampleException(row, $"the completion in column '{completionColumn}' is empty.", "Remove such rows, or give them a completion.");
        });
        return Fit(pairs);
    }

    /// <summary>Reads a conversation column. The loss is taken on every turn of the assistant, the token that ends it included.</summary>
    /// <exception cref="TrainingExampleException">A conversation is broken or has no turn of the assistant, an example is too long, or there is none.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the template.</exception>
    public List<SupervisedExample> ReadConversations(IDataView view, string column, ChatTemplate template)
    {
        template.Validate(tokenizer);
        return Fit(TextColumn.Read(view, column).Select((json, row) =>
        {
            try
            {
                RenderedConversation conversation = template.Render(ConversationJson.Parse(json), tokenizer);
                var example = new SupervisedExample(row, [.. conversation.TokenIds], [.. conversation.IsAssistant]);
                return example.TargetCount > 0 ? example
                    : throw new TrainingExampleException(row, $"the conversation in column '{column}' has no turn of the assistant.", "Remove such rows, or add the answer.");
            }
            catch (ConversationException exception)
            {
                throw new TrainingExampleException(row, $"the conversation in column '{column}' is broken.", exception.Message, exception);
            }
        }));
    }

    private List<SupervisedExample> Fit(IEnumerable<SupervisedExample> examples)
    {
        var fitting = new List<SupervisedExample>();
        foreach (SupervisedExample example in examples)
        {
            options.Run.CancellationToken.ThrowIfCancellationRequested();
            if (example.Length <= contextLength)
            {
                fitting.Add(example);
                continue;
            }

            _tooLong.Add(example);
            if (Shorten(example) is not { } shortened)
            {
                LeftOutCount++;
                continue;
            }

            fitting.Add(shortened);
            TruncatedCount++;
        }

        if (_tooLong.Count > 0 && options.Overflow == ExampleOverflow.Error)
        {
            SupervisedExample longest = _tooLong.MaxBy(static e => e.Length)!;
            throw new TrainingExampleException(longest.Row, $"the example has {longest.TokenIds.Length} tokens, and {contextLength + 1} fit a context of {contextLength}; of {fitting.Count + LeftOutCount} examples {_tooLong.Count} are too long.",
                $"Set {nameof(SupervisedFineTuningOptions.Overflow)} to KeepTail, KeepHead or Skip, or shorten them.");
        }

        if (fitting.Count == 0)
            throw new TrainingExampleException(null, LeftOutCount > 0 ? $"all {LeftOutCount} examples are longer than the context of {contextLength} and were left out." : "there is no example.", "Give rows that fit.");
        return fitting;
    }

    private SupervisedExample? Shorten(SupervisedExample example)
    {
        int keep = contextLength + 1, drop = example.TokenIds.Length - keep;
        switch (options.Overflow)
        {
            case ExampleOverflow.KeepTail:
                int end = Array.LastIndexOf(example.IsTarget, true);
                int begin = end + 1 - example.IsTarget.AsSpan(0, end + 1).ToArray().Reverse().TakeWhile(static target => target).Count();
                if (begin <= drop) return null;
                bool[] isTarget = example.IsTarget[drop..];
                isTarget[0] = false;   // nothing before it to predict it from
                return example with { TokenIds = example.TokenIds[drop..], IsTarget = isTarget };
            case ExampleOverflow.KeepHead:
                SupervisedExample head = example with { TokenIds = example.TokenIds[..keep], IsTarget = example.IsTarget[..keep] };
                return head.TargetCount > 0 ? head : null;
            default:
                return null;
        }
    }
}
