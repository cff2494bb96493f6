using System.Text.Json;
using Microsoft.Extensions.AI;
using MLNet.Gpt.Core.Tests.Generation.Constraints;
using MLNet.Gpt.Core.Tests.Tokenization;
using MLNet.Gpt.Transforms.Tests.Chat;

namespace MLNet.Gpt.Transforms.Tests.Prompting;

[TestClass]
public sealed class ChatReasoningTests
{
    [TestMethod]
    public async Task The_majority_of_several_answers_wins_and_of_equal_ones_the_first()
    {
        string[] texts = ["6 + 1 is 7.\nThe answer is 7.", "Answer: 8", "so it is\n7", "The answer is 8.", "the ANSWER IS seven\nmore", "I do not know; the answer is 7"];
        using var client = new FakeChatClient((_, options) =>
        {
            Assert.AreEqual(0.7f, options!.Temperature);
            return texts[options.Seed!.Value - 10];
        });
        ChatMessage[] question = [new(ChatRole.User, "How many?")];
        SelfConsistencyResult result = await client.SelfConsistencyAsync(question, new() { Samples = 6 }, new ChatOptions { Seed = 10 });
        Assert.AreEqual(("7", 3), (result.Answer, result.Votes));
        CollectionAssert.AreEqual(new[] { "7", "8", "7", "8", "seven", "7" }, result.Answers.ToArray());
        Assert.HasCount(6, result.Responses);
        result = await client.SelfConsistencyAsync(question, new() { Samples = 4, MaxConcurrency = 1 }, new ChatOptions { Seed = 10 });
        Assert.AreEqual(("7", 2), (result.Answer, result.Votes));
        result = await client.SelfConsistencyAsync(question, new() { Samples = 3, Extract = static _ => null }, new ChatOptions { Seed = 10 });
        Assert.AreEqual((null, 0), (result.Answer, result.Votes));
        await Assert.ThrowsExactlyAsync<ArgumentOutOfRangeException>(() => client.SelfConsistencyAsync(question, new() { Temperature = 0 }));
    }

    [TestMethod]
    [DataRow("Is the answer 3? No: the answer is 4, or rather the answer is 5.", "5")]
    [DataRow("First, Answer: 7. Then again: the answer is 8.\nThat is all.", "8")]
    [DataRow("Answer:\n42", "42")]
    [DataRow("The answer is 9.\nAnswer: \r\n", "9")]
    [DataRow("The answer is:  6 apples.\r\n", "6 apples")]
    [DataRow("seven\n", "seven")]
    public async Task What_follows_the_last_answer_is_counted(string text, string expected)
    {
        using var client = new FakeChatClient((_, _) => text);
        Assert.AreEqual(expected, (await client.SelfConsistencyAsync([new(ChatRole.User, "?")], new() { Samples = 1 })).Answer);
    }

    [TestMethod]
    public async Task A_tree_of_thoughts_keeps_the_best_steps_and_drops_the_others()
    {
        // Steps are a, b or c by the seed; a judge likes paths with many b.
        int judged = 0;
        using var client = new FakeChatClient((messages, options) =>
        {
            string prompt = messages[0].Text;
            string thoughts = prompt[prompt.IndexOf("far:\n", StringComparison.Ordinal)..];
            if (options!.ResponseFormat is not ChatResponseFormatJson) return $" {(char)('a' + (options.Seed!.Value % 3))}\n";
            judged++;
            StringAssert.Contains(prompt, "Problem: the problem");
            return $"{{\"value\":{1 + (3 * thoughts.Split('\n').Count(static line => line == "b"))}}}";
        });
        IReadOnlyList<ThoughtPath> paths = await client.TreeOfThoughtsAsync("the problem", new() { Depth = 3, Proposals = 3, Breadth = 2 });
        CollectionAssert.AreEqual(new[] { "b", "b", "b" }, paths[0].Thoughts.ToArray());
        Assert.AreEqual(10, paths[0].Value);
        Assert.HasCount(2, paths);
        Assert.AreEqual(7, paths[1].Value);

        // Three after the first step, then three for each of two.
        Assert.AreEqual(3 + 6 + 6, judged);
        using var silent = new FakeChatClient(static (_, _) => " ");
        Assert.IsEmpty(await silent.TreeOfThoughtsAsync("p"));
    }

    [TestMethod]
    public async Task Thoughts_actions_and_observations_take_turns_until_the_end()
    {
        List<string> seen = [];
        AIFunction[] tools =
        [
            AIFunctionFactory.Create((string city) => city == "Bonn" ? 330_000 : throw new KeyNotFoundException("unknown city"), "population", "People in a city."),
            AIFunctionFactory.Create(() => new DateOnly(2026, 5, 1), "today"),
        ];
        Queue<string> steps = new(
        [
            """{"thought":"look","action":"population","arguments":{"city":"Bohn"}}""", """{"thought":"mistyped","action":"population","arguments":{"city":"Bonn"}}""",
            """{"thought":"done","action":"finish","answer":"330000"}""",
        ]);
        using var client = new FakeChatClient((messages, options) =>
        {
            seen.Add(messages[^1].Text);
            StringAssert.Contains(messages[0].Text, "- population: People in a city. Arguments: {");
            Assert.IsInstanceOfType<ChatResponseFormatJson>(options!.ResponseFormat);
            return steps.Dequeue();
        });
        ReActResult result = await client.ReActAsync("How many people live in Bonn?", tools);
        Assert.AreEqual("330000", result.Answer);
        CollectionAssert.AreEqual(new[] { "How many people live in Bonn?", "Observation: Error: unknown city", "Observation: 330000" }, seen);
        Assert.AreEqual(new ReActStep("mistyped", "population", """{"city":"Bonn"}""", "330000"), result.Steps[1]);

        using var endless = new FakeChatClient(static (_, _) => """{"thought":"","action":"today","arguments":{}}""");
        result = await endless.ReActAsync("When?", tools, new() { MaxSteps = 2 });
        Assert.IsNull(result.Answer);
        Assert.AreEqual("2026-05-01", result.Steps[1].Observation);
        using var torn = new FakeChatClient(static (_, _) => """{"thought":"I wa""");
        Assert.IsNull((await torn.ReActAsync("When?", tools)).Answer);
        await Assert.ThrowsExactlyAsync<ArgumentException>(() => endless.ReActAsync("When?", [AIFunctionFactory.Create(() => 1, "finish")]));
    }

    // HttpClient's time-out is a TaskCanceledException that nobody asked for.
    [TestMethod]
    public async Task A_time_out_within_a_tool_is_an_observation_and_a_cancellation_of_the_caller_is_none()
    {
        using var cancellation = new CancellationTokenSource();
        bool cancel = false;
        AIFunction tool = AIFunctionFactory.Create(async () =>
        {
            if (cancel) await cancellation.CancelAsync();
            throw new TaskCanceledException("too slow");
        }, "fetch");
        using var client = new FakeChatClient(static (_, _) => """{"thought":"","action":"fetch","arguments":{}}""");
        ReActResult result = await client.ReActAsync("?", [tool], new() { MaxSteps = 1 }, cancellationToken: cancellation.Token);
        Assert.AreEqual("Error: too slow", result.Steps[0].Observation);
        cancel = true;
        await Assert.ThrowsAsync<OperationCanceledException>(() => client.ReActAsync("?", [tool], new() { MaxSteps = 1 }, cancellationToken: cancellation.Token));
    }

    [TestMethod]
    public async Task Arguments_are_an_object_of_which_the_last_of_a_name_counts()
    {
        // A schema that says nothing, as of a tool that reads its arguments itself.
        var tool = new Telling();
        Queue<string> steps = new(["""{"thought":"t","action":"tell","arguments":{"a":1,"b":"é","a":2}}""", """{"thought":"t","action":"tell","arguments":5}""", """{"thought":"","action":"finish","answer":"x"}"""]);
        JsonElement? schema = null;
        using var client = new FakeChatClient((_, options) =>
        {
            schema = ((ChatResponseFormatJson)options!.ResponseFormat!).Schema;
            return steps.Dequeue();
        });
        ReActResult result = await client.ReActAsync("?", [tool]);
        CollectionAssert.AreEqual(new[] { "a=2, b=é", "" }, result.Steps.Take(2).Select(static step => step.Observation).ToArray());
        Assert.AreEqual("x", result.Answer);
        Assert.AreEqual("object", schema!.Value.GetProperty("anyOf")[1].GetProperty("properties").GetProperty("arguments").GetProperty("type").GetString());
    }

    [TestMethod]
    [DataRow("""{"thought":"t","action":5}""")]
    [DataRow("""{"thought":"t"}""")]
    [DataRow("[1]")]
    [DataRow("5")]
    public async Task A_step_or_a_judgement_of_another_form_is_none(string text)
    {
        using var client = new FakeChatClient((_, options) => options!.ResponseFormat is null ? "step" : text);
        Assert.IsNull((await client.ReActAsync("?", [])).Answer);
        ThoughtPath path = (await client.TreeOfThoughtsAsync("?", new() { Depth = 1, Proposals = 1, Breadth = 1 })).Single();
        Assert.AreEqual(1, path.Value);
        using var judge = new FakeChatClient((_, options) => options!.ResponseFormat is null ? "step" : """{"value":"7"}""");
        Assert.AreEqual(1, (await judge.TreeOfThoughtsAsync("?", new() { Depth = 1, Proposals = 1, Breadth = 1 })).Single().Value);
    }

    [TestMethod]
    public async Task An_untrained_model_steps_in_the_form_that_is_asked_for()
    {
        using var model = new GptModel(new UntrainedModel(PublishedRanks.Gpt2.VocabularySize, 4_096), PublishedRanks.Gpt2, ChatTemplate.Default);
        using IChatClient client = model.AsChatClient(new() { Generation = new() { MaxNewTokens = 1_500, LogitBias = new Dictionary<int, float> { [PublishedRanks.Gpt2.Encode("\"")[0]] = 7 } } });
        int called = 0;
        AIFunction tool = AIFunctionFactory.Create((DayOfWeek[] days, bool? again = null) => ++called, "plan");
        ReActResult result = await client.ReActAsync("go", [tool], new() { MaxSteps = 4 }, new ChatOptions { Seed = 4 });
        Assert.IsTrue(result.Steps.Count > 0);
        Assert.AreEqual(called, result.Steps.Count(static step => step.Action is not null && !step.Observation!.StartsWith("Error", StringComparison.Ordinal)));
        Assert.IsNotEmpty(await client.TreeOfThoughtsAsync("go", new() { Depth = 1, Breadth = 1 }, new ChatOptions { MaxOutputTokens = 30 }));
    }

    private sealed class Telling : AIFunction
    {
        public override string Name => "tell";

        protected override ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken) =>
            new(string.Join(", ", arguments.Select(static argument => $"{argument.Key}={argument.Value}")));
    }
}
