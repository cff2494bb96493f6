using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Graded responses in memory, tokenized.</summary>
/// <param name="Groups">The prompts in the order of their first rows.</param>
/// <param name="TruncatedResponses">The responses whose prompt was cut to the context.</param>
internal sealed record RankedData(IReadOnlyList<RankedGroup> Groups, int TruncatedResponses)
{
    /// <summary>Reads a view.</summary>
    /// <param name="view">The rows.</param>
    /// <param name="columns">Their columns.</param>
    /// <param name="order">Which grade is better.</param>
    /// <param name="head">How prompt and response become a sequence.</param>
    /// <param name="config">The network's shape.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="template">The chat template of conversations.</param>
    /// <param name="cancellation">Ends the reading with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="PreferenceDataException">A row or a prompt can't be learnt from, or there is none.</exception>
    public static RankedData Read(IDataView view, RankedColumns columns, GradeOrder order, RewardHead head, GptConfig config, GptTokenizer tokenizer, ChatTemplate? template, CancellationToken cancellation)
    {
        var texts = new RewardTexts(tokenizer, head, template);
        var groups = new Dictionary<string, (long Row, string Prompt, int[] Tokens, List<RankedResponse> Responses)>(StringComparer.Ordinal);
        var inOrder = new List<string>();
        int truncated = 0;
        foreach (RankedRow row in Rows(view, columns, order))
        {
            cancellation.ThrowIfCancellationRequested();
            if (row.Group.Length == 0)
                throw new PreferenceDataException(PreferenceDataProblem.MissingGroup, row.Row, null, $"column '{columns.Group}' is empty.", "Give each prompt an identity of its own, or remove such rows.");
            if (!double.IsFinite(row.Grade))
                throw new PreferenceDataException(PreferenceDataProblem.InvalidGrade, row.Row, row.Group, FormattableString.Invariant($"the grade in column '{columns.Label}' is {row.Grade}."), "Give a finite number, or remove such rows.");
            if (!groups.TryGetValue(row.Group, out (long Row, string Prompt, int[] Tokens, List<RankedResponse> Responses) group))
            {
                groups.Add(row.Group, group = (row.Row, row.Prompt, Tokens(row), []));
                inOrder.Add(row.Group);
            }

            if (group.Prompt != row.Prompt)
                throw new PreferenceDataException(PreferenceDataProblem.PromptsDiffer, row.Row, columns.Group is null ? null : row.Group, $"its prompt is not that of row {group.Row}, and both are of one group.", "Give each prompt a group of its own.");
            group.Responses.Add(Lay(row, group.Tokens));
        }

        if (inOrder.Count == 0) throw new PreferenceDataException(PreferenceDataProblem.Empty, null, null, "there are no rows.", columns.Rejected is null ? "Give two or more responses to a prompt." : "Give a prompt with a chosen and a rejected response.");
        foreach (string name in inOrder) RequirePairs(groups[name].Row, columns.Group is null ? null : name, groups[name].Responses, columns.Rejected is not null);
        return new([.. inOrder.Select(name => new RankedGroup(groups[name].Row, [.. groups[name].Responses]))], truncated);

        int[] Tokens(RankedRow row)
        {
            try
            {
                return texts.Prompt(row.Prompt);
            }
            catch (ConversationException exception)
            {
                throw new PreferenceDataException(PreferenceDataProblem.InvalidConversation, row.Row, columns.Group is null ? null : row.Group, $"the prompt in column '{columns.Prompt}' is no conversation that waits for an answer.", exception.Message, exception);
            }
        }

        RankedResponse Lay(RankedRow row, int[] prompt)
        {
            int[] response = texts.Response(row.Response);
            try
            {
                int[] sequence = RewardSequences.Build(head, config, prompt, response, out int dropped);
                if (dropped > 0) truncated++;
                return new(sequence, response.Length - 1, row.Grade);
            }
            catch (PromptTooLongException exception)
            {
                throw new PreferenceDataException(PreferenceDataProblem.TooLong, row.Row, columns.Group is null ? null : row.Group, "prompt and response do not fit the context.", exception.Message, exception);
            }
        }
    }

    private static void RequirePairs(long row, string? group, List<RankedResponse> responses, bool arePairs)
    {
        if (responses.Count < 2)
            throw new PreferenceDataException(PreferenceDataProblem.SingleResponse, row, group, "its prompt has one response, and nothing to compare it with.", "Add another response to the prompt, or remove it.");
        if (responses.All(response => response.Sequence.AsSpan().SequenceEqual(responses[0].Sequence)))
        {
            throw arePairs ? new PreferenceDataException(PreferenceDataProblem.AllTied, row, group, "the chosen and the rejected response are the same.", "Remove such rows.")
                : new PreferenceDataException(PreferenceDataProblem.AllTied, row, group, $"all {responses.Count} responses to its prompt are the same: none is better.", "Remove the prompt, or add a response that differs.");
        }

        if (responses.All(response => response.Grade == responses[0].Grade))
            throw new PreferenceDataException(PreferenceDataProblem.AllTied, row, group, FormattableString.Invariant($"all {responses.Count} responses to its prompt have the grade {responses[0].Grade}: none is better."), "Remove the prompt, or grade its responses apart.");
    }

    private static IEnumerable<RankedRow> Rows(IDataView view, RankedColumns columns, GradeOrder order)
    {
        DataViewSchema schema = view.Schema;
        IEnumerable<string> names = columns.Rejected is null ? [.. columns.Texts, columns.Label!, columns.Group!] : columns.Texts;
        using DataViewRowCursor cursor = view.GetRowCursor([.. names.Distinct().Select(name => schema[name])]);
        ValueGetter<ReadOnlyMemory<char>>[] texts = [.. columns.Texts.Select(name => cursor.GetGetter<ReadOnlyMemory<char>>(schema[name]))];
        Func<double>? grade = columns.Rejected is null ? columns.GradeGetter(cursor) : null;
        Func<string>? group = columns.Rejected is null ? columns.GroupGetter(cursor) : null;
        ReadOnlyMemory<char> text = default;
        for (long row = 0; cursor.MoveNext(); row++)
        {
            string prompt = Text(0), response = Text(1);
            if (grade is not null && group is not null)
            {
                yield return new(row, group(), prompt, response, order == GradeOrder.LowerIsBetter ? -grade() : grade());
                continue;
            }

            string name = FormattableString.Invariant($"{row}"), rejected = Text(2);
            yield return new(row, name, prompt, response, 1);
            yield return new(row, name, prompt, rejected, 0);
        }

        string Text(int column)
        {
            texts[column](ref text);
            return text.ToString();
        }
    }

    /// <summary>One response as its row has it; the grade the higher the better.</summary>
    private sealed record RankedRow(long Row, string Group, string Prompt, string Response, double Grade);
}
