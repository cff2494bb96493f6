using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Calls of seconds end within one when they are cancelled, also in the middle of a single pass over the network.</summary>
[TestClass]
public sealed class CancellationTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);
    private static readonly TemporaryFolder Folder = new();

    // 25 million parameters: a pass over 16 rows of 512 tokens is 0.4 TFLOP, some seconds on two cores.
    private static readonly GptConfig Config = new() { VocabularySize = Letters.VocabularySize, ContextLength = 512, EmbeddingSize = 512, LayerCount = 8, HeadCount = 8 };
    private static readonly string[] Texts = [.. Enumerable.Range(0, 16).Select(static i => new string((char)('a' + (i % 10)), 500))];
    private static GptModel torch = null!, onnx = null!;
    private static GptClassifier onnxClassifier = null!;
    private static SupervisedTaskTransformer trained = null!;

    [ClassInitialize]
    public static void Open(TestContext context)
    {
        torch = new GptModel(new TorchCausalModel(new GptNetwork(Config, GptDevice.Cpu, seed: 1)), Letters);
        torch.ExportOnnx(Folder["onnx"]);
        onnx = GptModel.FromOnnx(Folder["onnx"], GptDevice.Cpu);
        trained = Ml.Gpt().Trainers.TextClassification("Key", "Text", new SupervisedTaskOptions
        {
            Pretrained = torch, Epochs = 1, BatchSize = 2, Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
        }).Fit(Ml.Data.LoadFromEnumerable([new Row { Text = "a", Key = 0 }, new Row { Text = "b", Key = 1 }]));
        trained.Model.ExportOnnx(Folder["classifier"]);
        onnxClassifier = GptClassifier.FromOnnx(Folder["classifier"], GptDevice.Cpu);
    }

    [ClassCleanup]
    public static void Clean()
    {
        torch.Dispose();
        onnx.Dispose();
        onnxClassifier.Dispose();
        trained.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    public void Every_long_call_ends_within_a_second_of_its_cancellation()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(Texts.Select(static text => new Row { Text = text }));
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            string engine = model.Engine.GetType().Name;
            Ends($"{engine}: Generate", token => model.Generate(Texts, new() { MaxNewTokens = 1, BatchSize = 16 }, token));
            Ends($"{engine}: GenerateStreaming", token => model.GenerateStreaming(Texts[0], new() { MaxNewTokens = 12, StopAtEndOfText = false, RepetitionPenalty = 1.1f }, token).ToBlockingEnumerable().Count(), rounds: 40);
            Ends($"{engine}: Score", token => model.Score(Texts, new() { BatchSize = 16 }, token));
            Ends($"{engine}: ScoreChoices", token => model.ScoreChoices(Texts, [.. Texts.Select(static _ => (string[])["a", "b"])], new() { BatchSize = 32 }, token));
            Ends($"{engine}: Embed", token => model.Embed(Texts, new() { BatchSize = 16 }, token));
            Ends($"{engine}: EmbedAsync", token => model.AsEmbeddingGenerator().GenerateAsync(Texts, cancellationToken: token).GetAwaiter().GetResult());
            Ends($"{engine}: Evaluate", token => Ml.Gpt().Evaluate.LanguageModel(rows, "Text", model, new ScoreTextOptions { BatchSize = 16 }, token));
            Ends($"{engine}: a column", token => Ml.Gpt().Transforms.ScoreText("Score", "Text", model, new ScoreTextOptions { BatchSize = 16, CancellationToken = token }).Fit(rows).Transform(rows).GetColumn<float>("Score").Count());
        }

        IReadOnlyList<string>[] examples = [.. Texts.Select(static text => (string[])[text])];
        Ends("TorchSharp: Classify", token => trained.Model.Classify(examples, new() { MaxBatchTokens = 16 * 512 }, token));
        Ends("ONNX Runtime: Classify", token => onnxClassifier.Classify(examples, new() { MaxBatchTokens = 16 * 512 }, token));
    }

    // An engine that does not look at the token: the caller of an asynchronous method is not held all the same.
    [TestMethod]
    public async Task An_asynchronous_call_gives_its_task_at_once_and_ends_at_once_when_cancelled()
    {
        using var model = new GptModel(new SleepingEngine(torch.Engine), Letters, ChatTemplate.Default with { SystemMarker = null, UserMarker = "a", AssistantMarker = "b" });
        using var client = model.AsChatClient();
        using var generator = model.AsEmbeddingGenerator();
        foreach (Func<CancellationToken, Task> call in (Func<CancellationToken, Task>[])[
            token => client.GetResponseAsync(Slow(new Microsoft.Extensions.AI.ChatMessage(Microsoft.Extensions.AI.ChatRole.User, "abc")), cancellationToken: token),
            token => generator.GenerateAsync(Slow("abc"), cancellationToken: token)])
        {
            using var cancel = new CancellationTokenSource();
            var clock = Stopwatch.StartNew();
            Task task = call(cancel.Token);
            Assert.IsLessThan(150, clock.ElapsedMilliseconds, "the task comes before the messages have been read");
            Assert.IsFalse(task.IsCompleted);
            await Task.Delay(900);   // the messages have been read, the engine is at work
            clock.Restart();
            await cancel.CancelAsync();
            await Assert.ThrowsAsync<OperationCanceledException>(() => task);
            Assert.IsLessThan(1_000, clock.ElapsedMilliseconds);
        }

        static IEnumerable<T> Slow<T>(T item)
        {
            Thread.Sleep(400);
            yield return item;
        }
    }

    /// <summary>Runs a call, cancels it, and asks how long it took to end. The best of eight counts: the machine may be busy with something else.</summary>
    private static void Ends(string what, Action<CancellationToken> call, int rounds = 1)
    {
        double best = double.PositiveInfinity;
        for (int attempt = 0; attempt < 8 && best > 1; attempt++)
        {
            using var cancel = new CancellationTokenSource();
            CancellationToken token = cancel.Token;
            Exception? thrown = null;
            var thread = new Thread(() =>
            {
                try
                {
                    for (int i = 0; i < rounds; i++) call(token);
                }
                catch (Exception exception)
                {
                    thrown = exception;
                }
            });
            thread.Start();
            Thread.Sleep(250);
            var clock = Stopwatch.StartNew();
            cancel.Cancel();
            thread.Join();
            best = Math.Min(best, clock.Elapsed.TotalSeconds);
            Assert.IsInstanceOfType<OperationCanceledException>(thrown, $"{what}: {thrown}");
        }

        Assert.IsLessThan(1, best, what);
    }

    private sealed class SleepingEngine(ICausalModel inner) : IHiddenStateModel
    {
        public GptConfig Config => inner.Config;

        public GptDevice Device => inner.Device;

        public ICausalDecoder BeginDecoding(int rowCount, int capacity)
        {
            Thread.Sleep(4_000);
            return inner.BeginDecoding(rowCount, capacity);
        }

        public void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, int rowCount, Span<float> hidden, CancellationToken cancellationToken = default) => Thread.Sleep(4_000);

        public void Dispose()
        {
        }
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        [KeyType(2)]
        public uint Key { get; set; }
    }
}
