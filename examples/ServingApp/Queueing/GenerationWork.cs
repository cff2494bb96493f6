using System.Diagnostics;
using System.Threading.Channels;
using MLNet.Gpt;

namespace ServingApp.Queueing;

/// <summary>A piece of one of a request's answers; the last one of each says why it ended.</summary>
internal readonly record struct TextPiece(int Choice, string Text, FinishReason? FinishReason);

/// <summary>One request's generation: a prompt, how to continue it, and the pieces of text as they come.</summary>
internal sealed class GenerationWork : QueuedWork
{
    private readonly Channel<TextPiece> _pieces = Channel.CreateUnbounded<TextPiece>(new() { SingleReader = true }); // bounded by the tokens that were asked for
    private readonly SettledText[] _texts;

    /// <param name="prompt">The prompt's tokens, 1 or more, which fit the model's context.</param>
    /// <param name="options">How tokens are chosen, and how many.</param>
    /// <param name="hasSeed">Whether <see cref="GenerationOptions.Seed"/> was asked for; else any will do, each time another.</param>
    /// <param name="constraint">The form of its answers; null for free text.</param>
    /// <param name="cancellationToken">The request's.</param>
    public GenerationWork(int[] prompt, GenerateTextOptions options, bool hasSeed, ITokenConstraint? constraint, CancellationToken cancellationToken)
        : base(cancellationToken)
    {
        (Prompt, Options, HasSeed, Constraint) = (prompt, options, hasSeed, constraint);
        _texts = [.. Enumerable.Range(0, options.SamplesPerPrompt).Select(static _ => new SettledText())];
    }

    public int[] Prompt { get; }

    public GenerateTextOptions Options { get; }

    public bool HasSeed { get; }

    public ITokenConstraint? Constraint { get; }

    public ChannelReader<TextPiece> Pieces => _pieces.Reader;

    /// <summary>The tokens written so far, those of all answers together.</summary>
    public int OutputTokens { get; private set; }

    /// <summary>When the first token came; 0 before.</summary>
    public long FirstToken { get; private set; }

    /// <summary>Takes a token of an answer.</summary>
    public void Append(int choice, ReadOnlySpan<byte> bytes, int settledByteCount)
    {
        if (FirstToken == 0) FirstToken = Stopwatch.GetTimestamp();
        OutputTokens++;
        if (_texts[choice].Append(bytes, settledByteCount) is { Length: > 0 } text) _pieces.Writer.TryWrite(new(choice, text, null));
    }

    /// <summary>Ends an answer.</summary>
    public void End(int choice, int byteCount, FinishReason reason) => _pieces.Writer.TryWrite(new(choice, _texts[choice].End(byteCount), reason));

    /// <summary>Ends the work: all answers are there.</summary>
    public void Complete() => _pieces.Writer.TryComplete();

    public override void Fail(Exception exception) => _pieces.Writer.TryComplete(exception);

    /// <summary>Whether both can be computed in one call: all that is said once for a call is the same.</summary>
    public bool GoesWith(GenerationWork other)
    {
        GenerationOptions mine = Options, others = other.Options;
        bool seeds = mine.IsGreedy || (HasSeed == other.HasSeed && (!HasSeed || mine.Seed == others.Seed));

        // A client may leave before its answer has the least tokens that it is to have: alone, it ends the call.
        if (mine.MinNewTokens > 0) return false;

        // With one seed for all, equal prompts would get equal answers; whoever did not ask for that waits for another batch.
        if (!mine.IsGreedy && !HasSeed && Prompt.AsSpan().SequenceEqual(other.Prompt)) return false;
        return seeds && mine.StopStrings.SequenceEqual(others.StopStrings) && mine.StopTokenIds.SequenceEqual(others.StopTokenIds) && Rest(mine) == Rest(others);

        static GenerationOptions Rest(GenerationOptions options) => options with { StopStrings = [], StopTokenIds = [], Seed = 0, MaxNewTokens = 1 };
    }
}
