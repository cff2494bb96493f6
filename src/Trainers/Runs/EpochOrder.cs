namespace MLNet.Gpt;

/// <summary>The order of the examples: each epoch a permutation of its own, decided by the seed.</summary>
internal sealed class EpochOrder(int count, long seed)
{
    private int[] _order = [];
    private int _epoch = -1;

    /// <summary>The examples of an update; the last update of an epoch takes what is left.</summary>
    /// <param name="step">The update, from 0.</param>
    /// <param name="batchSize">Examples in one update.</param>
    public IEnumerable<int> Of(int step, int batchSize)
    {
        int steps = EpochSteps.Of(count, batchSize), epoch = step / steps;
        if (epoch != _epoch)
        {
            // Fisher and Yates; .NET keeps a seeded Random's numbers the same in all versions.
            var random = new Random(unchecked((int)((seed * 1_000_003) ^ (epoch * 7_919))));
            _order = [.. Enumerable.Range(0, count)];
            for (int i = count - 1; i > 0; i--)
            {
                int other = random.Next(i + 1);
                (_order[i], _order[other]) = (_order[other], _order[i]);
            }

            _epoch = epoch;
        }

        return _order.Skip(step % steps * batchSize).Take(batchSize);
    }
}
