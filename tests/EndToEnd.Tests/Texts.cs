namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>A row with a text.</summary>
internal sealed class TextRow
{
    public string Text { get; set; } = "";
}

/// <summary>Sentences of a small grammar: something to learn in seconds.</summary>
internal static class Texts
{
    public static List<TextRow> Sentences(int count)
    {
        string[] subjects = ["the cat", "a small dog", "the old teacher", "my friend Zoë", "every bird"];
        string[] verbs = ["sees", "likes", "follows", "remembers"];
        string[] objects = ["the river", "a red house", "the morning sun", "two green apples", "an open window", "the café"];
        var random = new Random(4);
        return [.. Enumerable.Range(0, count).Select(i => new TextRow
        {
            Text = $"{subjects[random.Next(subjects.Length)]} {verbs[random.Next(verbs.Length)]} {objects[random.Next(objects.Length)]}, number {i}.",
        })];
    }
}
