using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Calls of seconds end soon when they are cancelled, also in the middle of a single pass over the network.</summary>
[TestClass]
public sealed class CancellationTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1); // no measure: what waits so long waits for ever
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
    public void Every_long_call_ends_with_little_more_work_after_its_cancellation()
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
    public async Task An_asynchronous_call_gives_its_task_before_the_messages_are_read_and_ends_while_the_engine_is_at_work()
    {
        foreach (Func<GptModel, IEnumerable<string>, CancellationToken, Task> call in (Func<GptModel, IEnumerable<string>, CancellationToken, Task>[])[
            static (model, texts, token) => model.AsChatClient().GetResponseAsync(texts.Select(static text => new Microsoft.Extensions.AI.ChatMessage(Microsoft.Extensions.AI.ChatRole.User, text)), cancellationToken: token),
            static (model, texts, token) => model.AsEmbeddingGenerator().GenerateAsync(texts, cancellationToken: token)])
        {
            using var engine = new StuckEngine(torch.Engine);
            using var model = new GptModel(engine, Letters, ChatTemplate.Default with { SystemMarker = null, UserMarker = "a", AssistantMarker = "b" });
            using var returned = new ManualResetEventSlim();
            using var cancel = new CancellationTokenSource();
            bool before = false;
            Task task = call(model, Texts(), cancel.Token);
            returned.Set();
            try
            {
                await engine.AtWork.WaitAsync(Long);
                Assert.IsTrue(before, "the task comes before the messages have been read");
                Assert.IsFalse(task.IsCompleted);
                await cancel.CancelAsync();
                await Assert.ThrowsAsync<OperationCanceledException>(() => task.WaitAsync(Long));
            }
            finally
            {
                engine.Release();
            }

            IEnumerable<string> Texts()
            {
                before = returned.Wait(Long);
                yield return "abc";
            }
        }
    }

    /// <summary>
    /// Runs a call, cancels it, and asks how long the processor then worked until it ended: what else the machine does plays no part. The best
    /// of eight counts, because the other tests' garbage is collected in this process too.
    /// </summary>
    private static void Ends(string what, Action<CancellationToken> call, int rounds = 1)
    {
        const double Most = 2; // seconds of a processor: one of two cores
        double best = double.PositiveInfinity;
        for (int attempt = 0; attempt < 8 && best > Most; attempt++)
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
            TimeSpan worked = Environment.CpuUsage.TotalTime;
            cancel.Cancel();
            thread.Join();
            best = Math.Min(best, (Environment.CpuUsage.TotalTime - worked).TotalSeconds);
            Assert.IsInstanceOfType<OperationCanceledException>(thrown, $"{what}: {thrown}");
        }

        Assert.IsLessThan(Most, best, what);
    }

    /// <summary>An engine whose calls end once it is released.</summary>
    private sealed class StuckEngine(ICausalModel inner) : IHiddenStateModel
    {
        private readonly TaskCompletionSource _atWork = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new();

        public GptConfig Config => inner.Config;

        public GptDevice Device => inner.Device;

        public Task AtWork => _atWork.Task;

        public void Release() => _released.TrySetResult();

        public ICausalDecoder BeginDecoding(int rowCount, int capacity)
        {
            Work();
            return inner.BeginDecoding(rowCount, capacity);
        }

        public void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, int rowCount, Span<float> hidden, CancellationToken cancellationToken = default) => Work();

        public void Dispose() => Release();

        private void Work()
        {
            _atWork.TrySetResult();
            _released.Task.Wait();
        }
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        [KeyType(2)]
        public uint Key { get; set; }
    }
}
