using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using ServingApp.Models;
using static Microsoft.Playwright.Assertions;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

/// <summary>The chat page, in a browser.</summary>
[TestClass]
public sealed class ChatPageTests
{
    [ClassCleanup]
    public static Task CloseAsync() => Browser.CloseAsync();

    [TestMethod]
    public void Playwright_s_driver_is_taken_for_this_platform_alone()
    {
        string[] platforms = [.. Directory.GetDirectories(Path.Combine(AppContext.BaseDirectory, ".playwright", "node")).Select(static folder => Path.GetFileName(folder)!)];
        Assert.HasCount(1, platforms, $"{string.Join(", ", platforms)}: each takes more than 100 MB");
    }

    [TestMethod]
    public async Task The_page_loads_from_the_program_alone_and_without_an_error()
    {
        using TestServing server = Saying(static _ => "hello");
        IPage page = await Browser.OpenAsync();
        List<string> requests = [], problems = [];
        page.Request += (_, request) => requests.Add(request.Url);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning") problems.Add(message.Text);
        };
        page.PageError += (_, error) => problems.Add(error);
        Uri address = await ShowAsync(page, server);
        await Expect(page.Locator("#model")).ToHaveValueAsync("tiny");
        await SayAsync(page, "go");
        await Expect(page.Locator(".turn.assistant")).ToHaveTextAsync("hello");
        await Expect(page.Locator(".note")).ToHaveTextAsync(new Regex(@"^6 tokens read, 5 written in \d+\.\d s$"));
        CollectionAssert.IsSubsetOf(new[] { "", "chat.js", "chat.css", "icon.png", "v1/models", "v1/chat/completions" }.Select(path => address + path).ToArray(), requests);
        Assert.IsTrue(requests.TrueForAll(url => url.StartsWith(address.ToString(), StringComparison.Ordinal)), string.Join(" ", requests));
        Assert.IsEmpty(problems, string.Join('\n', problems));
    }

    // The engine gives a letter when it is told to: what is on the page then, is what it has said.
    [TestMethod]
    public async Task An_answer_grows_as_it_comes_and_is_the_endpoint_s()
    {
        const string Answer = "one two";
        var steps = new SemaphoreSlim(0);
        using TestServing server = Of(new ScriptedModel(static _ => Answer) { Steps = steps });
        IPage page = await Browser.OpenAsync();
        Uri address = await ShowAsync(page, server);
        await page.EvaluateAsync("() => { window.seen = []; new MutationObserver(() => { const turn = document.querySelector('.turn.assistant'); if (turn) window.seen.push(turn.textContent); }).observe(document.getElementById('turns'), { childList: true, characterData: true, subtree: true }); }");
        await SayAsync(page, "go");
        for (int letters = 1; letters <= Answer.Length; letters++)
        {
            steps.Release();
            await Expect(page.Locator(".turn.assistant")).ToHaveTextAsync(Answer[..letters], new() { UseInnerText = false });
            await Expect(page.Locator("#send")).ToHaveTextAsync("Stop");
        }

        steps.Release(100);
        await Expect(page.Locator("#send")).ToHaveTextAsync("Send");
        string[] seen = [.. (await page.EvaluateAsync<string[]>("() => window.seen")).Where(static text => text.Length > 0).Distinct()];
        CollectionAssert.AreEqual(Enumerable.Range(1, Answer.Length).Select(static letters => Answer[..letters]).ToArray(), seen);

        using var client = new HttpClient { BaseAddress = address };
        JsonElement json = await JsonAsync(await client.PostAsync("v1/chat/completions", Chat("go")));
        Assert.AreEqual(Answer, json.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [TestMethod]
    public async Task Stop_ends_the_answer_in_the_server_too_and_the_conversation_goes_on_from_what_was_said()
    {
        var steps = new SemaphoreSlim(0);
        string seen = "";
        var engine = new ScriptedModel(prompt => { seen = prompt; return new string('a', 50); }) { Steps = steps };
        using TestServing server = Of(engine);
        IPage page = await Browser.OpenAsync();
        await ShowAsync(page, server);
        await SayAsync(page, "first");
        steps.Release(3);
        await Expect(page.Locator(".turn.assistant")).ToHaveTextAsync("aaa");
        await page.ClickAsync("#send");
        await Expect(page.Locator(".note")).ToHaveTextAsync("stopped");
        await Expect(page.Locator("#send")).ToHaveTextAsync("Send");
        await UntilAsync(() => engine.OpenDecoders == 0); // no step was released: it waits for none
        steps.Release(200);
        await SayAsync(page, "second");
        await Expect(page.Locator(".note")).ToHaveCountAsync(2);
        Assert.AreEqual("<|endoftext|>ufirst<|endoftext|>aaaa<|endoftext|>usecond<|endoftext|>a", seen);

        // A new one knows nothing of it, nor of an answer that it ends.
        while (steps.Wait(0)) { }
        await SayAsync(page, "third");
        steps.Release(3);
        await Expect(page.Locator(".turn.assistant").Last).ToHaveTextAsync("aaa");
        await page.ClickAsync("summary");
        await page.ClickAsync("#clear");
        await Expect(page.Locator(".turn, .note")).ToHaveCountAsync(0);
        await UntilAsync(() => engine.OpenDecoders == 0);
        steps.Release(200);
        await SayAsync(page, "fourth");
        await Expect(page.Locator(".note")).ToHaveCountAsync(1);
        Assert.AreEqual("<|endoftext|>ufourth<|endoftext|>a", seen);
    }

    [TestMethod]
    public async Task Errors_are_shown_before_and_within_an_answer()
    {
        var steps = new SemaphoreSlim(0);
        using TestServing server = Of(new ScriptedModel(static _ => "abcdef") { Steps = steps }, ("ApiKeys:0", "secret"), ("RequestSeconds", "2"));
        IPage page = await Browser.OpenAsync();
        await ShowAsync(page, server);
        ILocator error = page.Locator(".turn.error");

        // 1. Without a key; what was written is still there to be sent again.
        await Expect(page.Locator("#state")).ToHaveTextAsync("needs an API key (Settings)");
        await SayAsync(page, "go");
        await Expect(error).ToHaveTextAsync("The request has no API key; send it as 'Authorization: Bearer KEY'.");
        await Expect(page.Locator("#text")).ToHaveValueAsync("go");
        await page.ClickAsync("summary");
        await page.FillAsync("#key", "secret");
        await page.Keyboard.PressAsync("Tab");
        await Expect(page.Locator("#model")).ToHaveValueAsync("tiny");
        await Expect(page.Locator("#state")).ToHaveTextAsync("");

        // 2. In the middle: what came stays, with the reason.
        await page.ClickAsync("#send");
        steps.Release(2);
        await Expect(error).ToHaveCountAsync(2);
        await Expect(error.Last).ToHaveTextAsync(new Regex("^ab\\s*The request took more than 2 seconds"));

        // 3. What the server refuses.
        await page.FillAsync("#tokens", "100000");
        await SayAsync(page, "more");
        await Expect(error).ToHaveCountAsync(3);
        await Expect(error.Last).ToContainTextAsync("'max_completion_tokens' is 100000; it must be a whole number from 1 to 256.");
    }

    [TestMethod]
    public async Task A_server_that_opens_its_model_is_asked_again_and_one_that_is_gone_is_said_to_be()
    {
        IPage page = await Browser.OpenAsync(); // first: where there is none, no server waits
        using var open = new ManualResetEventSlim();
        using var server = new TestServing(options => { open.Wait(); return [new ServedModel("tiny", options.Sharing, new ScriptedModel(static _ => "x").ToModel())]; });
        Uri address = server.Listen();
        await page.GotoAsync(address.ToString());
        await Expect(page.Locator("#state")).ToHaveTextAsync("not ready");
        await Expect(page.Locator("#model")).ToBeHiddenAsync();
        open.Set();
        await Expect(page.Locator("#model")).ToHaveValueAsync("tiny", new() { Timeout = 30_000 });
        await Expect(page.Locator("#state")).ToHaveTextAsync("");
        await page.Context.SetOfflineAsync(true);
        await SayAsync(page, "go");
        await Expect(page.Locator(".turn.error")).ToHaveTextAsync("The server can't be reached.");
    }

    [TestMethod]
    public async Task The_model_that_is_chosen_answers()
    {
        using var server = new TestServing(static options =>
        [
            new ServedModel("small", options.Sharing, new ScriptedModel(static _ => "plain").ToModel()), new ServedModel("small@loud", options.Sharing, new ScriptedModel(static _ => "LOUD").ToModel()),
        ]);
        IPage page = await Browser.OpenAsync();
        await ShowAsync(page, server);
        ILocator answers = page.Locator(".turn.assistant");
        await Expect(page.Locator("#model option")).ToHaveTextAsync(["small", "small@loud"]);
        await SayAsync(page, "go");
        await Expect(answers.Last).ToHaveTextAsync("plain");
        await page.SelectOptionAsync("#model", "small@loud");
        await SayAsync(page, "go");
        await Expect(answers.Last).ToHaveTextAsync("LOUD");
    }

    [TestMethod]
    public async Task Enter_sends_and_with_shift_it_begins_a_line()
    {
        string seen = "";
        using TestServing server = Saying(prompt => { seen = prompt; return "<b>x</b><img src=x onerror=alert(1)>"; });
        IPage page = await Browser.OpenAsync();
        await ShowAsync(page, server);
        await Expect(page.Locator("#text")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter"); // nothing to send
        await page.Keyboard.TypeAsync("one");
        await page.Keyboard.PressAsync("Shift+Enter");
        await page.Keyboard.TypeAsync("two");
        await Expect(page.Locator(".turn")).ToHaveCountAsync(0);
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator(".note")).ToHaveCountAsync(1);
        Assert.AreEqual("<|endoftext|>uone\ntwo<|endoftext|>a", seen);
        await Expect(page.Locator("#text")).ToHaveValueAsync("");
        await Expect(page.Locator("#text")).ToBeFocusedAsync();

        // What the model says is text, whatever it looks like.
        await Expect(page.Locator(".turn.assistant")).ToHaveTextAsync("<b>x</b><img src=x onerror=alert(1)>");
        await Expect(page.Locator("main img, main b")).ToHaveCountAsync(0);
    }

    [TestMethod]
    [DataRow(375, 667)]
    [DataRow(1_000, 700)]
    public async Task Nothing_is_wider_than_the_window(int width, int height)
    {
        string word = new('w', 200);
        using var server = new TestServing(options => [new ServedModel(new string('m', 120), options.Sharing, new ScriptedModel(_ => word).ToModel())]);
        IPage page = await Browser.OpenAsync(width, height);
        await ShowAsync(page, server);
        await page.ClickAsync("summary");
        await SayAsync(page, word[..20]);
        await Expect(page.Locator(".turn.assistant")).ToHaveTextAsync(word);
        await Expect(page.Locator(".note")).ToHaveCountAsync(1);
        Assert.AreEqual(width, await page.EvaluateAsync<int>("() => document.documentElement.scrollWidth"));
        int[] outside = await page.EvaluateAsync<int[]>("() => [...document.querySelectorAll('body *')].map(one => one.getBoundingClientRect()).filter(box => box.width > 0).map(box => Math.ceil(box.right)).filter(right => right > innerWidth)");
        Assert.IsEmpty(outside, string.Join(' ', outside));
        await Expect(page.Locator("#text")).ToBeInViewportAsync();

        // What is said last is in view, also in a long conversation that was left at its beginning.
        await page.EvaluateAsync("() => document.getElementById('turns').scrollTop = 0");
        await page.FillAsync("#tokens", "100000");
        await SayAsync(page, "go");
        await Expect(page.Locator(".turn.error")).ToBeInViewportAsync();
        await Expect(page.Locator("#send")).ToBeInViewportAsync();
    }

    private static async Task<Uri> ShowAsync(IPage page, TestServing server)
    {
        Uri address = await server.ListenAsync();
        await page.GotoAsync(address.ToString());
        return address;
    }

    private static async Task SayAsync(IPage page, string text)
    {
        await page.FillAsync("#text", text);
        await page.PressAsync("#text", "Enter");
    }
}
