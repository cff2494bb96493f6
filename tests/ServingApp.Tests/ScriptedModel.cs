using MLNet.Gpt;

namespace ServingApp.Tests;

/// <summary>An engine that answers a prompt with a text, letter by letter, and ends. It can be made to wait before each step, and tells what was computed together.</summary>
internal sealed class ScriptedModel(Func<string, string> answer, int contextLength = 256) : ICausalModel
{
    private readonly Lock _gate = new();
    private readonly Func<string, string> _answer = answer;
    private readonly List<int> _steps = [];
    private int _open;

    public static GptTokenizer Letters { get; } = GptTokenizer.FromCharacters([string.Concat(Enumerable.Range(' ', 95).Select(static code => (char)code)) + "\né…"]);

    public static ChatTemplate Template { get; } = ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" };

    /// <summary>A step waits until there is room; null (the default) for no waiting.</summary>
    public SemaphoreSlim? Steps { get; init; }

    /// <summary>How long a step takes; zero by default.</summary>
    public TimeSpan StepTime { get; init; }

    /// <summary>The rows of each step so far.</summary>
    public int[] RowsSoFar
    {
        get
        {
            lock (_gate) return [.. _steps];
        }
    }

    public int OpenDecoders => _open;

    public GptConfig Config { get; } = new() { VocabularySize = Letters.VocabularySize, ContextLength = contextLength };

    public GptDevice Device => GptDevice.Cpu;

    public GptModel ToModel() => new(this, Letters, Template);

    public ICausalDecoder BeginDecoding(int rowCount, int capacity)
    {
        Interlocked.Increment(ref _open);
        return new Decoder(this, rowCount, capacity);
    }

    public void Dispose()
    {
    }

    private sealed class Decoder(ScriptedModel model, int rowCount, int capacity) : IForkableDecoder
    {
        private (List<int> Ids, int Prompt)[] _rows = [.. Enumerable.Range(0, rowCount).Select(static _ => (new List<int>(), 0))];
        private bool _inPrompt = true; // what comes next belongs to the prompt

        public int RowCount => _rows.Length;

        public int Length { get; private set; }

        public int Capacity => capacity;

        public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default)
        {
            model.Steps?.Wait(cancellationToken);
            if (model.StepTime > TimeSpan.Zero) Thread.Sleep(model.StepTime);
            lock (model._gate) model._steps.Add(RowCount);
            int n = tokenIds.Length / RowCount, vocabulary = model.Config.VocabularySize;
            logits.Clear();
            for (int b = 0; b < RowCount; b++)
            {
                for (int i = 0; i < n; i++)
                {
                    if (mask.IsEmpty || mask[(b * n) + i] == 1) _rows[b].Ids.Add(tokenIds[(b * n) + i]);
                }

                if (_inPrompt || n > 1) _rows[b].Prompt = _rows[b].Ids.Count;
                (List<int> ids, int prompt) = _rows[b];
                string said = model._answer(Letters.Decode(ids.Take(prompt)));
                int at = ids.Count - prompt;
                if (said == "*") logits.Slice(b * vocabulary, Letters.EndOfTextId).Fill(5); // any letter
                else logits[(b * vocabulary) + (at < said.Length ? Letters.Encode(said[at].ToString())[0] : Letters.EndOfTextId)] = 60;
            }

            Length += n;
            _inPrompt = false;
        }

        public void SelectRows(ReadOnlySpan<int> rows)
        {
            var selected = new (List<int>, int)[rows.Length];
            for (int i = 0; i < rows.Length; i++) selected[i] = ([.. _rows[rows[i]].Ids], _rows[rows[i]].Prompt);
            _rows = selected;
        }

        public IForkableDecoder Fork(int newCapacity)
        {
            Interlocked.Increment(ref model._open);
            return new Decoder(model, RowCount, newCapacity) { _rows = [.. _rows.Select(static row => (new List<int>(row.Ids), row.Prompt))], Length = Length, _inPrompt = _inPrompt };
        }

        public void Truncate(int length)
        {
            foreach ((List<int> ids, _) in _rows) ids.RemoveRange(ids.Count - (Length - length), Length - length);
            (Length, _inPrompt) = (length, true);
        }

        public void Join(IForkableDecoder other)
        {
            _rows = [.. _rows, .. ((Decoder)other)._rows];
            Length = Math.Max(Length, other.Length);
            other.Dispose();
        }

        public void Compact() => Length = _rows.Max(static row => row.Ids.Count);

        public void Dispose() => Interlocked.Decrement(ref model._open);
    }
}
