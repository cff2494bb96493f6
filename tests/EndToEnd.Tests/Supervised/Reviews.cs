namespace MLNet.Gpt.EndToEnd.Tests.Supervised;

/// <summary>A labelled text.</summary>
internal sealed class Review
{
    public string Text { get; set; } = "";

    public string Label { get; set; } = "";
}

/// <summary>Sentences of a small grammar whose subject decides the class: something to learn in seconds.</summary>
internal static class Reviews
{
    public static readonly string[] Labels = ["animal", "person", "thing"];

    public static List<Review> Of(int count, int seed = 1)
    {
        string[][] subjects = [["the cat", "a small dog", "every bird"], ["the old teacher", "my friend Zoë", "her doctor"], ["a red house", "the river", "an open window"]];
        string[] verbs = ["sees", "likes", "follows", "remembers"], ends = ["the sun", "two apples", "the café", "nothing at all, and then nothing more"];
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            int label = random.Next(3);
            string subject = subjects[label][random.Next(3)];
            return new Review { Label = Labels[label], Text = $"{ends[random.Next(4)]} {verbs[random.Next(4)]} {subject}, number {random.Next(1000)}." };
        })];
    }
}
