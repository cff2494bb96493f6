namespace MLNet.Gpt.Core.Tests.Generation.Constraints;

/// <summary>A model that has learnt nothing: its logits are noise that depends on the tokens so far.</summary>
internal sealed class UntrainedModel(int vocabularySize, int contextLength, float spread = 2) : ICausalModel
{
    private const int Tables = 61;

    private readonly float[][] _noise = [.. Enumerable.Range(0, Tables).Select(i =>
    {
        var random = new Random(i);
        return Enumerable.Range(0, vocabularySize).Select(_ => (float)(random.NextDouble() - 0.5) * spread).ToArray();
    })];

    public GptConfig Config { get; } = new() { VocabularySize = vocabularySize, ContextLength = contextLength };

    public GptDevice Device => GptDevice.Cpu;

    public ICausalDecoder BeginDecoding(int rowCount, int capacity) => new Decoder(this, rowCount, capacity);

    public void Dispose()
    {
    }

    private sealed class Decoder(UntrainedModel model, int rowCount, int capacity) : ICausalDecoder
    {
        private uint[] _hashes = new uint[rowCount];

        public int RowCount => _hashes.Length;

        public int Length { get; private set; }

        public int Capacity => capacity;

        public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default)
        {
            int n = CausalDecoderChecks.Validate(this, model.Config, tokenIds, mask, scope, logits), vocabulary = model.Config.VocabularySize;
            for (int row = 0; row < RowCount; row++)
            {
                for (int i = 0; i < n; i++) _hashes[row] = ((_hashes[row] * 31) + (uint)tokenIds[(row * n) + i]) * 2_654_435_761;
                model._noise[(_hashes[row] >> 8) % Tables].CopyTo(logits[(row * vocabulary)..]);
            }

            Length += n;
        }

        public void SelectRows(ReadOnlySpan<int> rows) => _hashes = [.. rows.ToArray().Select(row => _hashes[row])];

        public void Dispose()
        {
        }
    }
}
