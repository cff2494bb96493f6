using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingApp.Models;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

/// <summary>Many at once, too many, too slow, and those who leave.</summary>
[TestClass]
public sealed class LoadTests
{
    private static async Task<string> TextAsync(HttpResponseMessage response)
    {
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
        return (await JsonAsync(response)).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
    }

    private static string ErrorCode(JsonElement json) => json.GetProperty("error").GetProperty("code").GetString()!;

    // 32 clients ask four times each, half of them streaming, with prompts and lengths of their own.
    [TestMethod]
    public async Task Thirty_two_clients_at_once_all_get_their_own_answers()
    {
        // The prompt is "…u<number>…a": the answer says the number twice.
        var engine = new ScriptedModel(static prompt => { string text = prompt.Split("<|endoftext|>")[1][1..]; return $"{text} {text}!"; }) { StepTime = TimeSpan.FromMilliseconds(2) };
        using TestServing server = Of(engine);
        HttpClient client = await server.ReadyAsync();
        int answered = 0;
        await Task.WhenAll(Enumerable.Range(0, 32).Select(async number =>
        {
            for (int round = 0; round < 4; round++)
            {
                string text = new string((char)('a' + (number % 26)), 1 + (number % 7)) + number + "x" + round;
                int most = number % 3 == 0 ? 6 : 100;
                string expected = $"{text} {text}!";
                if (expected.Length > most) expected = expected[..most];
                string more = $"\"max_tokens\":{most},\"temperature\":0";
                if (number % 2 == 0) Assert.AreEqual(expected, await TextAsync(await client.PostAsync("/v1/chat/completions", Chat(text, more))));
                else
                {
                    string[] events = Events(await (await client.PostAsync("/v1/chat/completions", Chat(text, more + ",\"stream\":true"))).Content.ReadAsStringAsync());
                    Assert.AreEqual("[DONE]", events[^1]);
                    Assert.AreEqual(expected, string.Concat(events[1..^2].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString())));
                }

                Interlocked.Increment(ref answered);
            }
        }));
        Assert.AreEqual(128, answered);
        Assert.AreEqual((0, 0), (engine.OpenDecoders, server.Waiting));
        Assert.IsGreaterThan(4, engine.RowsSoFar.Max(), "requests that wait are computed together");
        Assert.IsLessThanOrEqualTo(16, engine.RowsSoFar.Max());
    }

    [TestMethod]
    public async Task A_full_queue_refuses_and_says_when_to_come_again()
    {
        var steps = new SemaphoreSlim(0);
        using TestServing server = Of(new ScriptedModel(static _ => "abc") { Steps = steps }, ("QueueLength", "2"), ("BatchRows", "1"));
        HttpClient client = await server.ReadyAsync();
        var running = new List<Task<HttpResponseMessage>> { client.PostAsync("/v1/chat/completions", Chat("a")) };
        await UntilAsync(() => server.Waiting == 0 && ((ScriptedModel)server.Models.All[0].Gpt!.Engine).OpenDecoders == 1);
        for (int i = 1; i <= 2; i++)
        {
            running.Add(client.PostAsync("/v1/chat/completions", Chat("a")));
            int waiting = i;
            await UntilAsync(() => server.Waiting == waiting);
        }

        using HttpResponseMessage refused = await client.PostAsync("/v1/chat/completions", Chat("a"));
        Assert.AreEqual((HttpStatusCode.TooManyRequests, "queue_full"), (refused.StatusCode, ErrorCode(await JsonAsync(refused))));
        Assert.IsGreaterThan(TimeSpan.Zero, refused.Headers.RetryAfter!.Delta!.Value);
        steps.Release(1_000);
        foreach (Task<HttpResponseMessage> task in running) Assert.AreEqual("abc", await TextAsync(await task));
    }

    [TestMethod]
    public async Task A_request_that_takes_too_long_is_a_408_or_an_error_event()
    {
        var steps = new SemaphoreSlim(0);
        var engine = new ScriptedModel(static _ => "abcdef") { Steps = steps };
        using TestServing server = Of(engine, ("RequestSeconds", "0.3"));
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage late = await client.PostAsync("/v1/chat/completions", Chat("go"));
        Assert.AreEqual((HttpStatusCode.RequestTimeout, "timeout"), (late.StatusCode, ErrorCode(await JsonAsync(late))));
        Assert.IsNotNull(late.Headers.RetryAfter);

        await UntilAsync(() => engine.OpenDecoders == 0);
        steps.Release(2);
        using HttpResponseMessage stream = await client.PostAsync("/v1/chat/completions", Chat("go", "\"stream\":true"));
        string[] events = Events(await stream.Content.ReadAsStringAsync());
        Assert.AreEqual("timeout", ErrorCode(JsonDocument.Parse(events[^1]).RootElement));
        Assert.AreEqual(4, events.Length, "the role, two letters, the error, and no [DONE]");
        await UntilAsync(() => engine.OpenDecoders == 0);
    }

    [TestMethod]
    public async Task A_client_that_leaves_ends_its_generation()
    {
        var steps = new SemaphoreSlim(0);
        var engine = new ScriptedModel(static _ => new string('a', 200)) { Steps = steps };
        using TestServing server = Of(engine);
        HttpClient client = await server.ReadyAsync();
        using var leave = new CancellationTokenSource();
        Task<HttpResponseMessage> asked = client.PostAsync("/v1/chat/completions", Chat("go"), leave.Token);
        await UntilAsync(() => engine.OpenDecoders == 1);
        await leave.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => asked);
        await UntilAsync(() => engine.OpenDecoders == 0); // no step was released: it did not wait for one
        Assert.IsEmpty(engine.RowsSoFar);
    }

    [TestMethod]
    public async Task Requests_of_other_settings_join_a_running_batch_and_leave_it()
    {
        var steps = new SemaphoreSlim(0);
        var engine = new ScriptedModel(static _ => "abcdefgh") { Steps = steps };
        using TestServing server = Of(engine);
        HttpClient client = await server.ReadyAsync();

        // 1. One has two letters when two others come: greedy, with a seed, with another limit.
        Task<HttpResponseMessage> first = client.PostAsync("/v1/chat/completions", Chat("first", "\"temperature\":0"));
        steps.Release(2);
        await UntilAsync(() => engine.RowsSoFar.Length == 2);
        using var leave = new CancellationTokenSource();
        Task<HttpResponseMessage> second = client.PostAsync("/v1/chat/completions", Chat("second", "\"seed\":3,\"max_tokens\":2")), third = client.PostAsync("/v1/chat/completions", Chat("third", "\"stop\":\"z\""), leave.Token);
        await UntilAsync(() => server.Waiting == 2);

        // 2. The pass under way has the first alone, then come both prompts together, then a pass with all three, whose second one then has its two letters.
        steps.Release(3);
        await UntilAsync(() => engine.RowsSoFar.Length == 5);
        Assert.AreEqual("ab", await TextAsync(await second));
        CollectionAssert.AreEqual(new[] { 1, 1, 1, 2, 3 }, engine.RowsSoFar);

        // 3. The third leaves, and the first goes on.
        steps.Release(1);
        await UntilAsync(() => engine.RowsSoFar.Length == 6);
        await leave.CancelAsync();
        steps.Release(100);
        await Assert.ThrowsAsync<OperationCanceledException>(() => third);
        Assert.AreEqual("abcdefgh", await TextAsync(await first));
        Assert.AreEqual((2, 1, 0), (engine.RowsSoFar[5], engine.RowsSoFar[^1], engine.OpenDecoders));
    }

    [TestMethod]
    public async Task A_client_that_leaves_while_it_waits_leaves_the_queue()
    {
        var steps = new SemaphoreSlim(0);
        var engine = new ScriptedModel(static _ => "abc") { Steps = steps };
        using TestServing server = Of(engine, ("BatchRows", "1"));
        HttpClient client = await server.ReadyAsync();
        Task<HttpResponseMessage> first = client.PostAsync("/v1/chat/completions", Chat("first"));
        await UntilAsync(() => engine.OpenDecoders == 1);
        using var leave = new CancellationTokenSource();
        Task<HttpResponseMessage> second = client.PostAsync("/v1/chat/completions", Chat("second"), leave.Token);
        await UntilAsync(() => server.Waiting == 1);
        await leave.CancelAsync();
        await UntilAsync(() => server.Waiting == 0);
        steps.Release(100);
        Assert.AreEqual("abc", await TextAsync(await first));
        await Assert.ThrowsAsync<OperationCanceledException>(() => second);
    }

    [TestMethod]
    public async Task Until_the_model_is_open_the_program_lives_and_is_not_ready()
    {
        using var open = new ManualResetEventSlim();
        using var server = new TestServing(options => { open.Wait(); return [new ServedModel("tiny", options.Sharing, new ScriptedModel(static _ => "x").ToModel())]; });
        HttpClient client = server.CreateClient();
        Assert.AreEqual(HttpStatusCode.OK, (await client.GetAsync("/health/live")).StatusCode);
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, (await client.GetAsync("/health/ready")).StatusCode);
        using HttpResponseMessage early = await client.PostAsync("/v1/chat/completions", Chat("go"));
        Assert.AreEqual((HttpStatusCode.ServiceUnavailable, "model_loading"), (early.StatusCode, ErrorCode(await JsonAsync(early))));
        Assert.IsNotNull(early.Headers.RetryAfter);
        open.Set();
        await UntilAsync(() => server.Models.IsReady);
        Assert.AreEqual(HttpStatusCode.OK, (await client.GetAsync("/health/ready")).StatusCode);
        Assert.AreEqual("x", await TextAsync(await client.PostAsync("/v1/chat/completions", Chat("go"))));
    }

    [TestMethod]
    public async Task A_program_that_is_stopped_while_it_opens_its_model_waits_no_longer_than_it_may()
    {
        using var open = new ManualResetEventSlim();
        using var server = new TestServing(options => { open.Wait(); return [new ServedModel("tiny", options.Sharing, new ScriptedModel(static _ => "x").ToModel())]; });
        server.CreateClient();
        await server.Models.StopAsync(new CancellationToken(canceled: true));
        Assert.IsFalse(server.Models.IsReady);
        open.Set();
    }

    // Over a real socket: Kestrel waits for what runs.
    [TestMethod]
    public async Task When_the_program_is_stopped_running_requests_end_and_new_ones_are_refused()
    {
        var steps = new SemaphoreSlim(0);
        var engine = new ScriptedModel(static _ => "abcdef") { Steps = steps };
        using TestServing server = Of(engine);
        server.Listen();
        using HttpClient client = server.CreateClient();
        await UntilAsync(() => server.Models.IsReady);
        steps.Release(2);
        using HttpResponseMessage stream = await client.SendAsync(new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Chat("go", "\"stream\":true") }, HttpCompletionOption.ResponseHeadersRead);
        Assert.AreEqual(HttpStatusCode.OK, stream.StatusCode);

        server.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        Task stopped = server.Services.GetRequiredService<IHost>().StopAsync();
        Assert.IsFalse(server.Models.IsReady);
        Assert.ThrowsExactly<ServingApp.OpenAi.OpenAiException>(() => server.Serving.Begin(new Microsoft.AspNetCore.Http.DefaultHttpContext()));
        Assert.IsFalse(stopped.IsCompleted);
        steps.Release(100);
        string[] events = Events(await stream.Content.ReadAsStringAsync());
        Assert.AreEqual("[DONE]", events[^1]);
        await stopped;
        Assert.AreEqual(0, engine.OpenDecoders);
    }

    [TestMethod]
    public async Task What_is_not_through_when_the_time_to_end_is_over_gets_a_503()
    {
        var steps = new SemaphoreSlim(0);
        var engine = new ScriptedModel(static _ => "abcdef") { Steps = steps };
        using TestServing server = Of(engine, ("BatchRows", "1"));
        HttpClient client = await server.ReadyAsync();
        Task<HttpResponseMessage> running = client.PostAsync("/v1/chat/completions", Chat("go")), waiting = client.PostAsync("/v1/chat/completions", Chat("go"));
        await UntilAsync(() => engine.OpenDecoders == 1 && server.Waiting == 1);
        await server.Models.StopAsync(default);
        foreach (Task<HttpResponseMessage> asked in (Task<HttpResponseMessage>[])[running, waiting])
            Assert.AreEqual((HttpStatusCode.ServiceUnavailable, "shutting_down"), ((await asked).StatusCode, ErrorCode(await JsonAsync(await asked))));
        Assert.AreEqual(0, engine.OpenDecoders);
    }

    [TestMethod]
    public async Task While_it_stops_requests_get_a_503()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        server.Serving.Close();
        using HttpResponseMessage refused = await client.PostAsync("/v1/chat/completions", Chat("go"));
        Assert.AreEqual((HttpStatusCode.ServiceUnavailable, "shutting_down"), (refused.StatusCode, ErrorCode(await JsonAsync(refused))));
        Assert.IsNotNull(refused.Headers.RetryAfter);
        Assert.AreEqual(HttpStatusCode.OK, (await client.GetAsync("/health/live")).StatusCode);
    }
}
