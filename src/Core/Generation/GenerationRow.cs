using System.Collections;
using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>One sequence under way.</summary>
internal sealed class GenerationRow
{
    private readonly List<int> _seenTokens = [];
    private readonly BitArray? _seen; // null where no penalty asks for it
    private readonly List<int>? _history; // prompt and output; null where nothing asks for it

    /// <summary>The sequence's random numbers; a field, because drawing changes it.</summary>
    public SampleRandom Random;

    public GenerationRow(int promptIndex, int sampleIndex, int[] prompt, GenerationOptions options, GptConfig config, int choices, StopStringMatcher? matcher, ITokenMask? mask)
    {
        PromptIndex = promptIndex;
        SampleIndex = sampleIndex;
        Prompt = prompt;
        Matcher = matcher;
        Mask = mask;

        // A token can be sampled after each of the context's positions: the last of them has no position itself.
        Limit = Math.Min(options.MaxNewTokens, config.ContextLength + 1 - prompt.Length);
        Tokens = new List<int>(Math.Min(Limit, 256));
        Random = new SampleRandom(options.Seed, sampleIndex, prompt);
        if (options.NoRepeatNgramSize > 0) _history = [.. prompt];
        if (options.PresencePenalty != 0 || options.FrequencyPenalty != 0) Counts = [];
        if (options.TopLogProbabilities is not null) LogProbabilities = [];
        if (options.RepetitionPenalty == 1) return;
        _seen = new BitArray(choices);
        foreach (int id in prompt)
            MarkSeen(id);
    }

    private GenerationRow(GenerationRow other)
    {
        (PromptIndex, SampleIndex, Prompt, Limit, Random) = (other.PromptIndex, other.SampleIndex, other.Prompt, other.Limit, other.Random);
        Matcher = other.Matcher?.Fork();
        Mask = (other.Mask as IForkableTokenMask)?.Fork();
        Tokens = [.. other.Tokens];
        _seenTokens = [.. other._seenTokens];
        _seen = other._seen is null ? null : new BitArray(other._seen);
        _history = other._history is null ? null : [.. other._history];
        Counts = other.Counts is null ? null : new(other.Counts);
        LogProbabilities = other.LogProbabilities is null ? null : [.. other.LogProbabilities];
    }

    public int PromptIndex { get; }

    public int SampleIndex { get; private set; }

    public int[] Prompt { get; }

    public StopStringMatcher? Matcher { get; }

    /// <summary>What a constraint allows next; null without one.</summary>
    public ITokenMask? Mask { get; }

    /// <summary>The most new tokens, 1 or more.</summary>
    public int Limit { get; }

    public List<int> Tokens { get; }

    /// <summary>The tokens of prompt and output, each once; empty where no penalty asks for them.</summary>
    public ReadOnlySpan<int> SeenTokens => CollectionsMarshal.AsSpan(_seenTokens);

    /// <summary>Prompt and output; empty where nothing asks for them.</summary>
    public ReadOnlySpan<int> History => CollectionsMarshal.AsSpan(_history);

    /// <summary>How often the output holds each of its tokens; null where no penalty asks for it.</summary>
    public Dictionary<int, int>? Counts { get; }

    /// <summary>What the model thought of each new token; null where nobody asks for it.</summary>
    public List<TokenLogProbability>? LogProbabilities { get; }

    /// <summary>By which beam search ranks it.</summary>
    public double? Score { get; set; }

    public FinishReason? FinishReason { get; set; }

    public int? StopTokenId { get; set; }

    public void Add(int token)
    {
        Tokens.Add(token);
        MarkSeen(token);
        _history?.Add(token);
        if (Counts is not null) Counts[token] = Counts.GetValueOrDefault(token) + 1;
    }

    /// <summary>This row under another sample's index.</summary>
    public GenerationRow AsSample(int index)
    {
        SampleIndex = index;
        return this;
    }

    /// <summary>A row that stands where this one does and goes on independently; its mask must be forkable.</summary>
    public GenerationRow Fork() => new(this);

    public GeneratedSequence ToSequence() => new()
    {
        PromptIndex = PromptIndex,
        SampleIndex = SampleIndex,
        PromptTokenIds = Prompt,
        TokenIds = [.. Tokens],
        FinishReason = FinishReason!.Value,
        StopTokenId = StopTokenId,
        StopString = Matcher?.Match,
        TextByteCount = Matcher?.ByteCount,
        LogProbabilities = LogProbabilities,
        Score = Score,
    };

    private void MarkSeen(int id)
    {
        if (_seen is null || id >= _seen.Length || _seen[id]) return;
        _seen[id] = true;
        _seenTokens.Add(id);
    }
}
