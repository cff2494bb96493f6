using System.Collections;
using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>One sequence under way.</summary>
internal sealed class GenerationRow
{
    private readonly List<int> _seenTokens = [];
    private readonly BitArray? _seen; // null where no penalty asks for it

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
        if (options.RepetitionPenalty == 1) return;
        _seen = new BitArray(choices);
        foreach (int id in prompt)
            MarkSeen(id);
    }

    public int PromptIndex { get; }

    public int SampleIndex { get; }

    public int[] Prompt { get; }

    public StopStringMatcher? Matcher { get; }

    /// <summary>What a constraint allows next; null without one.</summary>
    public ITokenMask? Mask { get; }

    /// <summary>The most new tokens, 1 or more.</summary>
    public int Limit { get; }

    public List<int> Tokens { get; }

    /// <summary>The tokens of prompt and output, each once; empty where no penalty asks for them.</summary>
    public ReadOnlySpan<int> SeenTokens => CollectionsMarshal.AsSpan(_seenTokens);

    public FinishReason? FinishReason { get; set; }

    public int? StopTokenId { get; set; }

    public void Add(int token)
    {
        Tokens.Add(token);
        MarkSeen(token);
    }

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
    };

    private void MarkSeen(int id)
    {
        if (_seen is null || id >= _seen.Length || _seen[id]) return;
        _seen[id] = true;
        _seenTokens.Add(id);
    }
}
