using Microsoft.Playwright;

namespace ServingApp.Tests;

/// <summary>A headless Chromium of the machine's, one for all tests. Where there is none, the tests that need it are skipped.</summary>
internal static class Browser
{
    private const string Variable = "MLNET_GPT_CHROMIUM";
    private const string HowTo = $"Install one (Debian: apt-get install chromium), or name one in the environment variable {Variable}.";

    // Ubuntu's chromium-browser is none: it asks for a snap.
    private static readonly string[] KnownPaths =
    [
        "/usr/bin/chromium", "/usr/bin/google-chrome-stable", "/usr/bin/google-chrome", "/usr/bin/microsoft-edge", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "Google/Chrome/Application/chrome.exe"), Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFilesX86), "Microsoft/Edge/Application/msedge.exe"),
    ];

    private static readonly SemaphoreSlim Gate = new(1);
    private static IPlaywright? playwright;
    private static IBrowser? browser;
    private static string? reason; // why there is none

    /// <summary>A window of a size, with a profile of its own.</summary>
    /// <exception cref="AssertInconclusiveException">There is no browser, or it does not start here.</exception>
    public static async Task<IPage> OpenAsync(int width = 1_000, int height = 700)
    {
        await Gate.WaitAsync();
        try
        {
            if (browser is null && reason is null) await StartAsync();
        }
        finally
        {
            Gate.Release();
        }

        if (reason is not null) Assert.Inconclusive(reason);
        return await browser!.NewPageAsync(new() { ViewportSize = new() { Width = width, Height = height } });
    }

    /// <summary>Ends it.</summary>
    public static async Task CloseAsync()
    {
        if (browser is not null) await browser.DisposeAsync();
        playwright?.Dispose();
    }

    private static async Task StartAsync()
    {
        string? named = Environment.GetEnvironmentVariable(Variable), path = named ?? KnownPaths.FirstOrDefault(File.Exists);
        if (path is null)
        {
            reason = $"There is no Chromium, Chrome or Edge at {string.Join(", ", KnownPaths)}. {HowTo}";
            return;
        }

        if (!File.Exists(path)) throw new AssertFailedException($"{Variable} is '{path}', where there is no file. Name a Chromium, or leave it out.");
        try
        {
            playwright = await Playwright.CreateAsync();
            browser = await playwright.Chromium.LaunchAsync(new()
            {
                ExecutablePath = path,
                Args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
            });
        }
        catch (PlaywrightException exception) when (named is null)
        {
            reason = $"'{path}' does not start here: {exception.Message} {HowTo}";
        }
    }
}
