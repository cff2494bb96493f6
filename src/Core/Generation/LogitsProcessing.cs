using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>The filters between logits and a token: pure functions in place over V numbers, none of which allocates.</summary>
internal static class LogitsProcessing
{
    // Sums run over blocks of this many float32 (vectorised) and add the blocks up in float64: the relative error stays near 1e-6 for any vocabulary.
    private const int Block = 1_024;

    /// <summary>Divides positive and multiplies negative logits of the given tokens by θ. A token must be listed once.</summary>
    public static void Penalize(Span<float> logits, ReadOnlySpan<int> distinctTokenIds, float penalty)
    {
        foreach (int id in distinctTokenIds)
            Set(ref logits[id], logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty);
    }

    /// <summary>Adds a number to the logit of each token that has one.</summary>
    public static void AddBias(Span<float> logits, IReadOnlyDictionary<int, float> bias)
    {
        foreach ((int id, float value) in bias) Set(ref logits[id], logits[id] + value);
    }

    /// <summary>Subtracts from the logit of each token that came before: once, and once more for each time.</summary>
    public static void PenalizeCounts(Span<float> logits, Dictionary<int, int> counts, float presence, float frequency)
    {
        foreach ((int id, int count) in counts) Set(ref logits[id], logits[id] - (presence + (frequency * count)));
    }

    /// <summary>A number that float32 can't hold becomes the largest it can; only a model that is broken gives ∞ or NaN, and only a filter that forbids a token -∞.</summary>
    private static void Set(ref float logit, float value)
    {
        if (float.IsFinite(logit)) logit = Math.Clamp(value, -float.MaxValue, float.MaxValue);
    }

    /// <summary>Sets the logits of the tokens to -∞ with which the last n tokens would have come before. Exempt tokens stay.</summary>
    public static void BanRepeatedNgrams(Span<float> logits, ReadOnlySpan<int> history, int n, ReadOnlySpan<int> exempt)
    {
        if (history.Length < n) return;
        ReadOnlySpan<int> last = history[^(n - 1)..];
        for (int i = 0; i + n <= history.Length; i++)
        {
            int next = history[i + n - 1];
            if (history.Slice(i, n - 1).SequenceEqual(last) && next < logits.Length && !exempt.Contains(next)) logits[next] = float.NegativeInfinity;
        }
    }

    /// <summary>Sets the weights to 0 that are below a share of the largest, which is 1.</summary>
    public static void KeepMinP(Span<float> weights, float share)
    {
        foreach (ref float weight in weights)
        {
            if (weight < share) weight = 0;
        }
    }

    /// <summary>
    /// Leaves the weights whose information content is nearest to the entropy, of equal ones the first, as many as make up at least the share p, and sets the others to 0.
    /// </summary>
    /// <param name="weights">V weights of 0 or more, not all 0.</param>
    /// <param name="p">In (0, 1).</param>
    /// <param name="distances">Room for V numbers.</param>
    /// <param name="masses">Room for V numbers.</param>
    public static void KeepTypical(Span<float> weights, float p, Span<float> distances, Span<float> masses)
    {
        double total = Sum(weights), entropy = 0;
        foreach (float w in weights)
        {
            if (w > 0) entropy -= w / total * Math.Log(w / total);
        }

        int count = 0;
        foreach (float w in weights)
        {
            if (w <= 0) continue;
            distances[count] = Distance(w);
            masses[count++] = w;
        }

        distances[..count].Sort(masses[..count]);
        double mass = p * total, below = 0;
        int last = 0;
        for (double sum = masses[0]; sum < mass && last < count - 1; sum += masses[last])
            last++;
        for (int i = 0; i < last && distances[i] < distances[last]; i++) below += masses[i];
        float threshold = distances[last];
        foreach (ref float w in weights)
        {
            float distance = w > 0 ? Distance(w) : float.PositiveInfinity;
            if (distance < threshold) continue;
            if (distance == threshold && below < mass) below += w;
            else w = 0;
        }

        float Distance(float w) => (float)Math.Abs(-Math.Log(w / total) - entropy);
    }

    /// <summary>The k largest logits, of equal ones the first, the largest first.</summary>
    public static List<KeyValuePair<int, float>> Largest(ReadOnlySpan<float> logits, int k)
    {
        var best = new List<KeyValuePair<int, float>>(k + 1);
        for (int id = 0; id < logits.Length && k > 0; id++)
        {
            float x = logits[id];
            if (best.Count == k && x <= best[^1].Value) continue;
            int place = best.Count;
            while (place > 0 && best[place - 1].Value < x) place--;
            best.Insert(place, new(id, x));
            if (best.Count > k) best.RemoveAt(k);
        }

        return best;
    }

    /// <summary>The token with the largest logit; of equal ones, the first.</summary>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        int index = TensorPrimitives.IndexOfMax(logits);
        RequireFinite(logits[index]);
        return index;
    }

    /// <summary>Leaves the k largest logits, of equal ones the first, and sets the others to -∞.</summary>
    /// <param name="logits">V logits.</param>
    /// <param name="k">1 or more.</param>
    /// <param name="scratch">Room for k numbers.</param>
    public static void KeepTopK(Span<float> logits, int k, Span<float> scratch)
    {
        if (k >= logits.Length) return;
        RequireFinite(TensorPrimitives.Max<float>(logits)); // else a NaN, which is neither above nor below, would be dropped unseen
        float threshold = KthLargest(logits, scratch[..k]);
        int ties = k;
        foreach (float x in logits)
        {
            if (x > threshold) ties--;
        }

        for (int i = 0; i < logits.Length; i++)
        {
            float x = logits[i];
            if (x > threshold || (x == threshold && ties-- > 0)) continue;
            logits[i] = float.NegativeInfinity;
        }
    }

    /// <summary>Turns logits into weights exp((x - max) / temperature), the largest of which is 1.</summary>
    public static void ToWeights(Span<float> logits, float temperature)
    {
        float max = TensorPrimitives.Max<float>(logits);
        RequireFinite(max);
        TensorPrimitives.Subtract(logits, max, logits);
        if (temperature != 1) TensorPrimitives.Divide(logits, temperature, logits);
        TensorPrimitives.Exp<float>(logits, logits);
    }

    /// <summary>Leaves the fewest largest weights, of equal ones the first, that make up at least the share p, and sets the others to 0.</summary>
    /// <param name="weights">V weights of 0 or more, not all 0.</param>
    /// <param name="p">In (0, 1).</param>
    /// <param name="scratch">Room for V numbers.</param>
    public static void KeepTopP(Span<float> weights, float p, Span<float> scratch)
    {
        double total = Sum(weights), mass = p * total;

        // All weights below (1-p)·total/V together are less than the share 1-p, so that none of them is needed for p.
        float floor = (float)((1 - (double)p) * total / weights.Length * (1 - 1e-6));
        int candidates = 0;
        foreach (float w in weights)
        {
            scratch[candidates] = w;
            candidates += w >= floor ? 1 : 0;
        }

        (float threshold, double kept) = MassThreshold(scratch[..candidates], mass);
        for (int i = 0; i < weights.Length; i++)
        {
            float w = weights[i];
            if (w > threshold) continue;
            if (w == threshold && kept < mass) kept += w;
            else weights[i] = 0;
        }
    }

    /// <summary>Draws an index with probability proportional to its weight.</summary>
    public static int Draw(ReadOnlySpan<float> weights, ref SampleRandom random) => IndexAt(weights, random.NextDouble() * Sum(weights));

    /// <summary>The index whose weight covers a place on the line on which the weights lie one after the other; the last one above 0 where the place is behind all of them.</summary>
    /// <param name="weights">V weights of 0 or more, not all 0.</param>
    /// <param name="target">The place, 0 or more.</param>
    public static int IndexAt(ReadOnlySpan<float> weights, double target)
    {
        for (int start = 0; start < weights.Length; start += Block)
        {
            ReadOnlySpan<float> block = weights.Slice(start, Math.Min(Block, weights.Length - start));
            double sum = TensorPrimitives.Sum(block);
            if (target >= sum)
            {
                target -= sum;
                continue;
            }

            for (int i = 0; i < block.Length; i++)
            {
                target -= block[i];
                if (target < 0) return start + i;
            }

            // The block's scalar sum is a rounding below its vector sum: the place belongs to its last weight.
            return start + LastPositive(block);
        }

        return LastPositive(weights); // rounding again: the place was at the very end
    }

    /// <summary>log Σ exp(x) of V logits, by way of <paramref name="scratch"/> of V numbers.</summary>
    public static double LogSumExp(ReadOnlySpan<float> logits, Span<float> scratch)
    {
        float max = TensorPrimitives.Max(logits);
        RequireFinite(max);
        scratch = scratch[..logits.Length];
        TensorPrimitives.Subtract(logits, max, scratch);
        TensorPrimitives.Exp<float>(scratch, scratch);
        return max + Math.Log(Sum(scratch));
    }

    /// <summary>The sum of the numbers, in float64 across blocks.</summary>
    public static double Sum(ReadOnlySpan<float> values)
    {
        double sum = 0;
        for (int start = 0; start < values.Length; start += Block)
            sum += TensorPrimitives.Sum(values.Slice(start, Math.Min(Block, values.Length - start)));
        return sum;
    }

    /// <summary>The k-th largest value, k being the length of <paramref name="heap"/>: a min-heap holds the k largest seen so far.</summary>
    private static float KthLargest(ReadOnlySpan<float> values, Span<float> heap)
    {
        values[..heap.Length].CopyTo(heap);
        for (int i = (heap.Length / 2) - 1; i >= 0; i--)
            SiftDown(heap, i);
        foreach (float x in values[heap.Length..])
        {
            if (x <= heap[0]) continue;
            heap[0] = x;
            SiftDown(heap, 0);
        }

        return heap[0];

        static void SiftDown(Span<float> heap, int i)
        {
            float x = heap[i];
            while (true)
            {
                int child = (2 * i) + 1;
                if (child >= heap.Length) break;
                if (child + 1 < heap.Length && heap[child + 1] < heap[child]) child++;
                if (heap[child] >= x) break;
                heap[i] = heap[child];
                i = child;
            }

            heap[i] = x;
        }
    }

    /// <summary>
    /// The largest t for which the values of t and above sum to <paramref name="mass"/> or more, and the sum of those strictly above t.
    /// A quickselect by sum instead of by rank: linear on average. Reorders the values.
    /// </summary>
    private static (float Threshold, double SumAbove) MassThreshold(Span<float> values, double mass)
    {
        double above = 0; // the sum of what is known to lie above everything in values
        while (true)
        {
            float pivot = MedianOfThree(values[0], values[values.Length / 2], values[^1]);

            // Three parts: [0, greater) > pivot, [greater, i) == pivot, [less, end) < pivot.
            int greater = 0, i = 0, less = values.Length;
            double sumGreater = 0;
            while (i < less)
            {
                float x = values[i];
                if (x > pivot)
                {
                    sumGreater += x;
                    values[i++] = values[greater];
                    values[greater++] = x;
                }
                else if (x < pivot)
                {
                    values[i] = values[--less];
                    values[less] = x;
                }
                else
                {
                    i++;
                }
            }

            double sumEqual = (double)pivot * (less - greater);
            if (above + sumGreater >= mass && greater > 0)
            {
                values = values[..greater];
            }
            else if (above + sumGreater + sumEqual >= mass || less == values.Length)
            {
                return (pivot, above + sumGreater);
            }
            else
            {
                above += sumGreater + sumEqual;
                values = values[less..];
            }
        }

        static float MedianOfThree(float a, float b, float c) => Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));
    }

    private static int LastPositive(ReadOnlySpan<float> weights)
    {
        int i = weights.Length - 1;
        while (weights[i] <= 0) i--;
        return i;
    }

    private static void RequireFinite(float max)
    {
        if (!float.IsFinite(max)) throw new NonFiniteLogitsException(max);
    }
}
