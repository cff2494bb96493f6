using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;

namespace MLNet.Gpt;

/// <summary>Turns what is under way into text under way.</summary>
internal static class TextStream
{
    /// <summary>Gives the text of a sequence as it settles, whatever generates it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="generate">Makes the sequence and tells of each token; called on a thread of the pool.</param>
    /// <param name="options">How it generates.</param>
    /// <param name="onEnd">Gets the whole sequence when it has ended, before the last piece of text is given.</param>
    /// <param name="cancellationToken">Ends the stream.</param>
    public static async IAsyncEnumerable<string> Enumerate(
        GptModel model, Func<Action<GeneratedToken>, CancellationToken, Task<GeneratedSequence>> generate, GenerationOptions options, Action<GeneratedSequence>? onEnd, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        Task work = Task.Run(() => Run(model, generate, options, onEnd, pieces.Writer, left.Token), CancellationToken.None);
        try
        {
            // Not the token: what the generator reports, a cancellation too, comes through the channel after the text before it.
            await foreach (string piece in pieces.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            await left.CancelAsync().ConfigureAwait(false); // the reader may have left early: no decoder outlives the enumeration
            await work.ConfigureAwait(false);
        }
    }

    /// <summary>Gives texts in their order, each as soon as it and those before it have ended.</summary>
    /// <param name="generate">Makes the texts and tells of each that has ended; called on a thread of the pool.</param>
    /// <param name="samples">The texts of each prompt.</param>
    /// <param name="cancellationToken">Ends the stream.</param>
    public static async IAsyncEnumerable<GeneratedText> InOrder(Action<Action<GeneratedText>, CancellationToken> generate, int samples, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ended = Channel.CreateUnbounded<GeneratedText>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        Task work = Task.Run(() =>
        {
            try
            {
                generate(text => ended.Writer.TryWrite(text), left.Token);
                ended.Writer.Complete();
            }
            catch (Exception exception)
            {
                ended.Writer.Complete(exception); // the reader gets it
            }
        }, CancellationToken.None);
        var waiting = new Dictionary<long, GeneratedText>();
        long next = 0;
        try
        {
            // Not the token, as above.
            await foreach (GeneratedText text in ended.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                waiting.Add(((long)text.PromptIndex * samples) + text.SampleIndex, text);
                while (waiting.Remove(next, out GeneratedText? due))
                {
                    next++;
                    yield return due;
                }
            }

            // Beams give fewer texts than samples where a constraint leaves no more: those behind are given here.
            foreach (GeneratedText text in waiting.OrderBy(static pair => pair.Key).Select(static pair => pair.Value)) yield return text;
        }
        finally
        {
            await left.CancelAsync().ConfigureAwait(false); // the reader may have left early: no decoder outlives the enumeration
            await work.ConfigureAwait(false);
        }
    }

    private static async Task Run(
        GptModel model, Func<Action<GeneratedToken>, CancellationToken, Task<GeneratedSequence>> generate, GenerationOptions options, Action<GeneratedSequence>? onEnd, ChannelWriter<string> pieces, CancellationToken cancellationToken)
    {
        try
        {
            var text = new SettledText(pieces);
            GeneratedSequence sequence = await generate(token => text.Append(model.TextOf(token.TokenId, options).Span, token.SettledByteCount), cancellationToken).ConfigureAwait(false);
            onEnd?.Invoke(sequence);
            text.End(sequence.TextByteCount!.Value);
            pieces.Complete();
        }
        catch (Exception exception)
        {
            pieces.Complete(exception); // the reader gets it
        }
    }

    /// <summary>Holds bytes until they are sure to be part of the text and make whole characters.</summary>
    private sealed class SettledText(ChannelWriter<string> pieces)
    {
        private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
        private readonly List<byte> _bytes = [];
        private int _given;

        public void Append(ReadOnlySpan<byte> bytes, int settledByteCount)
        {
            _bytes.AddRange(bytes);
            Give(settledByteCount, flush: false);
        }

        public void End(int byteCount) => Give(byteCount, flush: true);

        private void Give(int upTo, bool flush)
        {
            byte[] bytes = [.. _bytes[_given..upTo]];
            _given = upTo;
            char[] characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length)];
            int count = _decoder.GetChars(bytes, characters, flush);
            if (count > 0) pieces.TryWrite(new string(characters, 0, count));
        }
    }
}
