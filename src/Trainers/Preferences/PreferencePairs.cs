using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Reads chosen and rejected responses.</summary>
/// <param name="tokenizer">The policy's.</param>
/// <param name="contextLength">The most places of a sequence.</param>
/// <param name="companions">The policy's: begin and end tokens.</param>
/// <param name="template">The chat template of conversations; null where prompts are texts.</param>
/// <param name="options">Special tokens, and what happens to long prompts.</param>
internal sealed class PreferencePairs(GptTokenizer tokenizer, int contextLength, ModelCompanions companions, ChatTemplate? template, DirectPreferenceOptions options)
{
    private readonly CompletionTexts _texts = new(tokenizer, companions, options.Generation.SpecialTokens);

    /// <summary>The pairs whose prompt was cut to the context.</summary>
    public int TruncatedCount { get; private set; }

    /// <summary>Reads a view.</summary>
    /// <exception cref="PreferenceDataException">A row can't be learnt from, or there is none.</exception>
    public List<PreferencePair> Read(IDataView view, RankedColumns columns)
    {
        var prompts = new Dictionary<string, int>(StringComparer.Ordinal);
        var pairs = new List<PreferencePair>();
        foreach (string[] texts in TextColumn.Read(view, columns.Texts))
        {
            options.Run.CancellationToken.ThrowIfCancellationRequested();
            int[] prompt = Prompt(texts[0], pairs.Count, columns.Prompt), chosen = Response(texts[1]), rejected = Response(texts[2]);
            if (chosen.AsSpan().SequenceEqual(rejected))
                throw new PreferenceDataException(PreferenceDataProblem.AllTied, pairs.Count, null, "the chosen and the rejected response are the same.", "Remove such rows.");

            // The last token is only predicted. Both responses follow the same prompt, so that they differ in themselves alone.
            int longest = Math.Max(chosen.Length, rejected.Length), room = contextLength + 1 - longest;
            if (room < 1 || (prompt.Length > room && options.Overflow == PromptOverflow.Error))
            {
                throw new PreferenceDataException(PreferenceDataProblem.TooLong, pairs.Count, null, $"the prompt has {prompt.Length} tokens and the longer response {longest}, and {contextLength + 1} fit a context of {contextLength}.",
                    room < 1 ? "Responses are never cut: shorten it, leave the row out, or take a model with a longer context." : $"Shorten the prompt, or set {nameof(DirectPreferenceOptions.Overflow)} to {nameof(PromptOverflow.KeepTail)}.");
            }

            if (prompt.Length > room)
            {
                prompt = prompt[^room..];
                TruncatedCount++;
            }

            if (!prompts.TryGetValue(texts[0], out int number)) prompts.Add(texts[0], number = prompts.Count);
            pairs.Add(new(pairs.Count, number, SupervisedExample.Of(pairs.Count, prompt, chosen), SupervisedExample.Of(pairs.Count, prompt, rejected)));
        }

        return pairs.Count > 0 ? pairs
            : throw new PreferenceDataException(PreferenceDataProblem.Empty, null, null, "there are no rows.", "Give a prompt with a chosen and a rejected response.");
    }

    /// <summary>Holds out a share of the prompts with all of their pairs.</summary>
    public static (IReadOnlyList<PreferencePair> Training, IReadOnlyList<PreferencePair> Validation) Split(IReadOnlyList<PreferencePair> pairs, double fraction, long seed)
    {
        (IReadOnlyList<PreferencePair[]> training, IReadOnlyList<PreferencePair[]> validation) =
            HeldOut.Split<PreferencePair[]>([.. pairs.GroupBy(static pair => pair.Prompt).Select(static group => group.ToArray())], fraction, seed);
        return (InRows(training), InRows(validation));

        static IReadOnlyList<PreferencePair> InRows(IReadOnlyList<PreferencePair[]> groups) => [.. groups.SelectMany(static group => group).OrderBy(static pair => pair.Row)];
    }

    private int[] Prompt(string text, long row, string column)
    {
        if (template is null) return _texts.Prompt(text);
        try
        {
            return [.. template.RenderPrompt(ConversationJson.Parse(text), tokenizer).TokenIds];
        }
        catch (ConversationException exception)
        {
            throw new PreferenceDataException(PreferenceDataProblem.InvalidConversation, row, null, $"the prompt in column '{column}' is no conversation that waits for an answer.", exception.Message, exception);
        }
    }

    /// <summary>A response's tokens and the one that ends it; an empty response is that alone.</summary>
    private int[] Response(string text)
    {
        if (template is not null) return [.. tokenizer.Encode(text, SpecialTokenHandling.AsText), template.EndOfTurnId(tokenizer)];
        int[] tokens = _texts.Completion(text);
        return tokens.Length > 0 ? tokens : [tokenizer.EndOfTextId];
    }
}
