using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using ServingApp.Hosting;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

/// <summary>The program as a process of its own.</summary>
[TestClass]
public sealed class ProcessTests
{
    [TestMethod]
    [Timeout(120_000, CooperativeCancellation = true)]
    public async Task A_killed_program_answers_nobody_with_half_an_answer_and_starts_again_on_the_same_address()
    {
        (Process first, Uri address) = await StartAsync("http://127.0.0.1:0");
        using (first)
        using (var client = new HttpClient { BaseAddress = address })
        {
            string before = await SayAsync(client, 20);

            // Eight clients wait for long answers, which are computed one after another, when it is killed: whoever has no whole answer knows it.
            Task<string?>[] streams = [.. Enumerable.Range(0, 8).Select(_ => StreamAsync(client))];
            await Task.Delay(200);
            first.Kill();
            string?[] texts = await Task.WhenAll(streams);
            Assert.IsTrue(texts.All(static text => text is null || text.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal)));
            Assert.IsTrue(texts.Any(static text => text is null), "it was killed too late");

            await first.WaitForExitAsync();
            (Process second, _) = await StartAsync(address.ToString());
            using (second)
            {
                Assert.AreEqual(before, await SayAsync(client, 20), "the same seed gives the same answer after a restart");
                second.Kill();
                await second.WaitForExitAsync();
            }
        }
    }

    [TestMethod]
    [DataRow("foo", 2)]
    [DataRow("http://localhost:99999", 2)]
    [DataRow("http://192.0.2.1:5000", 1)] // an address of documentation's, which no machine has
    [Timeout(60_000, CooperativeCancellation = true)]
    public async Task Where_it_can_not_listen_the_program_ends_and_says_so_in_a_line(string urls, int exitCode)
    {
        using Process process = Process.Start(new ProcessStartInfo(Host, ["exec", typeof(ServingOptions).Assembly.Location, "--demo", "--key", "k", "--urls", urls]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> log = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(exitCode, process.ExitCode, await error + await log);
        StringAssert.StartsWith(await error, $"The program can't listen on '{urls}': ");
        Assert.AreEqual(1, (await error).TrimEnd().Split('\n').Length);
    }

    // Null where the connection broke off.
    private static async Task<string?> StreamAsync(HttpClient client)
    {
        try
        {
            return await (await client.PostAsync("v1/completions", Body("""{"prompt":"I am","max_tokens":400,"n":8,"stream":true,"response_format":{"type":"json_schema","json_schema":{"name":"long","schema":{"type":"string","minLength":1500}}}}"""))).Content.ReadAsStringAsync();
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return null;
        }
    }

    private static async Task<string> SayAsync(HttpClient client, int tokens)
    {
        JsonElement json = await JsonAsync(await client.PostAsync("v1/completions", Body($$"""{"prompt":"I am","max_tokens":{{tokens}},"seed":7}""")));
        return json.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }

    private static string Host => Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    private static async Task<(Process Process, Uri Address)> StartAsync(string urls)
    {
        Process process = Process.Start(new ProcessStartInfo(Host, ["exec", typeof(ServingOptions).Assembly.Location, "--demo", "--urls", urls, "--Serving:BatchRows=8"]) { RedirectStandardOutput = true })!;
        try
        {
            Uri? address = null;
            while (address is null)
            {
                string line = await process.StandardOutput.ReadLineAsync() ?? throw new AssertFailedException($"The program ended with {process.ExitCode}.");
                if (Regex.Match(line, @"http://127\.0\.0\.1:\d+") is { Success: true } found) address = new Uri(found.Value + "/");
            }

            _ = process.StandardOutput.ReadToEndAsync();
            using var client = new HttpClient { BaseAddress = address };
            while (!(await client.GetAsync("health/ready")).IsSuccessStatusCode) await Task.Delay(20);
            return (process, address);
        }
        catch
        {
            process.Kill();
            process.Dispose();
            throw;
        }
    }
}
