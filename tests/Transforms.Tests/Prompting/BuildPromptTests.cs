using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Prompting;

[TestClass]
public sealed class BuildPromptTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Pair
    {
        public string English { get; set; } = "";

        public string French { get; set; } = "";

        public float Number { get; set; }
    }

    private static BuildPromptOptions Options { get; } = new()
    {
        Instruction = "translate\n", Template = "{English} -", ExampleTemplate = "{English} - {French}", ExampleSeparator = "\n", ExampleCount = 2, ExampleCountColumnName = "Shots",
    };

    private IDataView Examples => _ml.Data.LoadFromEnumerable([
        new Pair { English = "sea", French = "mer" }, new Pair { English = "cat", French = "chat" }, new Pair { English = "yes", French = "oui" }, new Pair { English = "no", French = "non" }]);

    private (string Prompt, int Shots)[] Build(BuildPromptOptions options, GptTokenizer? tokenizer, params string[] words)
    {
        IDataView data = _ml.Data.LoadFromEnumerable(words.Select(word => new Pair { English = word }));
        IDataView built = _ml.Gpt().Transforms.BuildPrompt("Prompt", options, Examples, tokenizer).Fit(data).Transform(data);
        return [.. built.GetColumn<string>("Prompt").Zip(built.GetColumn<int>("Shots"))];
    }

    [TestMethod]
    public void Zero_one_and_few_shot_prompts_are_instruction_examples_and_query()
    {
        Assert.AreEqual(("translate\ncheese -", 0), Build(Options with { ExampleCount = 0 }, null, "cheese")[0]);
        Assert.AreEqual(("translate\nsea - mer\ncheese -", 1), Build(Options with { ExampleCount = 1 }, null, "cheese")[0]);
        Assert.AreEqual(("translate\nsea - mer\ncat - chat\ncheese -", 2), Build(Options, null, "cheese")[0]);
    }

    [TestMethod]
    public void Examples_are_drawn_by_seed_for_all_rows_or_for_each()
    {
        string[] words = [.. Enumerable.Range(0, 12).Select(i => $"word{i}")];
        string[] Shown(BuildPromptOptions options) => [.. Build(options, null, words).Select((row, i) => row.Prompt.Replace(words[i], "", StringComparison.Ordinal))];
        BuildPromptOptions random = Options with { Selection = ExampleSelection.Random };
        Assert.AreEqual(1, Shown(random).Distinct().Count(), "the same for all rows");
        Assert.IsGreaterThan(1, Enumerable.Range(0, 20).Select(seed => Shown(random with { Seed = seed })[0]).Distinct().Count());
        BuildPromptOptions each = Options with { Selection = ExampleSelection.RandomPerRow };
        Assert.IsGreaterThan(1, Shown(each).Distinct().Count(), "another draw for each row");
        CollectionAssert.AreEqual(Shown(each), Shown(each));
        foreach (string prompt in Shown(each)) Assert.AreEqual(2, prompt.Split('\n')[1..^1].Distinct().Count(), "no example twice");
    }

    [TestMethod]
    public void Examples_leave_where_they_do_not_fit_the_last_first()
    {
        // A token a character: instruction 10, examples 10 and 11 with their separators, query 8.
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz -\n"]);
        (string Prompt, int Shots) At(int limit) => Build(Options with { MaxTokens = limit }, tokenizer, "cheese")[0];
        Assert.AreEqual(2, At(39).Shots);
        Assert.AreEqual(("translate\nsea - mer\ncheese -", 1), At(38));
        Assert.AreEqual(0, At(27).Shots);
        Assert.AreEqual(0, At(18).Shots);
        Assert.AreEqual((18, 17), Assert.ThrowsExactly<PromptTooLongException>(() => At(17)) is var tooLong ? (tooLong.TokenCount, tooLong.Limit) : default);
        var exception = Assert.ThrowsExactly<ExamplesDoNotFitException>(() => Build(Options with { MaxTokens = 30, AllowFewerExamples = false }, tokenizer, "cheese"));
        Assert.AreEqual((2, 1, 39, 30), (exception.ExampleCount, exception.FittingCount, exception.TokenCount, exception.MaxTokens));
    }

    [TestMethod]
    public void Missing_fields_and_examples_are_typed_errors()
    {
        IDataView data = _ml.Data.LoadFromEnumerable([new Pair()]);
        GptTransformsCatalog transforms = _ml.Gpt().Transforms;
        Assert.AreEqual("Topic", Assert.ThrowsExactly<ColumnMismatchException>(() => transforms.BuildPrompt("P", new() { Template = "{Topic}" }).Fit(data)).ColumnName);
        Assert.AreEqual("Number", Assert.ThrowsExactly<ColumnMismatchException>(() => transforms.BuildPrompt("P", new() { Template = "{Number}" }).Fit(data)).ColumnName);
        Assert.AreEqual("Topic", Assert.ThrowsExactly<ColumnMismatchException>(() => transforms.BuildPrompt("P", Options with { ExampleTemplate = "{Topic}" }, Examples)).ColumnName);
        Assert.ThrowsExactly<PromptTemplateException>(() => transforms.BuildPrompt("P", new() { Template = "{English" }));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.BuildPrompt("P", new() { Template = "no field" }));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.BuildPrompt("P", Options with { ExampleTemplate = null }, Examples));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.BuildPrompt("P", Options with { ExampleCount = 5 }, Examples));
        Assert.ThrowsExactly<ArgumentNullException>(() => transforms.BuildPrompt("P", Options));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.BuildPrompt("P", Options with { MaxTokens = 9 }, Examples));
    }

    [TestMethod]
    public void Saving_keeps_the_examples_and_the_budget()
    {
        using var folder = new TemporaryFolder();
        IDataView data = _ml.Data.LoadFromEnumerable([new Pair { English = "cheese" }]);
        foreach (GptTokenizer? tokenizer in new[] { null, GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz -\n"]) })
        {
            BuildPromptOptions options = tokenizer is null ? Options : Options with { MaxTokens = 38 };
            BuildPromptTransformer transformer = _ml.Gpt().Transforms.BuildPrompt("Prompt", options, Examples, tokenizer).Fit(data);
            _ml.Model.Save(transformer, data.Schema, folder["model.zip"]);
            var loaded = (BuildPromptTransformer)_ml.Model.Load(folder["model.zip"], out _);
            Assert.AreEqual(options, loaded.Options);
            Assert.AreEqual(transformer.Transform(data).GetColumn<string>("Prompt").Single(), loaded.Transform(data).GetColumn<string>("Prompt").Single());
        }
    }
}
