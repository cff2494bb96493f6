using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Instructions;

[TestClass]
public sealed class SupervisedExamplesTests
{
    private static readonly MLContext Ml = new();

    // One token a character: a = 0, b = 1, …; the end of a text comes after them.
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz"]);

    [TestMethod]
    public void A_pair_is_one_example_whose_loss_is_on_the_completion_and_its_end()
    {
        SupervisedExample example = Read(100, ExampleOverflow.Error, ("abc", "xy")).Single();
        int end = Letters.EndOfTextId;
        CollectionAssert.AreEqual(new[] { Id('a'), Id('b'), Id('c'), Id('x'), Id('y'), end }, example.TokenIds);
        CollectionAssert.AreEqual(new[] { false, false, false, true, true, true }, example.IsTarget);
        Assert.AreEqual(3, example.TargetCount);
        Assert.AreEqual(5, example.Length);
    }

    [TestMethod]
    public void An_empty_prompt_is_the_end_of_the_text_before_as_in_generation()
    {
        SupervisedExample example = Read(100, ExampleOverflow.Error, ("", "x")).Single();
        CollectionAssert.AreEqual(new[] { Letters.EndOfTextId, Id('x'), Letters.EndOfTextId }, example.TokenIds);
        CollectionAssert.AreEqual(new[] { false, true, true }, example.IsTarget);
    }

    [TestMethod]
    public void An_end_token_that_the_completion_brings_along_is_not_doubled()
    {
        int end = Letters.EndOfTextId, x = Id('x'), z = Id('z');
        CollectionAssert.AreEqual(new[] { Id('a'), x, end }, Read(100, ExampleOverflow.Error, ("a", "x<|endoftext|>")).Single().TokenIds);
        CollectionAssert.AreEqual(new[] { Id('a'), end }, Read(100, ExampleOverflow.Error, ("a", "<|endoftext|>")).Single().TokenIds);

        // In the middle it stays.
        CollectionAssert.AreEqual(new[] { Id('a'), x, end, x, end }, Read(100, ExampleOverflow.Error, ("a", "x<|endoftext|>x")).Single().TokenIds);

        // The model's own end tokens and begin token.
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-ends-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "generation_config.json"), $$"""{"eos_token_id":[{{end}},{{z}}],"bos_token_id":{{Id('q')}}}""");
            var reader = new SupervisedExamples(Letters, 100, ModelCompanions.Load(folder, Letters), Options(ExampleOverflow.Error));
            List<SupervisedExample> examples = reader.ReadPairs(View(("", "xz"), ("a", "zx")), "Prompt", "Completion");
            CollectionAssert.AreEqual(new[] { Id('q'), x, z }, examples[0].TokenIds);
            CollectionAssert.AreEqual(new[] { false, true, true }, examples[0].IsTarget);
            CollectionAssert.AreEqual(new[] { Id('a'), z, x, end }, examples[1].TokenIds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void An_empty_completion_is_refused_with_its_row()
    {
        var error = Assert.ThrowsExactly<TrainingExampleException>(() => Read(100, ExampleOverflow.Error, ("a", "b"), ("a", "")));
        Assert.AreEqual(1, error.Row);
        Assert.Contains("'Completion'", error.Message);
    }

    [TestMethod]
    public void No_row_at_all_is_refused() =>
        Assert.IsNull(Assert.ThrowsExactly<TrainingExampleException>(() => Read(100, ExampleOverflow.Error)).Row);

    [TestMethod]
    public void Too_long_examples_are_counted_and_the_longest_is_named()
    {
        // Contexts of 4 hold 5 tokens: the first pair has 5, the second 6, the third 8.
        var error = Assert.ThrowsExactly<TrainingExampleException>(() => Read(4, ExampleOverflow.Error, ("ab", "cd"), ("ab", "cde"), ("abcde", "fg")));
        Assert.AreEqual(2, error.Row);
        Assert.Contains("8 tokens", error.Message);
        Assert.Contains("of 3 examples 2 are too long", error.Message);
    }

    [TestMethod]
    public void KeepTail_drops_the_first_tokens_unless_the_completion_would_lose_some()
    {
        var reader = new SupervisedExamples(Letters, 4, ModelCompanions.None, Options(ExampleOverflow.KeepTail));
        List<SupervisedExample> examples = reader.ReadPairs(View(("abcde", "xy"), ("a", "uvwxyz"), ("a", "b")), "Prompt", "Completion");
        Assert.HasCount(2, examples);
        CollectionAssert.AreEqual(new[] { Id('d'), Id('e'), Id('x'), Id('y'), Letters.EndOfTextId }, examples[0].TokenIds);
        CollectionAssert.AreEqual(new[] { false, false, true, true, true }, examples[0].IsTarget);
        Assert.AreEqual(1, reader.TruncatedCount);
        Assert.AreEqual(1, reader.LeftOutCount);
    }

    [TestMethod]
    public void KeepHead_drops_the_last_tokens_unless_no_completion_is_left()
    {
        var reader = new SupervisedExamples(Letters, 4, ModelCompanions.None, Options(ExampleOverflow.KeepHead));
        List<SupervisedExample> examples = reader.ReadPairs(View(("abc", "xyz"), ("abcdefg", "x")), "Prompt", "Completion");
        CollectionAssert.AreEqual(new[] { Id('a'), Id('b'), Id('c'), Id('x'), Id('y') }, examples.Single().TokenIds);
        Assert.AreEqual(2, examples.Single().TargetCount);
        Assert.AreEqual(1, reader.TruncatedCount);
        Assert.AreEqual(1, reader.LeftOutCount);
    }

    [TestMethod]
    public void Skip_leaves_long_examples_out_and_refuses_to_be_left_with_none()
    {
        Assert.HasCount(1, Read(4, ExampleOverflow.Skip, ("abc", "xyz"), ("a", "b")));
        Assert.Contains("all 1 examples", Assert.ThrowsExactly<TrainingExampleException>(() => Read(4, ExampleOverflow.Skip, ("abc", "xyz"))).Message);
    }

    [TestMethod]
    public void A_conversation_is_one_example_with_a_loss_on_each_turn_of_the_assistant()
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyzUA:\n"]);
        var template = new ChatTemplate { Start = "", SystemMarker = null, UserMarker = "U:", AssistantMarker = "A:" };
        var reader = new SupervisedExamples(tokenizer, 100, ModelCompanions.None, Options(ExampleOverflow.Error));
        SupervisedExample example = reader.ReadConversations(
            Conversations("""[{"role":"user","content":"a"},{"role":"assistant","content":"bc"},{"role":"user","content":"d"},{"role":"assistant","content":"e"}]"""), "Text", template).Single();
        // U:a⏹A:bc⏹U:d⏹A:e⏹ — the targets are "bc⏹" and "e⏹".
        string targets = string.Concat(example.IsTarget.Select(static t => t ? '1' : '0'));
        Assert.AreEqual("0000" + "00111" + "0000" + "0011", targets);
        Assert.AreEqual(tokenizer.EndOfTextId, example.TokenIds[^1]);
    }

    [TestMethod]
    [DataRow("""[{"role":"assistant","content":"a"}]""")]
    [DataRow("""[{"role":"robot","content":"a"}]""")]
    [DataRow("""[{"role":"user","content":"a"}]""")]
    [DataRow("not JSON")]
    [DataRow("""{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"tools":[]}""")]
    [DataRow("""[{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0}]""")]
    public void A_broken_conversation_is_refused_with_its_row(string json)
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyzUASystemserant:\n"]);
        string good = """[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]""";
        var error = Assert.ThrowsExactly<TrainingExampleException>(
            () => new SupervisedExamples(tokenizer, 100, ModelCompanions.None, Options(ExampleOverflow.Error)).ReadConversations(Conversations(good, json), "Text", ChatTemplate.Default));
        Assert.AreEqual(1, error.Row);
    }

    private static int Id(char letter) => Letters.Encode(letter.ToString())[0];

    private static SupervisedFineTuningOptions Options(ExampleOverflow overflow) => new() { Overflow = overflow };

    private static List<SupervisedExample> Read(int context, ExampleOverflow overflow, params (string Prompt, string Completion)[] pairs) =>
        new SupervisedExamples(Letters, context, ModelCompanions.None, Options(overflow)).ReadPairs(View(pairs), "Prompt", "Completion");

    private static IDataView View(params (string Prompt, string Completion)[] pairs) =>
        Ml.Data.LoadFromEnumerable(pairs.Select(static p => new Pair { Prompt = p.Prompt, Completion = p.Completion }));

    private static IDataView Conversations(params string[] texts) => Ml.Data.LoadFromEnumerable(texts.Select(static t => new Row { Text = t }));

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }
}
