using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Sequences of <see cref="RewardSequences"/> side by side, padded on the right, where nothing that is read sees the padding. R: rows; T: the longest row.</summary>
internal sealed class RewardBatch
{
    private readonly long[] _ids, _last;
    private readonly float[] _readouts;
    private readonly Device _device;

    /// <summary>Lays out sequences.</summary>
    /// <param name="sequences">One or more.</param>
    /// <param name="config">The network's shape.</param>
    /// <param name="device">Where the tensors go.</param>
    public RewardBatch(IReadOnlyList<int[]> sequences, GptConfig config, Device device)
    {
        _device = device;
        RowCount = sequences.Count;
        Width = sequences.Max(static sequence => sequence.Length);
        _ids = new long[RowCount * Width];
        _readouts = new float[RowCount * Width];
        _last = new long[RowCount];
        int readout = RewardSequences.ReadoutId(config);
        for (int row = 0; row < RowCount; row++)
        {
            int[] sequence = sequences[row];
            for (int i = 0; i < sequence.Length; i++)
            {
                // Any token of the vocabulary stands in for the read-out token, whose embedding takes its place.
                if (sequence[i] == readout) _readouts[(row * Width) + i] = 1;
                else _ids[(row * Width) + i] = sequence[i];
            }

            _last[row] = (row * Width) + sequence.Length - 1;
        }
    }

    /// <summary>R.</summary>
    public int RowCount { get; }

    /// <summary>T.</summary>
    public int Width { get; }

    /// <summary>(R, T) int64.</summary>
    public Tensor Ids => HostCopy.To(_device, _ids).view(RowCount, Width);

    /// <summary>(R·T, 1) bool: where a read-out token stands.</summary>
    public Tensor Readouts => HostCopy.To(_device, _readouts).view(-1, 1).to(ScalarType.Bool);

    /// <summary>(R) int64: where each row's last token stands among the R·T places.</summary>
    public Tensor Last => HostCopy.To(_device, _last);
}
