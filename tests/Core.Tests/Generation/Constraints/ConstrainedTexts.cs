using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

/// <summary>Texts that an untrained model writes under a constraint.</summary>
internal static class ConstrainedTexts
{
    private static readonly UntrainedModel Gpt2 = new(PublishedRanks.Gpt2.VocabularySize, 4_096);

    public static IReadOnlyList<string> Write(TextConstraint constraint, int count, int seed = 1, int maxNewTokens = 2_000) =>
        [.. Generate(constraint, count, seed, maxNewTokens).Select(static text =>
        {
            Assert.AreEqual(FinishReason.StopToken, text.Reason, text.Text);
            return text.Text;
        })];

    public static IReadOnlyList<(string Text, FinishReason Reason)> Generate(TextConstraint constraint, int count, int seed = 1, int maxNewTokens = 2_000, GptTokenizer? tokenizer = null)
    {
        ICausalModel model = tokenizer is null ? Gpt2 : new UntrainedModel(tokenizer.VocabularySize, 4_096);
        tokenizer ??= PublishedRanks.Gpt2;
        IReadOnlyList<GeneratedSequence> sequences = TokenGenerator.Generate(
            model, [[tokenizer.EndOfTextId]], new() { SamplesPerPrompt = count, Seed = seed, MaxNewTokens = maxNewTokens }, tokenizer.EndOfTextId, constraint: constraint.Compile(tokenizer));
        return [.. sequences.Select(sequence => (tokenizer.Decode(sequence.TokenIds), sequence.FinishReason))];
    }

    /// <summary>Whether the constraint lets a text be written, by bytes of one token each.</summary>
    public static bool Allows(TextConstraint constraint, string text)
    {
        GptTokenizer tokenizer = PublishedRanks.Gpt2;
        ITokenMask mask = constraint.Compile(tokenizer).Begin([], [tokenizer.EndOfTextId]);
        List<int> ids = [];
        float[] logits = new float[tokenizer.VocabularySize];
        foreach (int id in System.Text.Encoding.UTF8.GetBytes(text).Select(static b => ByteTokens.Value[b]))
        {
            Array.Clear(logits);
            mask.Apply(ids.ToArray(), logits);
            if (float.IsNegativeInfinity(logits[id])) return false;
            ids.Add(id);
        }

        Array.Clear(logits);
        mask.Apply(ids.ToArray(), logits);
        return logits[tokenizer.EndOfTextId] == 0;
    }

    private static readonly Lazy<Dictionary<byte, int>> ByteTokens = new(static () => Enumerable.Range(0, PublishedRanks.Gpt2.VocabularySize)
        .Where(static id => !PublishedRanks.Gpt2.IsSpecialToken(id) && PublishedRanks.Gpt2.GetTokenBytes(id).Length == 1)
        .ToDictionary(static id => PublishedRanks.Gpt2.GetTokenBytes(id).Span[0]));
}
