using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// examples/ServingApp as a process of its own, over its OpenAI endpoint with streamed answers: 1, 8 and 32 clients that ask again when they are answered, arrivals at random times, and 32 clients of a server that computes one answer
/// at a time. Answers differ in length, as those of people do. The clients share the machine with the server.
/// </summary>
internal static class AppBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int layers = arguments.Int("--layers", 6), width = arguments.Int("--width", 384), tokens = arguments.Int("--tokens", 32), requests = arguments.Int("--requests", quick ? 200 : 10_000), seed = arguments.Int("--seed", 1);
        arguments.RefuseOthers();
        var config = new GptConfig { VocabularySize = 8_192, ContextLength = 256, EmbeddingSize = width, LayerCount = layers, HeadCount = Math.Max(1, width / 64) };
        using var folder = new TemporaryFolder();
        string model = folder["bench"];
        WriteModel(config, model, seed);
        Console.WriteLine(Invariant($"app: {config.ParameterCount:N0} parameters at random, float32; {requests} requests, each for {tokens / 2} to {tokens * 3 / 2} new tokens; {Environment.ProcessorCount} processors, shared by server and clients"));
        Console.WriteLine("                                               first token, ms        between tokens, ms      whole answer, ms          server");
        Console.WriteLine("                       number  per s  tokens/s    p50   p95    p99      p50    p95    p99      p50    p95    p99  lost    MB");

        // 1. Clients that ask again when they are answered; answers join and leave the running batch.
        var loads = new List<Load>();
        Load eight, many, single;
        Load[] open;
        using (var server = Server.Start(model, batchRows: 16))
        {
            Closed(server, clients: 4, count: 32, tokens, seed); // warm
            Report("1 client", server, Closed(server, 1, requests / 20, tokens, seed + 1));
            eight = Report("8 clients", server, Closed(server, 8, requests * 3 / 20, tokens, seed + 8));
            many = Report("32 clients", server, Closed(server, 32, requests / 4, tokens, seed + 32));

            // 2. Arrivals at random times, at 50 and at 80 % of what 32 clients got.
            open = [.. new[] { 0.5, 0.8 }.Select((share, index) => Report(Invariant($"arrivals, {share * many.PerSecond:F1}/s"), server, Open(server, share * many.PerSecond, requests / 5, tokens, seed + 100 + index)))];
        }

        // 3. The same with one answer at a time.
        using (var server = Server.Start(model, batchRows: 1))
        {
            Closed(server, clients: 4, count: 16, tokens, seed); // warm
            single = Report("32 clients, one by one", server, Closed(server, 32, requests * 3 / 20, tokens, seed + 32));
        }

        int lost = loads.Sum(static load => load.Lost);
        Console.WriteLine(Invariant($"app rps_1={loads[0].PerSecond:F2} rps_8={eight.PerSecond:F2} rps_32={many.PerSecond:F2} one_by_one_rps_32={single.PerSecond:F2} ratio={many.PerSecond / single.PerSecond:F2} open_ttft_p99_ms={open[1].First(0.99):F0} open_between_p99_ms={open[1].Between(0.99):F0} lost={lost} memory_first_mb={loads[0].Megabytes:F0} memory_last_mb={open[1].Megabytes:F0} unit=requests/s"));
        return lost == 0 ? 0 : 1;

        Load Report(string name, Server server, Load load)
        {
            loads.Add(load);
            load.Megabytes = server.Memory / 1e6;
            Console.WriteLine(Invariant($"{name,-22} {load.Count,6} {load.PerSecond,6:F1} {load.TokensPerSecond,9:F0} {load.First(0.5),6:F0} {load.First(0.95),5:F0} {load.First(0.99),6:F0} {load.Between(0.5),8:F1} {load.Between(0.95),6:F1} {load.Between(0.99),6:F1} {load.Whole(0.5),8:F0} {load.Whole(0.95),6:F0} {load.Whole(0.99),6:F0} {load.Lost,5} {load.Megabytes,5:F0}"));
            return load;
        }
    }

    private static Load Closed(Server server, int clients, int count, int tokens, int seed)
    {
        var load = new Load();
        int next = 0;
        long begun = Stopwatch.GetTimestamp();
        Task.WhenAll(Enumerable.Range(0, clients).Select(async _ =>
        {
            for (int number; (number = Interlocked.Increment(ref next)) <= count;) load.Add(await AskAsync(server, seed, number, tokens));
        })).GetAwaiter().GetResult();
        load.Seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return load;
    }

    // Times between arrivals are exponential, and nobody waits for an answer before the next arrives.
    private static Load Open(Server server, double rate, int count, int tokens, int seed)
    {
        var load = new Load();
        var random = new Random(seed);
        long begun = Stopwatch.GetTimestamp();
        double due = 0;
        var running = new List<Task>();
        for (int number = 1; number <= count; number++)
        {
            due += -Math.Log(1 - random.NextDouble()) / rate;
            double wait = due - Stopwatch.GetElapsedTime(begun).TotalSeconds;
            if (wait > 0) Task.Delay(TimeSpan.FromSeconds(wait)).GetAwaiter().GetResult();
            int own = number;
            running.Add(Task.Run(async () => load.Add(await AskAsync(server, seed, own, tokens))));
        }

        Task.WhenAll(running).GetAwaiter().GetResult();
        load.Seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return load;
    }

    // A whole answer has a piece for each token, as many as were asked for unless the model ended it, and [DONE]; all else is lost.
    private static async Task<Answer?> AskAsync(Server server, int seed, int number, int tokens)
    {
        try
        {
            var random = new Random((seed * 100_003) + number);
            int wanted = random.Next(tokens / 2, (tokens * 3 / 2) + 1);
            string words = string.Concat(Enumerable.Repeat("and some words more ", random.Next(6)));
            long begun = Stopwatch.GetTimestamp();
            using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
            {
                Content = JsonContent.Create(new { model = "bench", messages = new[] { new { role = "user", content = $"question {number} of {seed}, {words}" } }, max_tokens = wanted, temperature = 0, stream = true }),
            };
            using HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            if (!response.IsSuccessStatusCode) return null;
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            var times = new List<double>();
            string? reason = null;
            while (await reader.ReadLineAsync() is { } line)
            {
                if (line == "data: [DONE]") return reason is not ("stop" or "length") || (reason == "length" && times.Count != wanted) ? null : new Answer(times, Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                if (!line.StartsWith("data: ", StringComparison.Ordinal)) continue;
                using JsonDocument json = JsonDocument.Parse(line.AsMemory(6));
                if (!json.RootElement.TryGetProperty("choices", out JsonElement choices)) return null;
                if (choices[0].GetProperty("delta").TryGetProperty("content", out JsonElement content) && content.GetString()!.Length > 0) times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                reason = choices[0].GetProperty("finish_reason").GetString() ?? reason;
            }

            return null;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or TaskCanceledException or JsonException)
        {
            Console.Error.WriteLine($"app: request {number}: {exception.Message}");
            return null;
        }
    }

    private static void WriteModel(GptConfig config, string folder, int seed)
    {
        GptTokenizer letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz0123456789,. "]);
        OnnxExporter.Write(new RandomWeights(config, seed), folder, new OnnxExportOptions { TokenizerHash = letters.Hash, EndOfTextId = letters.EndOfTextId });
        letters.Save(folder);
        (ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" }).Save(folder);
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    private sealed record Answer(IReadOnlyList<double> TokenTimes, double Whole);

    private sealed class Load
    {
        private readonly List<Answer> _answers = [];

        public double Seconds { get; set; }

        /// <summary>The server's memory at its end.</summary>
        public double Megabytes { get; set; }

        public int Lost { get; private set; }

        public int Count => _answers.Count;

        public double PerSecond => _answers.Count / Seconds;

        public double TokensPerSecond => _answers.Sum(static answer => answer.TokenTimes.Count) / Seconds;

        public void Add(Answer? answer)
        {
            lock (_answers)
            {
                if (answer is null) Lost++;
                else _answers.Add(answer);
            }
        }

        public double First(double share) => Quantile(_answers.Where(static answer => answer.TokenTimes.Count > 0).Select(static answer => answer.TokenTimes[0]), share);

        public double Between(double share) => Quantile(_answers.SelectMany(static answer => answer.TokenTimes.Zip(answer.TokenTimes.Skip(1), static (before, after) => after - before)), share);

        public double Whole(double share) => Quantile(_answers.Select(static answer => answer.Whole), share);

        private static double Quantile(IEnumerable<double> values, double share)
        {
            double[] sorted = [.. values.Order()];
            return sorted.Length == 0 ? double.NaN : sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
        }
    }

    private sealed class Server : IDisposable
    {
        private readonly Process _process;

        private Server(Process process, Uri address)
        {
            _process = process;
            Client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1_024 }) { BaseAddress = address, Timeout = TimeSpan.FromMinutes(10) };
        }

        public HttpClient Client { get; }

        public long Memory
        {
            get
            {
                _process.Refresh();
                return _process.WorkingSet64;
            }
        }

        public static Server Start(string model, int batchRows)
        {
            using (var free = new TcpListener(System.Net.IPAddress.Loopback, 0))
            {
                free.Start();
                int port = ((System.Net.IPEndPoint)free.LocalEndpoint).Port;
                free.Stop();
                string program = Path.Combine(Repository.Root, "examples", "ServingApp", "bin", "Release", "net10.0", "ServingApp.dll");
                string[] arguments = [program, "--model", model, "--urls", $"http://127.0.0.1:{port}", $"--Serving:BatchRows={batchRows}", "--Serving:QueueLength=100000", "--Serving:RequestSeconds=600"];
                Process process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
                _ = process.StandardOutput.ReadToEndAsync();
                var server = new Server(process, new Uri($"http://127.0.0.1:{port}/"));
                for (int i = 0; i < 600; i++)
                {
                    if (process.HasExited) throw new InvalidOperationException($"The server ended with exit code {process.ExitCode}.");
                    try
                    {
                        if (server.Client.GetAsync("health/ready").GetAwaiter().GetResult().IsSuccessStatusCode) return server;
                    }
                    catch (HttpRequestException)
                    {
                        // It does not listen yet.
                    }

                    Thread.Sleep(100);
                }

                server.Dispose();
                throw new TimeoutException("The server was not ready within a minute.");
            }
        }

        public void Dispose()
        {
            Client.Dispose();
            if (!_process.HasExited) _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
        }
    }

    /// <summary>Weights from a normal distribution, as a network begins with.</summary>
    private sealed class RandomWeights(GptConfig config, int seed) : IGptWeights
    {
        public GptConfig Config => config;

        public void Read(string name, Span<float> destination)
        {
            if (name.Contains("ln_", StringComparison.Ordinal))
            {
                destination.Fill(name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0);
                return;
            }

            var random = new Random(seed + name.Sum(static letter => letter * 31));
            for (int i = 0; i < destination.Length; i++) destination[i] = 0.04f * ((float)random.NextDouble() - 0.5f);
        }
    }
}
