using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Transforms.Tests.Data;

[TestClass]
public sealed class PreparePromptsTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void A_users_prompts_up_to_the_limit_are_kept_the_first_ones()
    {
        PreparedPrompts prepared = Prepare([.. Enumerable.Range(0, 250).Select(static i => ("heavy", $"number {i}")), .. Enumerable.Range(250, 3).Select(static i => ("light", $"number {i}"))], new() { ValidationFraction = 0, TestFraction = 0 });
        Row[] rows = Rows(prepared.Training);
        CollectionAssert.AreEqual(Enumerable.Range(0, 200).Concat(Enumerable.Range(250, 3)).Select(static i => $"number {i}").ToArray(), rows.Select(static row => row.Prompt).ToArray());
        Assert.AreEqual(50L, prepared.Report.OverLimit);
        Assert.AreEqual(1, prepared.Report.UsersOverLimit);
        Assert.AreEqual(203L, prepared.Training.GetRowCount());
        Assert.AreEqual(new PromptSide(203, 2), prepared.Report.Training);
        Assert.IsEmpty(Rows(prepared.Validation));
    }

    [TestMethod]
    public void Prompts_that_share_a_long_prefix_are_kept_once_whoever_wrote_them()
    {
        string shared = new('x', 20);
        PreparedPrompts prepared = Prepare([("a", shared + " one"), ("b", shared.ToUpperInvariant() + "  two"), ("b", "short"), ("c", " Short\n"), ("c", shared[..19]), ("c", "   ")],
            new() { SharedPrefixLength = 20, ValidationFraction = 0, TestFraction = 0 });
        CollectionAssert.AreEqual(new[] { shared + " one", "short", shared[..19] }, Rows(prepared.Training).Select(static row => row.Prompt).ToArray());
        Assert.AreEqual(2L, prepared.Report.SharedPrefixes);
        Assert.AreEqual(1L, prepared.Report.Empty);
        Assert.HasCount(5, Rows(Prepare([("a", shared + " one"), ("b", shared + " two"), ("b", "short"), ("c", "short"), ("c", "x"), ("c", "")], new() { SharedPrefixLength = 0, ValidationFraction = 0, TestFraction = 0 }).Training));
    }

    [TestMethod]
    [DataRow(PersonalDataHandling.Mask)]
    [DataRow(PersonalDataHandling.LeaveOut)]
    [DataRow(PersonalDataHandling.Keep)]
    public void Personal_data_is_taken_out_and_counted(PersonalDataHandling handling)
    {
        (string, string)[] prompts = [("a", "mail bob@x.org or eve@x.org"), ("a", "no data"), ("b", "call +1 415 555 2671 or 10 Downing Street"), ("b", "pay 4111111111111111")];
        PreparedPrompts prepared = Prepare(prompts, new() { PersonalData = handling, ValidationFraction = 0, TestFraction = 0 });
        string[] expected = handling switch
        {
            PersonalDataHandling.Mask => ["mail [email] or [email]", "no data", "call [telephone] or [address]", "pay [card]"],
            PersonalDataHandling.LeaveOut => ["no data"],
            _ => [.. prompts.Select(static prompt => prompt.Item2)],
        };
        CollectionAssert.AreEqual(expected, Rows(prepared.Training).Select(static row => row.Prompt).ToArray());
        PromptPreparationReport report = prepared.Report;
        Assert.AreEqual(3L, report.PromptsWithPersonalData);
        Assert.AreEqual(handling == PersonalDataHandling.LeaveOut ? 3L : 0L, report.LeftOutForPersonalData);
        Assert.AreEqual(new PromptSide(expected.Length, handling == PersonalDataHandling.LeaveOut ? 1 : 2), report.Training);
        CollectionAssert.AreEqual(new long[] { 2, 1, 1, 1 }, new[] { PersonalDataKind.Email, PersonalDataKind.Card, PersonalDataKind.Telephone, PersonalDataKind.Address }.Select(kind => report.PersonalData[kind]).ToArray());
        StringAssert.Contains(report.ToString(), "2 email, 1 card, 1 telephone, 1 address");
    }

    [TestMethod]
    public void No_user_is_on_two_sides_and_nobody_moves_when_the_data_grows()
    {
        (string, string)[] few = [.. Enumerable.Range(0, 600).Select(static i => ($"user {i % 200}", $"prompt {i}"))], many = [.. few, .. Enumerable.Range(600, 600).Select(static i => ($"user {i % 400}", $"prompt {i}"))];
        PromptPreparationOptions options = new() { ValidationFraction = 0.2, TestFraction = 0.1, Seed = 3 };
        PreparedPrompts small = Prepare(few, options), large = Prepare(many, options);
        HashSet<string>[] before = [.. Sides(small)], after = [.. Sides(large)];
        for (int i = 0; i < 3; i++)
        {
            Assert.IsTrue(before[i].IsSubsetOf(after[i]));
            for (int j = i + 1; j < 3; j++) Assert.IsFalse(after[i].Overlaps(after[j]));
        }

        // 400 users: 80 ± 8 and 40 ± 6, three standard deviations around.
        Assert.AreEqual(80, after[1].Count, 24);
        Assert.AreEqual(40, after[2].Count, 18);
        Assert.AreEqual(1200L, large.Report.Kept);
        Assert.AreEqual(400, large.Report.Training.Users + large.Report.Validation.Users + large.Report.Test.Users);
        Assert.IsFalse(after[1].SetEquals(Sides(Prepare(many, options with { Seed = 4 })).ElementAt(1)));

        static IEnumerable<HashSet<string>> Sides(PreparedPrompts prepared) => ((IDataView[])[prepared.Training, prepared.Validation, prepared.Test]).Select(static view => Rows(view).Select(static row => row.User).ToHashSet());
    }

    [TestMethod]
    public void The_parts_keep_all_columns_and_go_into_pipelines_shuffled_and_cached()
    {
        PreparedPrompts prepared = Prepare([.. Enumerable.Range(0, 40).Select(static i => ($"{i % 4}", i % 2 == 0 ? $"mail x{i}@y.org" : $"prompt {i}"))], new() { SharedPrefixLength = 0, ValidationFraction = 0, TestFraction = 0 });
        IDataView shuffled = Ml.Data.ShuffleRows(prepared.Training, seed: 5);
        Row[] rows = Rows(shuffled);
        CollectionAssert.AreNotEqual(Rows(prepared.Training).Select(static row => row.Number).ToArray(), rows.Select(static row => row.Number).ToArray());
        CollectionAssert.AreEqual(Enumerable.Range(0, 40).ToArray(), rows.Select(static row => row.Number).Order().ToArray());
        Assert.IsTrue(rows.All(static row => (row.Prompt == "mail [email]") == (row.Number % 2 == 0)));
        Assert.HasCount(40, Rows(Ml.Data.Cache(prepared.Training)));
        Assert.HasCount(3, prepared.Training.Preview(3).RowView);
        CollectionAssert.AreEqual(Enumerable.Range(0, 40).ToArray(), prepared.Training.GetColumn<int>("Number").ToArray());
    }

    [TestMethod]
    public void A_row_without_a_user_and_columns_that_do_not_serve_are_refused()
    {
        PromptDataException error = Assert.ThrowsExactly<PromptDataException>(() => Prepare([("a", "x"), ("", "y")], new()));
        Assert.AreEqual(1L, error.Row);
        Assert.AreEqual("User", error.ColumnName);
        IDataView numbers = Ml.Data.LoadFromEnumerable([new { User = 1.5f, Prompt = "a" }]);
        Assert.AreEqual("User", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Data.PreparePrompts(numbers, "User", "Prompt")).ColumnName);
        Assert.AreEqual("Text", Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Data.PreparePrompts(numbers, "Prompt", "Text")).ColumnName);
        IDataView keyed = Ml.Data.LoadFromEnumerable([new { User = 7L, Prompt = "a" }]);
        Assert.AreEqual(1, Ml.Gpt().Data.PreparePrompts(keyed, "User", "Prompt").Report.Users);
        foreach (PromptPreparationOptions bad in (PromptPreparationOptions[])[new() { MaxPromptsPerUser = -1 }, new() { SharedPrefixLength = -1 }, new() { ValidationFraction = 0.6, TestFraction = 0.5 }, new() { ValidationFraction = double.NaN }, new() { PersonalData = (PersonalDataHandling)9 }])
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => bad.Validate());
    }

    private static PreparedPrompts Prepare((string User, string Prompt)[] prompts, PromptPreparationOptions options) =>
        Ml.Gpt().Data.PreparePrompts(Ml.Data.LoadFromEnumerable(prompts.Select(static (prompt, i) => new Row { User = prompt.User, Prompt = prompt.Prompt, Number = i }).ToArray()), "User", "Prompt", options);

    private static Row[] Rows(IDataView view) => [.. Ml.Data.CreateEnumerable<Row>(view, reuseRowObject: false)];

    private sealed class Row
    {
        public string User { get; set; } = "";

        public string Prompt { get; set; } = "";

        public int Number { get; set; }
    }
}
