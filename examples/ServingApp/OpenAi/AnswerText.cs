using System.Text;
using MLNet.Gpt;
using ServingApp.Queueing;

namespace ServingApp.OpenAi;

/// <summary>One answer as it comes: what of it may be told already.</summary>
internal sealed class AnswerText(GenerationRequest request)
{
    private readonly StringBuilder _text = new();
    private readonly List<TokenLogProbability> _held = [];
    private int _told;

    /// <summary>All of its text so far.</summary>
    public string Text => _text.ToString();

    /// <summary>What the model thought of the tokens that have come since the last call of <see cref="Take"/>.</summary>
    public IReadOnlyList<TokenLogProbability> Held => _held;

    /// <summary>Why it ended; null before.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>Whether it may still become a call of a tool: nothing of it is text before that is known.</summary>
    public bool MayBecomeCall => _told == 0 && FinishReason is null && request.Chat is { } chat && chat.MayBecomeCall(Text);

    /// <summary>Takes a piece.</summary>
    public void Add(TextPiece piece)
    {
        _text.Append(piece.Text);
        _held.AddRange(piece.LogProbabilities);
        FinishReason = piece.FinishReason;
    }

    /// <summary>The text that has not been taken yet, and what the model thought of it.</summary>
    public (string Text, IReadOnlyList<TokenLogProbability> Thoughts) Take()
    {
        string text = _text.ToString(_told, _text.Length - _told);
        TokenLogProbability[] thoughts = [.. _held];
        _told = _text.Length;
        _held.Clear();
        return (text, thoughts);
    }
}
