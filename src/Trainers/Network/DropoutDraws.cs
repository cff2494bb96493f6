using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Dropout's random numbers. libtorch has one generator for the whole process, and one for each GPU, from which other threads draw too; so each draw seeds it first, and no other draw comes
/// between. A run then draws the same beside other runs as alone, and a block that is computed again draws what it drew.
/// </summary>
internal static class DropoutDraws
{
    private static readonly Lock Gate = new();

    [ThreadStatic]
    private static Sequence? _current;

    /// <summary>Begins a sequence of draws on this thread.</summary>
    /// <param name="key">Decides them.</param>
    /// <returns>To be disposed when it is over; the sequence before it then goes on.</returns>
    public static Sequence Begin(ulong key) => _current = new(key, _current);

    /// <summary>A key that the place in the sequence decides; without a sequence, libtorch's generator.</summary>
    public static ulong NextKey()
    {
        if (_current is not { } sequence)
        {
            using Tensor drawn = randint(0, int.MaxValue, [1], ScalarType.Int64);                          // on the CPU, whatever the device: no sync
            return (ulong)drawn.item<long>();
        }

        return RandomBits.Mix(sequence.Key ^ RandomBits.Mix(sequence.Count++));
    }

    /// <summary>Computes what draws.</summary>
    /// <param name="device">Where it draws.</param>
    /// <param name="compute">The computation.</param>
    public static Tensor Draw(Device device, Func<Tensor> compute)
    {
        long seed = unchecked((long)NextKey());
        lock (Gate)
        {
            manual_seed(seed).Dispose();                                                                   // the CPU's generator only
            if (device.type == DeviceType.CUDA) cuda.manual_seed_all(seed);
            return compute();
        }
    }

    /// <summary>Draws that follow each other on a thread.</summary>
    public sealed class Sequence(ulong key, Sequence? before) : IDisposable
    {
        /// <summary>Decides them.</summary>
        public ulong Key => key;

        /// <summary>How many there were.</summary>
        public ulong Count { get; set; }

        /// <summary>Ends it, on the thread that began it.</summary>
        public void Dispose() => _current = before;
    }
}
