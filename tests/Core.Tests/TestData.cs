namespace MLNet.Gpt.Core.Tests;

/// <summary>The files that tests compare with.</summary>
internal static class TestData
{
    /// <summary>A fixture written by a script in tests/reference.</summary>
    public static string Fixture(string name) => Path.Combine(AppContext.BaseDirectory, "fixtures", name);

    /// <summary>A file that isn't part of the repository (GPT-2's vocabulary, tinyshakespeare); the test is inconclusive without it.</summary>
    public static string External(string name)
    {
        const string Variable = "MLNET_GPT_TESTDATA";
        string? folder = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(folder)) Assert.Inconclusive($"{name} isn't part of the repository; set {Variable} to a folder that has it.");
        string path = Path.Combine(folder, name);
        if (!File.Exists(path)) Assert.Inconclusive($"The folder that {Variable} names, '{folder}', has no {name}.");
        return path;
    }
}
