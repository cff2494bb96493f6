using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Some rows of examples in ordinary memory. A row holds one example, or with packing several; each has positions from 0 and, by the mask,
/// sees itself alone. Behind the examples a row is padded; padding has no loss, and no token before it sees it.
/// </summary>
internal sealed class SupervisedBatch
{
    private readonly long[] _ids, _positions, _segments, _targetPlaces, _targets;
    private readonly bool _packed;

    private SupervisedBatch(IReadOnlyList<IReadOnlyList<SupervisedExample>> rows)
    {
        RowCount = rows.Count;
        Length = rows.Max(static row => row.Sum(static e => e.Length));
        _packed = rows.Any(static row => row.Count > 1);
        _ids = new long[RowCount * Length];
        _positions = new long[RowCount * Length];
        _segments = new long[RowCount * Length];
        List<long> places = [], targets = [];
        for (int row = 0; row < RowCount; row++)
        {
            int at = row * Length;
            for (int i = 0; i < rows[row].Count; i++)
            {
                SupervisedExample example = rows[row][i];
                for (int position = 0; position < example.Length; position++, at++)
                {
                    _ids[at] = example.TokenIds[position];
                    _positions[at] = position;
                    _segments[at] = i + 1;     // padding keeps 0
                    if (!example.IsTarget[position + 1]) continue;
                    places.Add(at);
                    targets.Add(example.TokenIds[position + 1]);
                }
            }
        }

        _targetPlaces = [.. places];
        _targets = [.. targets];
    }

    /// <summary>B.</summary>
    public int RowCount { get; }

    /// <summary>T: the longest row.</summary>
    public int Length { get; }

    /// <summary>The tokens with a loss.</summary>
    public int TargetCount => _targets.Length;

    /// <summary>Lays examples out in rows, and takes the rows in groups. The longest come first, so that a group is padded little.</summary>
    /// <param name="examples">The examples of an update.</param>
    /// <param name="rowLength">The most places of a row that several examples share; null for one example a row.</param>
    /// <param name="rowsAtOnce">The most rows of a group; null for all.</param>
    public static IReadOnlyList<SupervisedBatch> Of(IReadOnlyList<SupervisedExample> examples, int? rowLength, int? rowsAtOnce)
    {
        var rows = new List<List<SupervisedExample>>();
        var free = new List<int>();
        foreach (SupervisedExample example in examples.OrderByDescending(static e => e.Length))
        {
            // First fit, the longest first (Johnson 1973): at most 11/9 of the fewest rows possible.
            int row = rowLength is null ? -1 : free.FindIndex(places => places >= example.Length);
            if (row < 0)
            {
                row = rows.Count;
                rows.Add([]);
                free.Add(rowLength ?? example.Length);
            }

            rows[row].Add(example);
            free[row] -= example.Length;
        }

        return [.. rows.Chunk(rowsAtOnce ?? rows.Count).Select(static group => new SupervisedBatch(group))];
    }

    /// <summary>One example a row, in their order.</summary>
    /// <param name="examples">One or more.</param>
    public static SupervisedBatch InOrder(IReadOnlyList<SupervisedExample> examples) => new([.. examples.Select(static example => (IReadOnlyList<SupervisedExample>)[example])]);

    /// <summary>The hidden states before each target, and the targets, on the network's device.</summary>
    /// <returns>(n, C) float32 with its autograd graph, and (n) int64; n is <see cref="TargetCount"/>.</returns>
    public (Tensor Hidden, Tensor Targets) Run(GptNetwork network)
    {
        Device device = network.TorchDevice;
        Tensor ids = Move(_ids).view(RowCount, Length);                                                     // (B, T)
        Tensor hidden = network.Hidden(ids, _packed ? Move(_positions) : null, _packed ? Mask(network) : null); // (B·T, C)
        return (hidden.index_select(0, Move(_targetPlaces)), Move(_targets));

        Tensor Move(long[] values) => HostCopy.To(device, values);
    }

    /// <summary>(B, 1, T, T) of the working type: 0 within an example, -∞ between two. Padding sees padding, so that no row of it is empty.</summary>
    private Tensor Mask(GptNetwork network)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor segments = HostCopy.To(network.TorchDevice, _segments).view(RowCount, 1, Length);              // (B, 1, T)
        Tensor query = segments.view(RowCount, 1, Length, 1), key = segments.view(RowCount, 1, 1, Length);
        return zeros([RowCount, 1, Length, Length], network.WorkingType, network.TorchDevice)
            .Fill(query.gt(key).logical_or(key.gt(query)), double.NegativeInfinity)
            .MoveToOuterDisposeScope();
    }
}
