using System.Diagnostics;
using System.Threading.Channels;
using MLNet.Gpt;
using ServingApp.Hosting;
using ServingApp.OpenAi;

namespace ServingApp.Queueing;

/// <summary>A request's answers under way: the pieces of their texts as they come.</summary>
internal sealed class Generation
{
    private readonly Channel<TextPiece> _pieces = Channel.CreateUnbounded<TextPiece>(new() { SingleReader = true }); // bounded by the tokens that were asked for
    private readonly SettledText[] _texts;
    private readonly GenerationRequest _request;
    private readonly ServingMetrics _metrics;

    private Generation(GenerationRequest request, ServingMetrics metrics)
    {
        (_request, _metrics) = (request, metrics);
        _texts = [.. Enumerable.Range(0, request.AnswerCount).Select(static _ => new SettledText())];
    }

    public ChannelReader<TextPiece> Pieces => _pieces.Reader;

    /// <summary>When it began, as <see cref="Stopwatch.GetTimestamp"/> counts.</summary>
    public long Arrival { get; } = Stopwatch.GetTimestamp();

    /// <summary>The tokens written so far, those of all answers together.</summary>
    public int OutputTokens { get; private set; }

    /// <summary>When the first token came; 0 before.</summary>
    public long FirstToken { get; private set; }

    /// <summary>Puts a request into its model's queue.</summary>
    /// <param name="cancellationToken">The request's: its client has gone, or its time is over.</param>
    /// <exception cref="GenerationQueueFullException">Too many wait already.</exception>
    /// <exception cref="OpenAiException">The program is being stopped.</exception>
    public static Generation Start(GenerationRequest request, ServingMetrics metrics, CancellationToken cancellationToken)
    {
        var generation = new Generation(request, metrics);
        var all = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken); // what fails for one prompt ends the others
        try
        {
            Task<IReadOnlyList<GeneratedSequence>>[] prompts = [.. request.Prompts.Select((prompt, index) => request.Served.RequireQueue().GenerateSequencesAsync(
                prompt, request.Options, token => generation.Append(token, index * request.Options.SamplesPerPrompt), request.Constraint, all.Token))];
            _ = generation.EndAsync(prompts, all, cancellationToken);
        }
        catch (Exception exception)
        {
            all.Cancel();
            all.Dispose();
            if (exception is ObjectDisposedException) throw OpenAiException.Stopping();
            throw;
        }

        return generation;
    }

    // On the thread that computes for everybody: it hands the text on, and waits for nobody.
    private void Append(GeneratedToken token, int firstAnswer)
    {
        if (FirstToken == 0) FirstToken = Stopwatch.GetTimestamp();
        OutputTokens++;
        _metrics.Token(_request.Served.RequireQueue().RunningCount);
        (string text, IReadOnlyList<TokenLogProbability> thoughts) = _texts[firstAnswer + token.SampleIndex].Append(_request.TextOf(token.TokenId), token.SettledByteCount, token.LogProbability);
        if (text.Length > 0) _pieces.Writer.TryWrite(new(firstAnswer + token.SampleIndex, text, thoughts, null));
    }

    private async Task EndAsync(Task<IReadOnlyList<GeneratedSequence>>[] prompts, CancellationTokenSource all, CancellationToken cancellationToken)
    {
        try
        {
            for (int i = 0; i < prompts.Length; i++)
            {
                foreach (GeneratedSequence sequence in await prompts[i])
                {
                    int answer = (i * _request.Options.SamplesPerPrompt) + sequence.SampleIndex;
                    (string text, IReadOnlyList<TokenLogProbability> thoughts) = _texts[answer].End(sequence.TextByteCount!.Value);
                    _pieces.Writer.TryWrite(new(answer, text, thoughts, sequence.FinishReason));
                }
            }

            _pieces.Writer.TryComplete();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            _pieces.Writer.TryComplete(OpenAiException.Stopping()); // the queue has been disposed
        }
        catch (Exception exception)
        {
            _pieces.Writer.TryComplete(exception); // the reader gets it
        }
        finally
        {
            all.Cancel();
            all.Dispose();
        }
    }
}
