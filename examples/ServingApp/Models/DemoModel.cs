using MLNet.Gpt;

namespace ServingApp.Models;

/// <summary>
/// A tiny GPT that nobody trained: its weights are written down so that it goes from word to word as a small text does. It answers every conversation with sentences made of that
/// text's, which is enough to try the program without a model.
/// </summary>
/// <remarks>
/// Each token's embedding is a direction of its own, attention adds nothing, and the feed-forward layer is a table: what lies in a token's direction on the way in comes out in the
/// directions of the tokens that follow it in the text.
/// </remarks>
internal sealed class DemoModel : IGptWeights
{
    private const int Width = 512; // C and V: a direction for each token

    private static readonly string[] Sentences =
    [
        "I am a tiny model that nobody trained.",
        "My weights were written down, so that you can try this server without a file.",
        "Each word follows from the one before it, as in a small text that I know by heart.",
        "Give the server a model of your own, and it will answer in my place.",
        "A model that was trained on your text knows more words than I do.",
    ];

    private readonly float[] _table = new float[Width * Width];

    private DemoModel()
    {
        // Every word is in the corpus twice, so that each becomes one token.
        Tokenizer = GptTokenizer.TrainBytePairEncoding(
            [.. Sentences, .. Sentences.Select(static sentence => " " + sentence), .. Sentences, .. Sentences.Select(static sentence => " " + sentence), "User:\nAssistant:\nSystem:\n"],
            new BytePairTrainingOptions { VocabularySize = Width });
        int[] first = [.. Sentences.Select(sentence => Tokenizer.Encode(sentence)[0]).Distinct()];
        var followers = Enumerable.Range(0, Width).Select(static _ => new HashSet<int>()).ToArray();
        foreach (string sentence in Sentences)
        {
            foreach (string text in (string[])[sentence, " " + sentence])
            {
                int[] ids = Tokenizer.Encode(text);
                for (int i = 1; i < ids.Length; i++) followers[ids[i - 1]].Add(ids[i]);
                followers[ids[^1]].UnionWith([Tokenizer.EndOfTextId, Tokenizer.Encode(" " + sentence)[0]]);
            }
        }

        for (int token = 0; token < Width; token++)
        {
            foreach (int next in followers[token].Count > 0 ? [.. followers[token]] : first) _table[(token * Width) + next] = 1;
        }
    }

    public GptConfig Config { get; } = new() { VocabularySize = Width, ContextLength = 512, EmbeddingSize = Width, LayerCount = 1, HeadCount = 8, FeedForwardSize = Width };

    private GptTokenizer Tokenizer { get; }

    /// <summary>Writes the model as an ONNX package.</summary>
    public static void Write(string folder)
    {
        var model = new DemoModel();
        OnnxExporter.Write(model, folder, new OnnxExportOptions { TokenizerHash = model.Tokenizer.Hash, EndOfTextId = model.Tokenizer.EndOfTextId });
        model.Tokenizer.Save(folder);
        ChatTemplate.Default.Save(folder);
    }

    public void Read(string name, Span<float> destination)
    {
        destination.Clear();
        switch (name)
        {
            case "wte.weight" or "h.0.mlp.c_fc.weight":
                for (int i = 0; i < Width; i++) destination[(i * Width) + i] = 1;
                break;
            case "h.0.mlp.c_proj.weight":
                _table.CopyTo(destination);
                break;
            case "h.0.ln_1.weight" or "h.0.ln_2.weight":
                destination.Fill(1);
                break;
            case "ln_f.weight":
                destination.Fill(2); // the last normalization leaves √(C/k) for each of k followers; twice that leaves the others no chance
                break;
        }
    }
}
