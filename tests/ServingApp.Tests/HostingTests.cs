using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using ServingApp.Hosting;
using ServingApp.Models;
using ServingApp.OpenAi;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

[TestClass]
public sealed class HostingTests
{
    [TestMethod]
    public async Task With_keys_only_requests_that_carry_one_are_served()
    {
        using TestServing server = Saying(static _ => "x", ("ApiKeys:0", "first"), ("ApiKeys:1", "second"));
        HttpClient client = await server.ReadyAsync();
        foreach ((string? scheme, string? key, HttpStatusCode expected) in ((string?, string?, HttpStatusCode)[])
            [(null, null, HttpStatusCode.Unauthorized), ("Bearer", "wrong", HttpStatusCode.Unauthorized), ("Bearer", "", HttpStatusCode.Unauthorized), ("Basic", "first", HttpStatusCode.Unauthorized), ("Bearer", "first", HttpStatusCode.OK), ("bearer", "second", HttpStatusCode.OK)])
        {
            client.DefaultRequestHeaders.Authorization = scheme is null ? null : new AuthenticationHeaderValue(scheme, key);
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go"));
            Assert.AreEqual(expected, response.StatusCode, $"{scheme} {key}");
            Assert.AreEqual(expected, (await client.GetAsync("/v1/models")).StatusCode);
            Assert.AreEqual(expected, (await client.GetAsync("/metrics")).StatusCode);
            Assert.AreEqual(expected, (await client.PostAsync("/V1/Chat/Completions", Chat("go"))).StatusCode, "a route is found in upper case too");
            Assert.AreEqual(expected, (await client.GetAsync("/V1/models")).StatusCode);
            Assert.AreEqual(expected, (await client.GetAsync("/Metrics")).StatusCode);
            if (expected == HttpStatusCode.OK) continue;
            Assert.AreEqual("invalid_api_key", (await JsonAsync(response)).GetProperty("error").GetProperty("code").GetString());
            Assert.AreEqual("Bearer", response.Headers.WwwAuthenticate.Single().Scheme);
        }

        client.DefaultRequestHeaders.Authorization = null;
        foreach (string open in (string[])["/health/ready", "/health/live", "/", "/chat.js", "/chat.css"]) Assert.AreEqual(HttpStatusCode.OK, (await client.GetAsync(open)).StatusCode, open);
        using var head = new HttpRequestMessage(HttpMethod.Head, "/health/ready");
        Assert.AreEqual(HttpStatusCode.OK, (await client.SendAsync(head)).StatusCode);
    }

    [TestMethod]
    public void Without_keys_the_program_listens_on_loopback_alone_unless_somebody_says_otherwise()
    {
        string[] closed = ["http://localhost:5000", "http://127.0.0.1:80", "https://[::1]:443", "http://unix:/tmp/x.sock"], open = ["http://0.0.0.0:5000", "http://[::]:5000", "http://+:80", "http://*:80", "http://192.168.1.2:80", "http://example.org:80"];
        var options = new ServingOptions { Demo = true };
        new ApiKeyGate(options).CheckAddresses(closed);
        foreach (string address in open)
        {
            var exception = Assert.ThrowsExactly<ServingConfigurationException>(() => new ApiKeyGate(options).CheckAddresses([.. closed, address]), address);
            StringAssert.Contains(exception.Message, address);
            new ApiKeyGate(options with { ApiKeys = ["k"] }).CheckAddresses([address]);
            new ApiKeyGate(options with { RequireApiKey = false }).CheckAddresses([address]);
        }
    }

    [TestMethod]
    public void Without_keys_a_connection_over_another_address_is_refused()
    {
        var options = new ServingOptions { Demo = true };
        foreach ((string? address, ServingOptions with, bool passes) in ((string?, ServingOptions, bool)[])
            [("127.0.0.1", options, true), ("::1", options, true), (null, options, true), ("192.168.1.2", options, false), ("192.168.1.2", options with { RequireApiKey = false }, true)])
        {
            var context = new DefaultHttpContext { Connection = { LocalIpAddress = address is null ? null : IPAddress.Parse(address) } };
            if (passes) new ApiKeyGate(with).Check(context);
            else Assert.AreEqual(401, Assert.ThrowsExactly<OpenAiException>(() => new ApiKeyGate(with).Check(context), address).Status);
        }
    }

    [TestMethod]
    public async Task A_model_is_found_by_a_name_with_slashes()
    {
        using TestServing server = new(static options => [new ServedModel("org/tiny", options.Sharing, new ScriptedModel(static _ => "x").ToModel())]);
        HttpClient client = await server.ReadyAsync();
        foreach (string address in (string[])["/v1/models/org/tiny", "/v1/models/org%2Ftiny"])
            Assert.AreEqual("org/tiny", (await JsonAsync(await client.GetAsync(address))).GetProperty("id").GetString(), address);
        Assert.AreEqual(HttpStatusCode.NotFound, (await client.GetAsync("/v1/models/tiny")).StatusCode);
    }

    [TestMethod]
    public async Task Kestrels_own_limits_are_those_of_the_configuration()
    {
        await using WebApplication app = ServingApplication.Build(["--demo", "--Kestrel:Limits:KeepAliveTimeout=00:00:07", "--kestrel:limits:RequestHeadersTimeout", "00:00:03", "--Kestrel:Limits:MaxConcurrentConnections=5",
            "--Kestrel:Limits:MinRequestBodyDataRate:BytesPerSecond=1000.5", "--Kestrel:Limits:MinResponseDataRate:BytesPerSecond=0", "--Kestrel:Limits:Http2:MaxStreamsPerConnection=9"]);
        KestrelServerLimits limits = app.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits;
        Assert.AreEqual((TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(3), 5L, 9), (limits.KeepAliveTimeout, limits.RequestHeadersTimeout, limits.MaxConcurrentConnections!.Value, limits.Http2.MaxStreamsPerConnection));
        Assert.AreEqual((1000.5, TimeSpan.FromSeconds(5)), (limits.MinRequestBodyDataRate!.BytesPerSecond, limits.MinRequestBodyDataRate.GracePeriod), "what is not said is Kestrel's own");
        Assert.IsNull(limits.MinResponseDataRate);
        Assert.IsNull(limits.MaxRequestBodySize, "Serving:MaxRequestBytes says it");
        await using WebApplication plain = ServingApplication.Build(["--demo"]);
        limits = plain.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits;
        Assert.AreEqual((TimeSpan.FromSeconds(130), TimeSpan.FromSeconds(30), null, 240.0, 240.0), (limits.KeepAliveTimeout, limits.RequestHeadersTimeout, limits.MaxConcurrentConnections, limits.MinRequestBodyDataRate!.BytesPerSecond, limits.MinResponseDataRate!.BytesPerSecond));
    }

    [TestMethod]
    [DataRow("--Kestrel:Limits:KeepAliveTime=00:00:07", "KeepAliveTime")]
    [DataRow("--Kestrel:Limits:KeepAliveTimeout=soon", "soon")]
    [DataRow("--Kestrel:Limits:MaxConcurrentConnections=0", "Kestrel:Limits is not understood")]
    [DataRow("--Kestrel:Limits:MaxRequestBodySize=10", "Kestrel:Limits:MaxRequestBodySize is '10'; the size of a request's body is set by Serving:MaxRequestBytes.")]
    [DataRow("--Kestrel:Limits:MinResponseDataRate:BytesPerSecond=-1", "Kestrel:Limits:MinResponseDataRate is -1 bytes a second")]
    [DataRow("--Kestrel:AddServerHeader=true", "There is no setting Kestrel:AddServerHeader; there are Kestrel:Certificates, Kestrel:EndpointDefaults, Kestrel:Endpoints, Kestrel:Limits.")]
    [DataRow("--Serving:MaxConnections=0", "Serving:MaxConnections is 0; it must be 1 or more.")]
    public async Task What_can_not_be_a_limit_is_an_error(string argument, string says)
    {
        using var error = new StringWriter();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(20)); // where it is none, the program would run
        Assert.AreEqual(2, await ServingProgram.RunAsync(["--demo", "--urls", "http://127.0.0.1:0", argument], error, stop.Token));
        StringAssert.Contains(error.ToString(), says);
    }

    [TestMethod]
    public void The_time_to_end_is_the_host_s()
    {
        using TestServing server = Saying(static _ => "x", ("ShutdownSeconds", "7"));
        Assert.AreEqual(TimeSpan.FromSeconds(7), server.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout);
    }

    // Alone: what is measured is heard by every server of the process.
    [TestMethod]
    [DoNotParallelize]
    public async Task Without_keys_another_host_name_is_refused()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models") { Headers = { Host = "evil.example" } };
        using HttpResponseMessage refused = await client.SendAsync(request);
        Assert.AreEqual((HttpStatusCode.BadRequest, "application/json"), (refused.StatusCode, refused.Content.Headers.ContentType?.MediaType));
        JsonElement error = (await JsonAsync(refused)).GetProperty("error");
        Assert.AreEqual(("invalid_request_error", "unknown_host"), (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
        StringAssert.Contains(error.GetProperty("message").GetString(), "The host 'evil.example' is none that this server answers for");
        StringAssert.Matches(await client.GetStringAsync("/metrics"), new Regex(@"serving_requests_refused_total\{.*status_code=""400"".*\} 1\b"));
    }

    [TestMethod]
    public void Settings_are_checked()
    {
        foreach ((ServingOptions options, string name) in ((ServingOptions, string)[])
        [
            (new(), "Model"), (new() { Demo = true, Model = "x" }, "Model"), (new() { Demo = true, QueueLength = -1 }, "QueueLength"), (new() { Demo = true, BatchRows = 0 }, "BatchRows"), (new() { Demo = true, RequestSeconds = 0 }, "RequestSeconds"),
            (new() { Demo = true, RequireApiKey = true }, "RequireApiKey"), (new() { Demo = true, ApiKeys = [""] }, "ApiKeys"), (new() { Demo = true, MaxRequestBytes = 0 }, "MaxRequestBytes"), (new() { Demo = true, DefaultNewTokens = 0 }, "DefaultNewTokens"),
        ])
        {
            StringAssert.Contains(Assert.ThrowsExactly<ServingConfigurationException>(() => options.Validate()).Message, $"Serving:{name}");
        }

        new ServingOptions { Demo = true }.Validate();
    }

    [TestMethod]
    public void Arguments_become_settings_and_unknown_ones_are_refused()
    {
        var configuration = new ConfigurationManager();
        CommandLine.AddTo(configuration, ["--model", "a.zip", "--name=b", "--key", "c", "--urls", "http://localhost:1", "--Serving:QueueLength=3", "--Serving:BatchRows", "4"]);
        Assert.AreEqual(("a.zip", "b", "c", "http://localhost:1", "3", "4"), (configuration["Serving:Model"], configuration["Serving:ModelName"], configuration["Serving:ApiKeys:0"], configuration["urls"], configuration["Serving:QueueLength"], configuration["Serving:BatchRows"]));
        foreach (string[] wrong in (string[][])[["--modle", "x"], ["model.zip"], ["--model"], ["--url=http://localhost:2"], ["--demo=true"], ["--Srving:QueueLength=3"], ["--model", "a", "--Serving:Model=b"], ["--demo", "--demo"], ["--adapter", "a=x", "--adapter", "A=y"]])
            Assert.ThrowsExactly<ArgumentException>(() => CommandLine.AddTo(new ConfigurationManager(), wrong), string.Join(' ', wrong));

        var keys = new ConfigurationManager();
        CommandLine.AddTo(keys, ["--key", "a", "--key=b"]);
        Assert.AreEqual(("a", "b"), (keys["Serving:ApiKeys:0"], keys["Serving:ApiKeys:1"]));
    }

    [TestMethod]
    public async Task The_hosts_own_arguments_are_its_own()
    {
        string folder = Path.TrimEndingDirectorySeparator(Path.GetTempPath());
        await using var app = ServingApplication.Build(["--demo", "--environment=Staging", $"--contentRoot={folder}"]);
        Assert.AreEqual(("Staging", folder), (app.Environment.EnvironmentName, Path.TrimEndingDirectorySeparator(app.Environment.ContentRootPath)));
    }

    [TestMethod]
    public void Of_the_section_nothing_is_left_unread_and_no_key_is_told()
    {
        foreach ((string name, string says) in ((string, string)[])[("ApiKeys", "Serving__ApiKeys__0"), ("Adapters", "--adapter NAME=FOLDER"), ("QueueLenght", "no setting Serving:QueueLenght"), ("MaxTexts", "no setting Serving:MaxTexts"), ("Model", "Model is empty"), ("ModelName", "ModelName is empty")])
        {
            string message = Assert.ThrowsExactly<ServingConfigurationException>(() => Read((name, name.StartsWith("Model", StringComparison.Ordinal) ? "" : "secret"), ("Demo", name == "Model" ? "false" : "true"))).Message;
            StringAssert.Contains(message, says);
            if (name == "ApiKeys") Assert.DoesNotContain("secret", message);
        }

        ServingOptions options = Read(("Demo", "true"), ("ApiKeys:0", "a"), ("ApiKeys:1", "b"), ("MaxRequestBytes", "5"), ("RequestSeconds", "0.5"));
        Assert.AreEqual(("a b", 5, 0.5), (string.Join(' ', options.ApiKeys), options.MaxRequestBytes, options.RequestSeconds));

        static ServingOptions Read(params (string Name, string Value)[] settings)
        {
            var configuration = new ConfigurationManager();
            foreach ((string name, string value) in settings) configuration[$"Serving:{name}"] = value;
            return ServingOptions.Read(configuration.GetSection("Serving"));
        }
    }

    [TestMethod]
    public async Task The_page_takes_nothing_from_elsewhere()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage page = await client.GetAsync("/");
        StringAssert.StartsWith(page.Headers.GetValues("Content-Security-Policy").Single(), "default-src 'self'");
        foreach (string file in (string[])["/", "/chat.js", "/chat.css"])
        {
            string text = await client.GetStringAsync(file);
            Assert.DoesNotContain("://", text, file);
            Assert.IsGreaterThan(200, text.Length, file);
        }
    }

    // Alone, as the next one.
    [TestMethod]
    [DoNotParallelize]
    public async Task Who_waits_is_counted_once_whatever_names_the_queue_has()
    {
        var steps = new SemaphoreSlim(0);
        var engine = new ScriptedModel(static _ => "abc") { Steps = steps };
        using var server = new TestServing(options =>
        {
            var model = new ServedModel("tiny", options.Sharing, engine.ToModel());
            return [model, model.WithAdapter("one"), model.WithAdapter("two")];
        }, ("BatchRows", "1"));
        HttpClient client = await server.ReadyAsync();
        Task<HttpResponseMessage>[] asked = [.. Enumerable.Range(0, 3).Select(_ => client.PostAsync("/v1/chat/completions", Chat("go")))];
        await UntilAsync(() => engine.OpenDecoders == 1 && server.Waiting == 2);
        StringAssert.Matches(await client.GetStringAsync("/metrics"), new Regex(@"serving_queue_length\{.*\} 2\b"));
        steps.Release(100);
        foreach (Task<HttpResponseMessage> one in asked) Assert.AreEqual(HttpStatusCode.OK, (await one).StatusCode);
    }

    // Alone: what is measured is heard by every server of the process.
    [TestMethod]
    [DoNotParallelize]
    public async Task Metrics_count_requests_tokens_and_refusals()
    {
        using TestServing server = Saying(static _ => "abcde");
        HttpClient client = await server.ReadyAsync();
        for (int i = 0; i < 3; i++) await client.PostAsync("/v1/chat/completions", Chat("go"));
        await client.PostAsync("/v1/chat/completions", Chat("go", "\"tools\":1"));
        string metrics = await client.GetStringAsync("/metrics");

        // Each prompt has 1 + (1 + 2 + 1) + 1 = 6 tokens, each answer 5.
        foreach (string pattern in (string[])[@"gen_ai_server_time_to_first_token_seconds_count\{.*\} 3\b", @"gen_ai_server_request_duration_seconds_count\{.*\} 3\b", @"serving_tokens_total\{.*type=""input"".*\} 18\b", @"serving_tokens_total\{.*type=""output"".*\} 15\b", @"serving_requests_refused_total\{.*status_code=""400"".*\} 1\b", @"serving_queue_length\{.*\} 0\b"])
            StringAssert.Matches(metrics, new Regex(pattern), metrics);
    }
}
