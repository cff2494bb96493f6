using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

/// <summary>Texts that an untrained model writes under a constraint.</summary>
internal static class ConstrainedTexts
{
    private static readonly Lazy<UntrainedModel> s_gpt2 = new(static () => new(PublishedRanks.Gpt2.VocabularySize, 4_096));

    public static IReadOnlyList<string> Write(TextConstraint constraint, int count, int seed = 1, int maxNewTokens = 2_000) =>
        [.. Generate(constraint, count, seed, maxNewTokens).Select(static text =>
        {
            Assert.AreEqual(FinishReason.StopToken, text.Reason, text.Text);
            return text.Text;
        })];

    public static IReadOnlyList<(string Text, FinishReason Reason)> Generate(TextConstraint constraint, int count, int seed = 1, int maxNewTokens = 2_000, GptTokenizer? tokenizer = null)
    {
        ICausalModel model = tokenizer is null ? s_gpt2.Value : new UntrainedModel(tokenizer.VocabularySize, 4_096);
        tokenizer ??= PublishedRanks.Gpt2;
        IReadOnlyList<GeneratedSequence> sequences = TokenGenerator.Generate(
            model, [[tokenizer.EndOfTextId]], new() { SamplesPerPrompt = count, Seed = seed, MaxNewTokens = maxNewTokens }, tokenizer.EndOfTextId, constraint: constraint.Compile(tokenizer));
        return [.. sequences.Select(sequence => (tokenizer.Decode(sequence.TokenIds), sequence.FinishReason))];
    }

    /// <summary>Tells of a text whether the constraint lets it be written, by bytes of one token each. Compiled for a tokenizer of its own, so that it is made anew.</summary>
    public static Func<string, bool> Allowed(TextConstraint constraint)
    {
        GptTokenizer tokenizer = GrammarText.Bytes();
        ITokenConstraint compiled = constraint.Compile(tokenizer);
        float[] logits = new float[tokenizer.VocabularySize];
        return text =>
        {
            ITokenMask mask = compiled.Begin([], [tokenizer.EndOfTextId]);
            int[] ids = [.. System.Text.Encoding.UTF8.GetBytes(text)]; // the token of a byte has its number
            for (int i = 0; i < ids.Length; i++)
            {
                Array.Clear(logits);
                mask.Apply(ids.AsSpan(0, i), logits);
                if (float.IsNegativeInfinity(logits[ids[i]])) return false;
            }

            Array.Clear(logits);
            mask.Apply(ids, logits);
            return logits[tokenizer.EndOfTextId] == 0;
        };
    }

    public static bool Allows(TextConstraint constraint, string text) => Allowed(constraint)(text);
}
