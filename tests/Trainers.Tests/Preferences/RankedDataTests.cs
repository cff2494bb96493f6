using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Preferences;

[TestClass]
public sealed class RankedDataTests
{
    private static readonly MLContext Ml = new();
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);
    private static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 8, EmbeddingSize = 8, LayerCount = 1, HeadCount = 1 };
    private static readonly RankedColumns Ranked = new("Prompt", "Response", null, "Label", "Group");

    [TestMethod]
    public void Responses_of_a_prompt_are_joined_whatever_the_order_of_the_rows()
    {
        RankedData data = Read([new("p", "ab", "c", 1), new("q", "d", "ef", 0), new("p", "ab", "g", 2), new("q", "d", "h", 5), new("p", "ab", "", 1)]);
        Assert.HasCount(2, data.Groups);
        CollectionAssert.AreEqual(new double[] { 1, 2, 1 }, data.Groups[0].Grades);
        CollectionAssert.AreEqual((int[])[.. Letters.Encode("abc"), Letters.EndOfTextId], data.Groups[0].Responses[0].Sequence);
        CollectionAssert.AreEqual((int[])[.. Letters.Encode("ab"), Letters.EndOfTextId], data.Groups[0].Responses[2].Sequence, "an empty response is the token that ends it");
        Assert.AreEqual(2, data.Groups[1].Responses[0].ResponseLength);
        Assert.AreEqual(1, data.Groups[1].Row);
    }

    [TestMethod]
    public void A_rank_counts_from_the_best()
    {
        RankedData data = Read([new("p", "a", "b", 1), new("p", "a", "c", 2)], GradeOrder.LowerIsBetter);
        Assert.IsGreaterThan(data.Groups[0].Grades[1], data.Groups[0].Grades[0]);
    }

    [TestMethod]
    public void Keys_and_numbers_are_grades_and_groups_as_well()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable<Row>([new("p", "a", "b", 1), new("p", "a", "c", 2)]);
        IDataView keyed = Ml.Transforms.Conversion.MapValueToKey("Group").Append(Ml.Transforms.Conversion.MapValueToKey("Label")).Fit(rows).Transform(rows);
        RankedData data = RankedData.Read(keyed, Ranked, GradeOrder.HigherIsBetter, new(), Shape, Letters, null, CancellationToken.None);
        CollectionAssert.AreEqual(new double[] { 1, 2 }, data.Groups[0].Grades);
        IDataView numbered = Ml.Data.LoadFromEnumerable(new[] { new { Group = 7L, Prompt = "a", Response = "b", Label = 1 }, new { Group = 7L, Prompt = "a", Response = "c", Label = 2 } });
        CollectionAssert.AreEqual(new double[] { 1, 2 }, RankedData.Read(numbered, Ranked, GradeOrder.HigherIsBetter, new(), Shape, Letters, null, CancellationToken.None).Groups[0].Grades);
    }

    [TestMethod]
    public void Pairs_are_prompts_of_two_responses_of_which_the_chosen_one_is_better()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable<Row>([new("", "a", "b", 0) { Rejected = "c" }, new("", "a", "d", 0) { Rejected = "e" }]);
        RankedData data = RankedData.Read(rows, new("Prompt", "Response", "Rejected", null, null), GradeOrder.LowerIsBetter, new(), Shape, Letters, null, CancellationToken.None);
        Assert.HasCount(2, data.Groups);
        CollectionAssert.AreEqual(new double[] { 1, 0 }, data.Groups[1].Grades);
        CollectionAssert.AreEqual((int[])[.. Letters.Encode("ae"), Letters.EndOfTextId], data.Groups[1].Responses[1].Sequence);
    }

    [TestMethod]
    [DataRow(PreferenceDataProblem.SingleResponse, "has one response")]
    [DataRow(PreferenceDataProblem.AllTied, "all 2 responses to its prompt have the grade 3")]
    [DataRow(PreferenceDataProblem.InvalidGrade, "the grade in column 'Label' is NaN")]
    [DataRow(PreferenceDataProblem.PromptsDiffer, "its prompt is not that of row 0")]
    [DataRow(PreferenceDataProblem.MissingGroup, "column 'Group' is empty")]
    [DataRow(PreferenceDataProblem.TooLong, "The response alone has 9 tokens")]
    [DataRow(PreferenceDataProblem.Empty, "there are no rows")]
    public void Rows_that_can_not_be_learnt_from_are_an_error_that_names_them(PreferenceDataProblem problem, string says)
    {
        Row[] rows = problem switch
        {
            PreferenceDataProblem.SingleResponse => [new("q", "a", "b", 1), new("q", "a", "c", 2), new("p", "a", "b", 1)],
            PreferenceDataProblem.AllTied => [new("q", "a", "b", 1), new("q", "a", "c", 2), new("p", "a", "b", 3), new("p", "a", "c", 3)],
            PreferenceDataProblem.InvalidGrade => [new("q", "a", "b", 1), new("q", "a", "c", 2), new("p", "a", "b", float.NaN), new("p", "a", "c", 3)],
            PreferenceDataProblem.PromptsDiffer => [new("p", "a", "b", 1), new("q", "a", "c", 2), new("p", "b", "b", 3)],
            PreferenceDataProblem.MissingGroup => [new("p", "a", "b", 1), new("p", "a", "c", 2), new("", "a", "b", 3)],
            PreferenceDataProblem.TooLong => [new("q", "a", "b", 1), new("q", "a", "c", 2), new("p", "a", "abcdefgh", 3), new("p", "a", "c", 2)],
            _ => [],
        };
        PreferenceDataException exception = Assert.ThrowsExactly<PreferenceDataException>(() => Read(rows));
        Assert.AreEqual(problem, exception.Problem);
        StringAssert.Contains(exception.Message, says);
        Assert.AreEqual(problem == PreferenceDataProblem.Empty ? null : 2L, exception.Row);
        if (problem is not (PreferenceDataProblem.Empty or PreferenceDataProblem.MissingGroup)) Assert.AreEqual("p", exception.Group);
    }

    [TestMethod]
    public void No_rows_are_an_error_that_says_what_rows_hold()
    {
        Assert.AreEqual("The training data: there are no rows. Give two or more responses to a prompt.", Assert.ThrowsExactly<PreferenceDataException>(static () => Read([])).Message);
        Assert.AreEqual("The training data: there are no rows. Give a prompt with a chosen and a rejected response.", Assert.ThrowsExactly<PreferenceDataException>(static () => RankedData.Read(
            Ml.Data.LoadFromEnumerable<Row>([]), new("Prompt", "Response", "Rejected", null, null), GradeOrder.HigherIsBetter, new(), Shape, Letters, null, CancellationToken.None)).Message);
    }

    [TestMethod]
    public void Responses_that_are_all_the_same_are_an_error_that_names_the_row()
    {
        PreferenceDataException pair = Assert.ThrowsExactly<PreferenceDataException>(() => RankedData.Read(
            Ml.Data.LoadFromEnumerable<Row>([new("", "a", "b", 0) { Rejected = "c" }, new("", "a", "d", 0) { Rejected = "d" }]), new("Prompt", "Response", "Rejected", null, null), GradeOrder.HigherIsBetter, new(), Shape, Letters, null, CancellationToken.None));
        Assert.AreEqual((PreferenceDataProblem.AllTied, 1L), (pair.Problem, pair.Row));
        StringAssert.Contains(pair.Message, "Row 1: the chosen and the rejected response are the same. Remove such rows.");
        PreferenceDataException graded = Assert.ThrowsExactly<PreferenceDataException>(() => Read([new("q", "a", "b", 1), new("q", "a", "c", 2), new("p", "a", "d", 1), new("p", "a", "d", 2)]));
        Assert.AreEqual((PreferenceDataProblem.AllTied, 2L, "p"), (graded.Problem, graded.Row, graded.Group));
        StringAssert.Contains(graded.Message, "all 2 responses to its prompt are the same");
        Assert.HasCount(3, Read([new("p", "a", "d", 1), new("p", "a", "d", 2), new("p", "a", "e", 2)]).Groups[0].Responses);   // one response, graded twice, beside another
    }

    [TestMethod]
    public void A_long_prompt_loses_its_head_or_is_an_error()
    {
        Row[] rows = [new("p", "abcdefghij", "ab", 1), new("p", "abcdefghij", "c", 2)];
        RankedData data = Read(rows);
        Assert.AreEqual(2, data.TruncatedResponses);
        CollectionAssert.AreEqual((int[])[.. Letters.Encode("fghijab"), Letters.EndOfTextId], data.Groups[0].Responses[0].Sequence);
        PreferenceDataException exception = Assert.ThrowsExactly<PreferenceDataException>(() =>
            RankedData.Read(Ml.Data.LoadFromEnumerable(rows), Ranked, GradeOrder.HigherIsBetter, new() { Overflow = PromptOverflow.Error }, Shape, Letters, null, CancellationToken.None));
        Assert.AreEqual(PreferenceDataProblem.TooLong, exception.Problem);
    }

    [TestMethod]
    public void A_prompt_that_is_no_conversation_is_an_error()
    {
        var head = new RewardHead { Conversations = true };
        PreferenceDataException exception = Assert.ThrowsExactly<PreferenceDataException>(() =>
            RankedData.Read(Ml.Data.LoadFromEnumerable<Row>([new("p", "hello", "a", 1)]), Ranked, GradeOrder.HigherIsBetter, head, Shape, Letters, ChatTemplate.Default, CancellationToken.None));
        Assert.AreEqual(PreferenceDataProblem.InvalidConversation, exception.Problem);
    }

    [TestMethod]
    public void The_same_prompts_are_held_out_for_the_same_seed_and_never_only_a_part_of_one()
    {
        RankedData data = Read([.. Enumerable.Range(0, 40).Select(static i => new Row($"{i / 2}", "a", i % 2 == 0 ? "b" : "c", i % 2))]);
        (IReadOnlyList<RankedGroup> training, IReadOnlyList<RankedGroup> validation) = HeldOut.Split(data.Groups, 0.25, seed: 3);
        Assert.HasCount(5, validation);
        CollectionAssert.AreEquivalent(data.Groups.ToArray(), training.Concat(validation).ToArray());
        CollectionAssert.AreEqual(validation.ToArray(), HeldOut.Split(data.Groups, 0.25, seed: 3).Validation.ToArray());
        CollectionAssert.AreNotEqual(validation.ToArray(), HeldOut.Split(data.Groups, 0.25, seed: 4).Validation.ToArray());
        Assert.IsEmpty(HeldOut.Split(data.Groups, 0, seed: 3).Validation);
    }

    [TestMethod]
    public void Columns_that_are_missing_or_of_another_type_are_named()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable<Row>([new("p", "a", "b", 1)]);
        Assert.AreEqual("Nobody", Assert.ThrowsExactly<ColumnMismatchException>(() => (Ranked with { Group = "Nobody" }).Check(rows.Schema)).ColumnName);
        Assert.AreEqual("Prompt", Assert.ThrowsExactly<ColumnMismatchException>(() => (Ranked with { Label = "Prompt" }).Check(rows.Schema)).ColumnName);
        Assert.AreEqual("Label", Assert.ThrowsExactly<ColumnMismatchException>(() => (Ranked with { Group = "Label" }).Check(rows.Schema)).ColumnName);
        Assert.ThrowsExactly<ArgumentException>(static () => new RankedColumns("Prompt", "Response", "Response", null, null).Validate());
    }

    private static RankedData Read(Row[] rows, GradeOrder order = GradeOrder.HigherIsBetter) =>
        RankedData.Read(Ml.Data.LoadFromEnumerable(rows), Ranked, order, new(), Shape, Letters, null, CancellationToken.None);

    private sealed class Row(string group, string prompt, string response, float label)
    {
        public Row()
            : this("", "", "", 0)
        {
        }

        public string Group { get; set; } = group;

        public string Prompt { get; set; } = prompt;

        public string Response { get; set; } = response;

        public string Rejected { get; set; } = "";

        public float Label { get; set; } = label;
    }
}
