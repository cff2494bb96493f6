using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Examples side by side as tensors. E: examples; R: rows (sequences); T: the longest row; n: ordinary tokens; m: tokens with a target.</summary>
internal sealed class TaskBatch
{
    private readonly long[] _words, _places, _extracts, _lmPlaces, _lmTargets;
    private readonly float[] _lmWeights;
    private readonly Device _device;

    /// <summary>Lays out examples.</summary>
    /// <param name="examples">One or more.</param>
    /// <param name="config">The network's shape.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="languageModel">Whether the auxiliary loss's targets are needed.</param>
    public TaskBatch(IReadOnlyList<TaskExample> examples, GptConfig config, Device device, bool languageModel)
    {
        Examples = examples;
        _device = device;
        int[][] rows = [.. examples.SelectMany(static example => example.Sequences)];
        RowCount = rows.Length;
        Width = examples.Max(static example => example.Width);
        int vocabulary = config.VocabularySize;
        List<long> words = [], lmPlaces = [], lmTargets = [];
        List<float> lmWeights = [];
        _places = new long[rows.Length * Width];
        _extracts = new long[rows.Length];
        int wordCount = rows.Sum(row => row.Count(id => id < vocabulary)), at = 0;
        for (int r = 0; r < rows.Length; r++)
        {
            int[] row = rows[r];
            int targets = row.AsSpan(1).ToArray().Count(id => id < vocabulary);
            for (int i = 0; i < Width; i++)
            {
                // Padding takes the Start token's embedding: causal attention hides it from all that is read.
                int id = i < row.Length ? row[i] : vocabulary;
                _places[(r * Width) + i] = id < vocabulary ? at++ : wordCount + id - vocabulary;
                if (id < vocabulary) words.Add(id);
                if (!languageModel || i + 1 >= row.Length || row[i + 1] >= vocabulary) continue;
                lmPlaces.Add((r * Width) + i);
                lmTargets.Add(row[i + 1]);
                lmWeights.Add(1f / targets);
            }

            _extracts[r] = (r * Width) + row.Length - 1;
        }

        (_words, _lmPlaces, _lmTargets, _lmWeights) = ([.. words], [.. lmPlaces], [.. lmTargets], [.. lmWeights]);
    }

    /// <summary>The examples.</summary>
    public IReadOnlyList<TaskExample> Examples { get; }

    /// <summary>R.</summary>
    public int RowCount { get; }

    /// <summary>T.</summary>
    public int Width { get; }

    /// <summary>m: the tokens that the language model is asked to predict; special tokens are given, not predicted.</summary>
    public int LanguageModelTargets => _lmTargets.Length;

    /// <summary>n: the ordinary tokens; 0 where all texts are empty.</summary>
    public int WordCount => _words.Length;

    /// <summary>(n) int64: the ordinary tokens of all rows.</summary>
    public Tensor Words => Move(_words);

    /// <summary>(R·T) int64: for each place a row of the ordinary tokens' embeddings, or of the special tokens' behind them.</summary>
    public Tensor Places => Move(_places);

    /// <summary>(R) int64: where each row's Extract token stands among the R·T places.</summary>
    public Tensor Extracts => Move(_extracts);

    /// <summary>(m) int64: the places before the tokens to predict.</summary>
    public Tensor LanguageModelPlaces => Move(_lmPlaces);

    /// <summary>(m) int64: the tokens to predict.</summary>
    public Tensor LanguageModelTokens => Move(_lmTargets);

    /// <summary>(m) float32: one over the row's tokens to predict, so that each row counts alike.</summary>
    public Tensor LanguageModelWeights => HostCopy.To(_device, _lmWeights);

    /// <summary>(E) int64: the classes; a label that training does not know is 0 here.</summary>
    public Tensor Labels => Move([.. Examples.Select(static example => (long)Math.Max(example.Label, 0))]);

    /// <summary>(E) float32: a regression's targets.</summary>
    public Tensor Targets => HostCopy.To(_device, [.. Examples.Select(static example => example.Target)]);

    private Tensor Move(long[] values) => HostCopy.To(_device, values);
}
