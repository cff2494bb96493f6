using System.ClientModel;
using System.ClientModel.Primitives;
using Microsoft.Extensions.AI;
using MLNet.Gpt;
using OpenAI;

namespace ServingApp.Tests;

/// <summary>The official client, and Microsoft.Extensions.AI over it.</summary>
[TestClass]
public sealed class OpenAiClientTests
{
    private static async Task<OpenAIClient> ClientAsync(TestServing server) => new(
        new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri("http://localhost/v1"), Transport = new HttpClientPipelineTransport(await server.ReadyAsync()) });

    [TestMethod]
    public async Task Microsoft_Extensions_AI_gets_whole_and_streamed_answers_with_reason_and_usage()
    {
        string? seen = null;
        using TestServing server = TestServing.Saying(prompt => { seen = prompt; return "one two three"; });
        using IChatClient client = (await ClientAsync(server)).GetChatClient("tiny").AsIChatClient();
        ChatResponse response = await client.GetResponseAsync([new(ChatRole.System, "be kind"), new(ChatRole.User, "count")], new() { Temperature = 0, MaxOutputTokens = 7, StopSequences = ["three"] });
        Assert.AreEqual(("one two", ChatFinishReason.Length, "tiny"), (response.Text, response.FinishReason!.Value, response.ModelId));
        Assert.AreEqual("<|endoftext|>sbe kind<|endoftext|>ucount<|endoftext|>a", seen);
        Assert.AreEqual((18L, 7L), (response.Usage!.InputTokenCount!.Value, response.Usage.OutputTokenCount!.Value)); // 1 + (1 + 7 + 1) + (1 + 5 + 1) + 1

        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("count")) updates.Add(update);
        ChatResponse streamed = updates.ToChatResponse();
        Assert.AreEqual(("one two three", ChatFinishReason.Stop), (streamed.Text, streamed.FinishReason!.Value));
        Assert.AreEqual(13, streamed.Usage!.OutputTokenCount);
        Assert.IsGreaterThan(5, updates.Count);
    }

    [TestMethod]
    public async Task An_error_reaches_the_client_with_status_and_message()
    {
        using TestServing server = TestServing.Saying(static _ => "x");
        using IChatClient client = (await ClientAsync(server)).GetChatClient("other").AsIChatClient();
        var exception = await Assert.ThrowsExactlyAsync<ClientResultException>(() => client.GetResponseAsync("go"));
        Assert.AreEqual(404, exception.Status);
        StringAssert.Contains(exception.Message, "this server has 'tiny'");
    }

    [TestMethod]
    public async Task Embeddings_and_the_list_of_models_are_read()
    {
        using var server = new TestServing(null, ("Demo", "true"));
        OpenAIClient client = await ClientAsync(server);
        using IEmbeddingGenerator<string, Embedding<float>> generator = client.GetEmbeddingClient("demo").AsIEmbeddingGenerator();
        GeneratedEmbeddings<Embedding<float>> vectors = await generator.GenerateAsync(["I am a tiny model", "I am a tiny model", "words"]);
        Assert.HasCount(3, vectors);
        Assert.AreEqual(512, vectors[0].Vector.Length);
        Assert.AreEqual(1, vectors[0].Vector.ToArray().Sum(static x => (double)x * x), 1e-5); // unit length
        Assert.IsLessThan(1e-6, vectors[0].Vector.ToArray().Zip(vectors[1].Vector.ToArray(), static (x, y) => Math.Abs(x - y)).Max());
        Assert.IsGreaterThan(0.1, vectors[0].Vector.ToArray().Zip(vectors[2].Vector.ToArray(), static (x, y) => Math.Abs(x - y)).Max());
        GptTokenizer tokenizer = server.Models.All[0].Gpt!.Tokenizer;
        Assert.AreEqual((2 * tokenizer.Encode("I am a tiny model").Length) + tokenizer.Encode("words").Length, vectors.Usage!.InputTokenCount!.Value);

        ClientResult<OpenAI.Models.OpenAIModelCollection> models = await client.GetOpenAIModelClient().GetModelsAsync();
        Assert.AreEqual("demo", models.Value.Single().Id);
    }
}
