using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Transforms.Tests.Chat;

namespace MLNet.Gpt.Transforms.Tests.Retrieval;

[TestClass]
public sealed class RetrievalTests
{
    private static readonly string[] Passages = ["the cat sat.", "a dog runs.", "no fish here!", "two birds sing.", "zzz zzz zzz zzz zzz"];

    private readonly MLContext _ml = new();

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void A_question_gets_the_nearest_passages_that_fit_also_when_it_was_saved(bool graph)
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder));
        IDataView questions = _ml.Data.LoadFromEnumerable(Text.Row.Make(Passages[..4]));
        var options = new RetrieveTextOptions { Top = 2, MaxTokens = 30, Separator = " ", SimilarityColumnName = "Similarity", Hnsw = graph ? new HnswOptions() : null };
        ITransformer retrieve = _ml.Gpt().Transforms.RetrieveText("Context", "Text", model, Passages, options).Fit(questions);

        // The nearest to a passage is itself; the second is the one of the largest dot product of normalized vectors.
        float[][] vectors = [.. model.Embed(Passages, options.Embedding).Select(static embedding => embedding.Vector)];
        string[] contexts = [.. retrieve.Transform(questions).GetColumn<string>("Context")];
        float[][] similarities = [.. retrieve.Transform(questions).GetColumn<float[]>("Similarity")];
        for (int i = 0; i < 4; i++)
        {
            int second = Enumerable.Range(0, Passages.Length).Where(other => other != i).MaxBy(other => vectors[i].Zip(vectors[other], static (a, b) => a * b).Sum());
            bool fits = Passages[i].Length + 1 + Passages[second].Length <= 30; // a token for each letter
            Assert.AreEqual(fits ? $"{Passages[i]} {Passages[second]}" : Passages[i], contexts[i]);
            Assert.AreEqual(1, similarities[i][0], 1e-5);
            Assert.HasCount(fits ? 2 : 1, similarities[i]);
        }

        _ml.Model.Save(retrieve, questions.Schema, folder["retrieve.zip"]);
        ITransformer loaded = _ml.Model.Load(folder["retrieve.zip"], out _);
        using var disposal = (IDisposable)loaded;
        CollectionAssert.AreEqual(contexts, loaded.Transform(questions).GetColumn<string>("Context").ToArray());
    }

    [TestMethod]
    public void Nothing_is_found_below_the_least_similarity_or_beyond_the_budget()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder));
        IDataView questions = _ml.Data.LoadFromEnumerable(Text.Row.Make(["the cat sat."]));
        string Context(RetrieveTextOptions options) => _ml.Gpt().Transforms.RetrieveText("Context", "Text", model, Passages, options).Fit(questions).Transform(questions).GetColumn<string>("Context").Single();
        Assert.AreEqual("the cat sat.", Context(new() { MinSimilarity = 0.99999f }));
        Assert.AreEqual("", Context(new() { MaxTokens = 3 }));

        // What is exactly as similar as asked for is found.
        float[] similarities = _ml.Gpt().Transforms.RetrieveText("Context", "Text", model, Passages, new() { Top = 2, MaxTokens = 90, Separator = " ", SimilarityColumnName = "Similarity" }).Fit(questions).Transform(questions).GetColumn<float[]>("Similarity").Single();
        StringAssert.StartsWith(Context(new() { Top = 2, MaxTokens = 90, Separator = " ", MinSimilarity = similarities[1] }), "the cat sat. ");
        Assert.ThrowsExactly<ArgumentException>(() => _ml.Gpt().Transforms.RetrieveText("Context", "Text", model, []));
        foreach (EmbedTextOptions embedding in new EmbedTextOptions[] { new() { TokenCountColumnName = "N" }, new() { DroppedTokenCountColumnName = "N" } })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Context(new() { Embedding = embedding })).Message, "is 'N', and no such column is added");
        Assert.ThrowsExactly<OperationCanceledException>(() => _ml.Gpt().Transforms.RetrieveText("Context", "Text", model, Passages, new() { Embedding = new() { CancellationToken = new(canceled: true) } }));
        foreach (RetrieveTextOptions options in new RetrieveTextOptions[] { new() { Top = 0 }, new() { MaxTokens = 0 }, new() { MinSimilarity = 2 } }) Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Context(options));
    }

    // A token for each letter: of 3 the first is too long, the third too long behind the second, the fourth fits.
    [TestMethod]
    public void A_passage_that_does_not_fit_leaves_room_for_the_next()
    {
        (string text, IReadOnlyList<int> taken) = ContextBudget.Fill(["aaaa", "b", "cc", "d", "e"], " ", 3, static passage => passage.Length);
        Assert.AreEqual("b d", text);
        CollectionAssert.AreEqual(new[] { 1, 3 }, taken.ToArray());
    }

    [TestMethod]
    public async Task A_chat_client_is_told_the_passages_of_the_last_question()
    {
        using var store = new InMemoryVectorStore(new VectorStoreTests.Counting());
        VectorStoreCollection<string, Passage> passages = store.GetCollection<string, Passage>("passages");
        await passages.EnsureCollectionExistsAsync();
        await passages.UpsertAsync(new[] { "aaa", "bbb", "aab", "ccc" }.Select(static text => new Passage { Text = text }));
        List<IReadOnlyList<ChatMessage>> asked = [];
        using var client = new RetrievalChatClient<Passage>(
            new FakeChatClient((messages, _) =>
            {
                asked.Add(messages);
                return "ok";
            }),
            passages, static passage => passage.Text, TestModels.Letters, new() { Top = 2, MaxTokens = 7, Separator = " ", Introduction = "See: " });
        ChatMessage[] conversation = [new(ChatRole.User, "bb"), new(ChatRole.Assistant, "ok"), new(ChatRole.User, "aaaa")];
        Assert.AreEqual("ok", (await client.GetResponseAsync(conversation)).Text);
        Assert.AreEqual("See: aaa aab", asked[^1][0].Text);
        Assert.AreEqual(ChatRole.System, asked[^1][0].Role);
        CollectionAssert.AreEqual(conversation, asked[^1].Skip(1).ToArray());
        string streamed = "";
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(conversation)) streamed += update.Text;
        Assert.AreEqual("ok", streamed);
        Assert.AreEqual("See: aaa aab", asked[^1][0].Text);
        await client.GetResponseAsync([new(ChatRole.User, " ")]);
        Assert.HasCount(1, asked[^1]);

        // (2, 1, 0) is 2 / √5 = 0.894 near to (4, 0, 0).
        using var choosy = new RetrievalChatClient<Passage>(
            new FakeChatClient((messages, _) =>
            {
                asked.Add(messages);
                return "ok";
            }),
            passages, static passage => passage.Text, TestModels.Letters, new() { Top = 2, MaxTokens = 7, Separator = " ", Introduction = "See: ", ScoreThreshold = 0.9 });
        await choosy.GetResponseAsync(conversation);
        Assert.AreEqual("See: aaa", asked[^1][0].Text);
    }

    [TestMethod]
    public async Task A_conversation_that_the_client_keeps_gets_passages_at_every_question_and_keeps_none()
    {
        using var store = new InMemoryVectorStore(new VectorStoreTests.Counting());
        VectorStoreCollection<string, Passage> passages = store.GetCollection<string, Passage>("passages");
        await passages.EnsureCollectionExistsAsync();
        await passages.UpsertAsync(new[] { "aaa", "bbb" }.Select(static text => new Passage { Text = text }));
        List<string> prompts = [];
        GptTokenizer letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz \n"]);
        var engine = new HistoryModel(letters.VocabularySize, 128, history =>
        {
            prompts.Add(letters.Decode(history));
            float[] logits = new float[letters.VocabularySize];
            logits[letters.EndOfTextId] = 30; // the answer is empty
            return logits;
        });
        using var model = new GptModel(engine, letters, ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" });
        using var client = new RetrievalChatClient<Passage>(model.AsChatClient(new() { MaxConversations = 1 }), passages, static passage => passage.Text, model.Tokenizer, new() { Top = 1, MaxTokens = 7, Introduction = "see " });
        var options = new ChatOptions { ConversationId = "one", Instructions = "be brief" };
        foreach (string question in new[] { "aa", "b" }) await client.GetResponseAsync(question, options);
        await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync("a", options)) { }
        CollectionAssert.AreEqual(new[] { "see aaa", "see bbb", "see aaa" }, prompts.Select(static prompt => prompt.Split("be brief\n\n")[1][..7]).ToArray());
        Assert.IsTrue(prompts.All(static prompt => prompt.Split("see ").Length == 2), "What was found for one question is not told with the next.");
        Assert.AreEqual("be brief", options.Instructions, "A caller's options stay as they are.");
    }

    private sealed class Passage
    {
        [VectorStoreKey]
        public string Id { get; set; } = Guid.NewGuid().ToString();

        [VectorStoreVector(3)]
        public string Vector => Text;

        [VectorStoreData]
        public string Text { get; set; } = "";
    }
}
