using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

/// <summary>Clients that send garbage, send too much, send slowly, and hang up, over real sockets.</summary>
[TestClass]
public sealed class RudeClientTests
{
    [TestMethod]
    public async Task Bodies_that_are_no_texts_are_refused()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        byte[] broken = [.. "{\"messages\":[{\"role\":\"user\",\"content\":\""u8, 0xC3, 0x28, .. "\"}]}"u8];
        foreach (byte[] body in (byte[][])[broken, [.. """{"messages":[{"role":"user","content":"\ud800"}]}"""u8], [.. """{"\ud800":1}"""u8], Encoding.UTF8.GetBytes(new string('[', 60)), [], [0xEF, 0xBB, 0xBF], [0xFF, 0xFE, .. "{\0}\0"u8], [0, 255, 1], Encoding.UTF8.GetBytes("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}x")])
        {
            using var content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", content);
            Assert.AreEqual(HttpStatusCode.BadRequest, response.StatusCode, Encoding.Latin1.GetString(body));
            StringAssert.Contains((await JsonAsync(response)).GetProperty("error").GetProperty("message").GetString(), "no valid JSON");
        }
    }

    [TestMethod]
    public async Task A_byte_order_mark_before_a_body_is_passed_over()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        using var content = new ByteArrayContent([0xEF, 0xBB, 0xBF, .. """{"messages":[{"role":"user","content":"x"}],"max_tokens":1}"""u8]) { Headers = { ContentType = new("application/json") } };
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", content);
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    // 1,000 lists within each other; a schema of 500 objects, each within "properties" of the one around it, within the schema's three and the request's own; a call's arguments.
    [TestMethod]
    [DataRow("lists", "The body is nested 1000 deep; at most 64 objects and lists within each other are read.")]
    [DataRow("schema", "The body is nested 1004 deep; at most 64 objects and lists within each other are read.")]
    [DataRow("arguments", "'messages[1].tool_calls[0].function.arguments' is nested 1001 deep; at most 64 objects and lists within each other are read.")]
    public async Task What_is_nested_too_deep_is_told_as_such(string what, string says)
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        string Nested(string open, string inner, string close, int count) => string.Concat(Enumerable.Repeat(open, count)) + inner + string.Concat(Enumerable.Repeat(close, count));
        string schema = Nested("{\"properties\":{\"a\":", "{}", "}}", 500), list = Nested("[", "", "]", 1_000);
        string body = what switch
        {
            "lists" => list,
            "schema" => """{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":""" + schema + "}}}",
            _ => """{"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":""" + JsonSerializer.Serialize("{\"a\":" + list + "}") + """}}]},{"role":"tool","tool_call_id":"1","content":"x"}]}""",
        };
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Body(body));
        JsonElement error = (await JsonAsync(response)).GetProperty("error");
        Assert.AreEqual(HttpStatusCode.BadRequest, response.StatusCode, error.GetRawText());
        Assert.AreEqual((says, "nested_too_deep"), (error.GetProperty("message").GetString(), error.GetProperty("code").GetString()));
    }

    // A text in a text: what is no Unicode there is found no later than elsewhere.
    [TestMethod]
    public async Task Half_of_a_surrogate_pair_within_a_tools_arguments_or_result_is_no_error_of_the_servers()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        async Task<HttpResponseMessage> Ask(string arguments, string result) => await client.PostAsync("/v1/chat/completions", Body(
            """{"max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":""" + JsonSerializer.Serialize(arguments)
            + """}}]},{"role":"tool","tool_call_id":"1","content":""" + JsonSerializer.Serialize(result) + "}]}"));
        using HttpResponseMessage told = await Ask("""{"a":"\ud800"}""", "x");
        Assert.AreEqual(HttpStatusCode.BadRequest, told.StatusCode);
        StringAssert.Contains((await JsonAsync(told)).GetProperty("error").GetProperty("message").GetString(), "function.arguments' is no JSON object");
        using HttpResponseMessage text = await Ask("{}", """{"a":"\ud800"}""");
        Assert.AreEqual(HttpStatusCode.OK, text.StatusCode, await text.Content.ReadAsStringAsync());
    }

    [TestMethod]
    [DataRow("application/json", "gzip", "send it uncompressed")]
    [DataRow("application/json; charset=utf-16", "", "in UTF-8")]
    [DataRow("application/json; charset=iso-8859-1", "", "in UTF-8")]
    [DataRow("application/json; charset=\"UTF-8\"", "identity", null)]
    [DataRow("application/json; charset=utf8", "", null)]
    public async Task A_body_that_is_written_otherwise_than_in_UTF_8_is_refused_as_such(string type, string encoding, string? says)
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        using var content = new ByteArrayContent([.. """{"messages":[{"role":"user","content":"x"}],"max_tokens":1}"""u8]);
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        if (encoding.Length > 0) content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", content);
        Assert.AreEqual(says is null ? HttpStatusCode.OK : HttpStatusCode.UnsupportedMediaType, response.StatusCode);
        if (says is not null) StringAssert.Contains((await JsonAsync(response)).GetProperty("error").GetProperty("message").GetString(), says);
    }

    [TestMethod]
    public async Task A_body_may_be_as_large_as_the_setting_says()
    {
        using TestServing server = Saying(static _ => "x", ("MaxRequestBytes", "40000000"));
        using var client = new HttpClient { BaseAddress = await server.ListenAsync() };
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Body(new string(' ', 31_000_000) + """{"messages":[{"role":"user","content":"x"}],"max_tokens":1}"""));
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    [TestMethod]
    public async Task A_body_that_does_not_come_is_a_408()
    {
        using TestServing server = Saying(static _ => "x", ("RequestSeconds", "0.5"));
        using TcpClient socket = await ConnectAsync(server);
        await socket.GetStream().WriteAsync(Head(1_000));
        await socket.GetStream().WriteAsync("{\"messages\":"u8.ToArray());
        StringAssert.StartsWith(await new StreamReader(socket.GetStream()).ReadLineAsync(), "HTTP/1.1 408");
    }

    [TestMethod]
    public async Task Who_hangs_up_leaves_nothing_behind()
    {
        var engine = new ScriptedModel(static _ => new string('a', 150)) { StepTime = TimeSpan.FromMilliseconds(5) };
        using TestServing server = Of(engine, ("MaxRequestBytes", "5000"));
        byte[] whole = Encoding.UTF8.GetBytes("""{"messages":[{"role":"user","content":"go"}],"stream":true}""");
        using TcpClient warm = await ConnectAsync(server);
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async number =>
        {
            using TcpClient socket = await ConnectAsync(server);
            NetworkStream stream = socket.GetStream();
            byte[] buffer = new byte[4_096];
            switch (number % 5)
            {
                case 0: // garbage
                    await stream.WriteAsync("GARBAGE \0\r\n\r\n"u8.ToArray());
                    break;
                case 1: // half a body
                    await stream.WriteAsync((byte[])[.. Head(whole.Length), .. whole[..20]]);
                    break;
                case 2: // in the middle of an answer
                    await stream.WriteAsync((byte[])[.. Head(whole.Length), .. whole]);
                    Assert.IsGreaterThan(0, await stream.ReadAsync(buffer));
                    break;
                case 3: // before the answer
                    await stream.WriteAsync((byte[])[.. Head(whole.Length), .. whole]);
                    break;
                case 4: // more than is taken
                    await stream.WriteAsync((byte[])[.. Head(1_000_000), .. new byte[4_000]]);
                    StringAssert.StartsWith(await new StreamReader(stream).ReadLineAsync(), "HTTP/1.1 413");
                    break;
            }

            socket.Client.Close(number % 2); // at once, or after a while
        }));
        await UntilAsync(() => engine.OpenDecoders == 0 && server.Waiting == 0);
        int steps = engine.RowsSoFar.Length;
        await Task.Delay(50);
        Assert.AreEqual(steps, engine.RowsSoFar.Length, "nobody is left to compute for");
        await warm.GetStream().WriteAsync((byte[])[.. Head(whole.Length), .. whole]);
        StringAssert.StartsWith(await new StreamReader(warm.GetStream()).ReadLineAsync(), "HTTP/1.1 200");
    }

    [TestMethod]
    [DataRow("true")]
    [DataRow("false")]
    public async Task Who_does_not_read_is_cut_off_when_the_time_is_over(string stream)
    {
        // 8 answers of 1,000 tokens with 20 alternatives each: more than the system's buffers take.
        using TestServing server = Of(new ScriptedModel(static _ => new string('a', 1_000), contextLength: 1_100), ("RequestSeconds", "2"), ("BatchRows", "8"));
        await server.ListenAsync();
        int active = 0, begun = 0;
        using var meter = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "http.server.active_requests" && instrument.Meter.Scope == server.Services.GetService(typeof(IMeterFactory))) listener.EnableMeasurementEvents(instrument);
            },
        };
        meter.SetMeasurementEventCallback<long>((_, change, _, _) =>
        {
            Interlocked.Add(ref active, (int)change);
            if (change > 0) Interlocked.Increment(ref begun);
        });
        meter.Start();
        using TcpClient socket = await ConnectAsync(server);
        byte[] body = Encoding.UTF8.GetBytes($$"""{"messages":[{"role":"user","content":"go"}],"stream":{{stream}},"n":8,"max_tokens":1000,"logprobs":true,"top_logprobs":20}""");
        await socket.GetStream().WriteAsync((byte[])[.. Head(body.Length), .. body]);
        await UntilAsync(() => begun == 1);
        await UntilAsync(() => active == 0);

        // It was no answer that ended: the connection did.
        var read = new MemoryStream();
        try
        {
            await socket.GetStream().CopyToAsync(read);
        }
        catch (IOException)
        {
            // Reset: what the system had kept for it is gone.
        }

        Assert.DoesNotContain(stream == "true" ? "[DONE]" : "\"usage\"", Encoding.UTF8.GetString(read.ToArray()));
    }

    // 300 connections of four kinds in the place of 40: silent ones, heads that do not end, bodies that do not come, and requests that were answered. Each of them is dropped when its place is needed, and no client that asks is.
    [TestMethod]
    public async Task Connections_that_ask_for_nothing_take_no_place_from_those_that_do()
    {
        using TestServing server = Saying(static _ => "yes", ("MaxConnections", "40"));
        byte[] whole = Encoding.UTF8.GetBytes("""{"messages":[{"role":"user","content":"go"}]}""");
        var sockets = new List<TcpClient>();
        try
        {
            for (int number = 0; number < 300; number++)
            {
                TcpClient socket = await ConnectAsync(server);
                sockets.Add(socket);
                await socket.GetStream().WriteAsync((number % 4) switch
                {
                    0 => [],
                    1 => "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: "u8.ToArray(),
                    2 => [.. Head(1_000), .. "{\"messages\":"u8],
                    _ => "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray(),
                });
                if (number % 50 != 0) continue;
                using TcpClient honest = await ConnectAsync(server);
                await honest.GetStream().WriteAsync((byte[])[.. Head(whole.Length), .. whole]);
                StringAssert.StartsWith(await new StreamReader(honest.GetStream()).ReadLineAsync(), "HTTP/1.1 200", $"with {number} others");
            }

            await UntilAsync(() => server.Serving.Connections.Open <= 40);

            // The first have been closed; the last, and what it asks for, has not.
            Assert.AreEqual(0, await EndOf(sockets[0]));
            await sockets[^1].GetStream().WriteAsync((byte[])[.. Head(whole.Length), .. whole]);
            string both = "";
            byte[] buffer = new byte[4_096];
            while (!both.Contains("\"usage\"", StringComparison.Ordinal)) both += Encoding.UTF8.GetString(buffer, 0, await sockets[^1].GetStream().ReadAsync(buffer));
        }
        finally
        {
            foreach (TcpClient socket in sockets) socket.Dispose();
        }

        await UntilAsync(() => server.Serving.Connections.Open == 0);

        static async Task<int> EndOf(TcpClient socket)
        {
            try
            {
                return await socket.GetStream().ReadAsync(new byte[1]);
            }
            catch (IOException)
            {
                return 0; // reset
            }
        }
    }

    // One place in the batch and two connections: one at work is not closed for another, which is, and its place is free when it has ended.
    [TestMethod]
    public async Task A_connection_at_work_is_not_closed_for_another()
    {
        var steps = new SemaphoreSlim(0);
        using TestServing server = Of(new ScriptedModel(static _ => "abc") { Steps = steps }, ("MaxConnections", "1"));
        byte[] whole = Encoding.UTF8.GetBytes("""{"messages":[{"role":"user","content":"go"}]}""");
        using TcpClient first = await ConnectAsync(server);
        await first.GetStream().WriteAsync((byte[])[.. Head(whole.Length), .. whole]);
        await UntilAsync(() => server.Models.All[0].RequireQueue().RunningCount == 1);
        Assert.IsNull(await AskAsync(server, whole), "there is no place");
        steps.Release(100);
        StringAssert.StartsWith(await new StreamReader(first.GetStream()).ReadLineAsync(), "HTTP/1.1 200");

        // The request's end comes a little behind its answer's.
        string? answered = null;
        for (int i = 0; i < 200 && answered is null; i++) answered = await AskAsync(server, whole);
        Assert.AreEqual("HTTP/1.1 200 OK", answered);
    }

    // The first client takes all eight places, for more than the system's buffers hold, and reads none of it: they are free as soon as the last tokens are there, long before it is cut off.
    [TestMethod]
    public async Task Who_does_not_read_a_stream_holds_no_place_in_the_batch()
    {
        var engine = new ScriptedModel(static prompt => prompt.Contains('q') ? "yes" : new string('a', 1_000), contextLength: 1_100);
        using TestServing server = Of(engine, ("BatchRows", "8"), ("RequestSeconds", "600"));
        using TcpClient deaf = await ConnectAsync(server);
        byte[] much = Encoding.UTF8.GetBytes("""{"messages":[{"role":"user","content":"go"}],"stream":true,"n":8,"max_tokens":1000,"logprobs":true,"top_logprobs":20}""");
        await deaf.GetStream().WriteAsync((byte[])[.. Head(much.Length), .. much]);
        await UntilAsync(() => engine.RowsSoFar.Length > 0);
        using var client = new HttpClient { BaseAddress = await server.ListenAsync() };
        using HttpResponseMessage answer = await client.PostAsync("/v1/chat/completions", Chat("q"));
        Assert.AreEqual("yes", (await JsonAsync(answer)).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        Assert.AreEqual(2, server.Serving.Connections.Open, "the other is still there");

        // It has lost nothing by that.
        var read = new StringBuilder();
        byte[] buffer = new byte[65_536];
        while (!read.ToString(Math.Max(0, read.Length - 100), Math.Min(100, read.Length)).Contains("[DONE]", StringComparison.Ordinal)) read.Append(Encoding.UTF8.GetString(buffer, 0, await deaf.GetStream().ReadAsync(buffer)));
        string text = Regex.Replace(read.ToString(), "\r\n[0-9a-f]+\r\n", ""); // the borders of HTTP's chunks
        Assert.AreEqual(8_000, text.Split("\"content\":\"a\"").Length - 1);
        Assert.IsGreaterThan(5_000_000, text.Length, "more than the system's buffers take");
    }

    private static byte[] Head(int length) => Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");

    // The first line of an answer; null where the connection is closed instead, before it is made or later.
    private static async Task<string?> AskAsync(TestServing server, byte[] body)
    {
        try
        {
            using TcpClient socket = await ConnectAsync(server);
            await socket.GetStream().WriteAsync((byte[])[.. Head(body.Length), .. body]);
            return await new StreamReader(socket.GetStream()).ReadLineAsync();
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            return null;
        }
    }

    private static async Task<TcpClient> ConnectAsync(TestServing server)
    {
        var socket = new TcpClient { ReceiveBufferSize = 16_384 };
        await socket.ConnectAsync(IPAddress.Loopback, (await server.ListenAsync()).Port);
        return socket;
    }
}
