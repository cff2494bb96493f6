using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Text;
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
        foreach (byte[] body in (byte[][])[broken, [.. """{"messages":[{"role":"user","content":"\ud800"}]}"""u8], [.. """{"\ud800":1}"""u8], Encoding.UTF8.GetBytes(new string('[', 100)), [], [0, 255, 1], Encoding.UTF8.GetBytes("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}x")])
        {
            using var content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", content);
            Assert.AreEqual(HttpStatusCode.BadRequest, response.StatusCode, Encoding.Latin1.GetString(body));
            StringAssert.Contains((await JsonAsync(response)).GetProperty("error").GetProperty("message").GetString(), "no valid JSON");
        }
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

    private static byte[] Head(int length) => Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");

    private static async Task<TcpClient> ConnectAsync(TestServing server)
    {
        var socket = new TcpClient { ReceiveBufferSize = 16_384 };
        await socket.ConnectAsync(IPAddress.Loopback, (await server.ListenAsync()).Port);
        return socket;
    }
}
