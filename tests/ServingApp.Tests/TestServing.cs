using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.Models;

namespace ServingApp.Tests;

/// <summary>The program within this process, with a model of the test's.</summary>
internal sealed class TestServing : WebApplicationFactory<ServingOptions>
{
    private readonly Func<ServingOptions, IReadOnlyList<ServedModel>>? _open;
    private readonly (string Name, string Value)[] _settings;
    private bool _listens;

    /// <param name="open">Opens the models; null for those that the settings name.</param>
    /// <param name="settings">Of the section Serving.</param>
    public TestServing(Func<ServingOptions, IReadOnlyList<ServedModel>>? open, params (string Name, string Value)[] settings) => (_open, _settings) = (open, settings);

    public Serving Serving => Services.GetRequiredService<Serving>();

    /// <summary>The answers of the first model that wait for a place.</summary>
    public int Waiting => Models.All[0].RequireQueue().WaitingCount;

    public ModelHost Models => Services.GetRequiredService<ModelHost>();

    /// <summary>A server of a model that answers as a function says.</summary>
    public static TestServing Saying(Func<string, string> answer, params (string Name, string Value)[] settings) => Of(new ScriptedModel(answer), settings);

    public static TestServing Of(ScriptedModel engine, params (string Name, string Value)[] settings) => new(options => [new ServedModel("tiny", options.Sharing, engine.ToModel())], settings);

    /// <summary>A client, when the model is open.</summary>
    public async Task<HttpClient> ReadyAsync()
    {
        HttpClient client = CreateClient();
        while (!Models.IsReady) await Task.Delay(5);
        return client;
    }

    /// <summary>Where it listens, over a real socket, when the model is open.</summary>
    public async Task<Uri> ListenAsync()
    {
        Uri address = Listen();
        while (!Models.IsReady) await Task.Delay(5);
        return address;
    }

    /// <summary>Where it listens, whether or not the model is open.</summary>
    public Uri Listen()
    {
        lock (_settings)
        {
            if (!_listens)
            {
                // Without a port: the factory would write it into the addresses of a server that the program starts at the same time (dotnet/aspnetcore 67714).
                _listens = true;
                UseKestrel();
                StartServer();
            }
        }

        return new Uri(Services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>().Features.Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()!.Addresses.First());
    }

    public static StringContent Body(string json) => new(json, Encoding.UTF8, "application/json");

    /// <summary>A chat request of one user's message, and what else the JSON says.</summary>
    public static StringContent Chat(string text, string more = "") => Body($$"""{"model":"tiny","messages":[{"role":"user","content":{{JsonSerializer.Serialize(text)}}}]{{(more.Length > 0 ? "," : "")}}{{more}}}""");

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage response) => await response.Content.ReadFromJsonAsync<JsonElement>();

    /// <summary>The data of a stream's events.</summary>
    public static string[] Events(string stream)
    {
        Assert.IsTrue(stream.EndsWith("\n\n", StringComparison.Ordinal), stream);
        return [.. stream[..^2].Split("\n\n").Select(static line => line.StartsWith("data: ", StringComparison.Ordinal) ? line[6..] : throw new AssertFailedException(line))];
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        for (int i = 0; i < 2_000 && !condition(); i++) await Task.Delay(5);
        Assert.IsTrue(condition());
    }

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        if (_listens) builder.UseSetting(WebHostDefaults.ServerUrlsKey, "http://127.0.0.1:0");
        foreach ((string name, string value) in _settings) builder.UseSetting($"Serving:{name}", value);
        if (_open is null) return;
        builder.UseSetting("Serving:Model", "of the test");
        builder.ConfigureTestServices(services => services.AddSingleton(_open));
    }
}
