namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Rows of very unequal length in one batch answer as they do alone: padding is neither seen nor penalised nor counted.</summary>
[TestClass]
public sealed class PaddedBatchTests
{
    private const int Context = 16;
    private static readonly int[][] Prompts = [[5, 9, 2, 7, 1, 3, 8, 4, 6, 10, 11, 12, 13, 14, 15, 16], [0], [3, 0, 3, 1, 2, 0, 9], []];

    [TestMethod]
    [DataRow(GptAttentionPattern.Dense)]
    [DataRow(GptAttentionPattern.AlternatingDenseAndBanded)]
    public void A_row_of_a_padded_batch_is_what_it_is_alone_at_the_edge_of_the_context_too(GptAttentionPattern attention)
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["!abcdefghijklmnopqrst"]);
        var config = new GptConfig
        {
            VocabularySize = tokenizer.VocabularySize, ContextLength = Context, EmbeddingSize = 32, LayerCount = 2, HeadCount = 4, InitializerRange = 0.3f,
            AttentionPattern = attention, AttentionBandWidth = 3,
        };
        using var folder = new TemporaryFolder();
        using var torch = new GptModel(new TorchCausalModel(new GptNetwork(config, GptDevice.Cpu, seed: 3)), tokenizer);
        torch.ExportOnnx(folder["onnx"]);
        using GptModel onnx = GptModel.FromOnnx(folder["onnx"], GptDevice.Cpu);
        foreach (GptModel model in (GptModel[])[torch, onnx])
        {
            foreach ((float temperature, int samples) in (ReadOnlySpan<(float, int)>)[(0, 1), (0, 3), (0.8f, 1), (0.8f, 3)])
            {
                var options = new GenerationOptions
                {
                    MaxNewTokens = 64, RepetitionPenalty = 1.3f, Temperature = temperature, SamplesPerPrompt = samples, BatchSize = 64, Seed = 11, StopAtEndOfText = false,
                };
                string what = $"{model.Engine.GetType().Name}, {attention}, {temperature}, {samples}";
                GeneratedSequence[] together = [.. TokenGenerator.Generate(model.Engine, Prompts, options, tokenizer.EndOfTextId)];
                Assert.HasCount(Prompts.Length * samples, together);
                for (int i = 0; i < together.Length; i++)
                {
                    GeneratedSequence alone = TokenGenerator.Generate(model.Engine, [Prompts[i / samples]], options with { BatchSize = 1 }, tokenizer.EndOfTextId)[i % samples];
                    CollectionAssert.AreEqual(alone.TokenIds.ToArray(), together[i].TokenIds.ToArray(), $"{what}, row {i}");

                    // A full prompt has room for one token, which is never fed; a prompt of one for 16; an empty one begins with one token.
                    int room = Context + 1 - Math.Max(1, Prompts[i / samples].Length);
                    Assert.AreEqual((room, FinishReason.ContextFull), (together[i].TokenIds.Count, together[i].FinishReason), $"{what}, row {i}");
                }

                // What was written, scored in one batch and alone.
                int[][] texts = [.. together.Select(static each => each.TokenIds.Take(Context).ToArray())];
                IReadOnlyList<SequenceScore> scores = SequenceScorer.Score(model.Engine, texts, tokenizer.EndOfTextId, new() { BatchSize = 64 });
                for (int i = 0; i < texts.Length; i++)
                {
                    SequenceScore alone = SequenceScorer.Score(model.Engine, [texts[i]], tokenizer.EndOfTextId)[0];
                    for (int t = 0; t < texts[i].Length; t++) Assert.AreEqual(alone.TokenLogProbabilities[t], scores[i].TokenLogProbabilities[t], 1e-4f, $"{what}, text {i}, token {t}");
                }
            }
        }

        // Both engines, greedily: the same tokens.
        var greedy = new GenerationOptions { MaxNewTokens = 64, RepetitionPenalty = 1.3f, Temperature = 0, StopAtEndOfText = false };
        CollectionAssert.AreEqual(
            TokenGenerator.Generate(torch.Engine, Prompts, greedy, tokenizer.EndOfTextId).SelectMany(static each => each.TokenIds).ToArray(),
            TokenGenerator.Generate(onnx.Engine, Prompts, greedy, tokenizer.EndOfTextId).SelectMany(static each => each.TokenIds).ToArray());
    }

    // Token 0 ("!") is what padding is filled with. A model that likes it best must be free to write it first, and pays the penalty from then on.
    [TestMethod]
    public void Padding_is_not_penalised()
    {
        using var network = new GptNetwork(new GptConfig { VocabularySize = 22, ContextLength = Context, EmbeddingSize = 8, LayerCount = 1, HeadCount = 1 }, GptDevice.Cpu, seed: 2);
        using var model = new TorchCausalModel(network);
        int[] without = First([2], 1f), with = First([2], 1.5f);
        GeneratedSequence[] batch = [.. TokenGenerator.Generate(model, [[2], Prompts[0]], new() { Temperature = 0, MaxNewTokens = 1, RepetitionPenalty = 1.5f, StopAtEndOfText = false }, 21)];
        CollectionAssert.AreEqual(with, batch[0].TokenIds.ToArray());
        if (without[0] != 2) CollectionAssert.AreEqual(without, with);

        int[] First(int[] prompt, float penalty) => [.. TokenGenerator.Generate(model, [prompt], new() { Temperature = 0, MaxNewTokens = 1, RepetitionPenalty = penalty, StopAtEndOfText = false }, 21)[0].TokenIds];
    }
}
