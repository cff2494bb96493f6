using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>One of an update's losses, as it lies on the device.</summary>
/// <param name="Sum">A scalar: the sum over the batch.</param>
/// <param name="Scale">What the sum is multiplied by.</param>
/// <param name="Weight">What the product is divided by to be a mean: what was averaged, such as tokens or pairs. It counts that much among the losses of other updates, so that a report's mean is over all of it.</param>
internal readonly record struct UpdateLoss(Tensor Sum, double Scale, double Weight);

/// <summary>What an update left on the device, once it has been read.</summary>
/// <param name="Step">The update, counted from 0.</param>
/// <param name="Losses">Each loss, weighted, and its weight.</param>
/// <param name="GradientNorm">The gradient's norm before clipping.</param>
/// <param name="IsFinite">Whether losses and norm are finite, and so whether the update was made.</param>
/// <param name="Batch">What the loop noted of its batch.</param>
internal sealed record StepOutcome<TBatch>(int Step, IReadOnlyList<(double Sum, double Weight)> Losses, double GradientNorm, bool IsFinite, TBatch Batch)
{
    /// <summary>What else was measured, weighted as the losses are.</summary>
    public IReadOnlyList<(double Sum, double Weight)> Metrics { get; init; } = [];

    /// <summary>The mean of the first loss.</summary>
    public double Loss => Losses[0].Sum / Losses[0].Weight;
}

/// <summary>Keeps losses and gradient norms of updates on the device until they are asked for, so that no update waits for the device.</summary>
/// <typeparam name="TBatch">What is noted of an update's batch.</typeparam>
internal sealed class StepLedger<TBatch> : IDisposable
{
    private readonly Tensor _values;   // (losses + 1 + metrics, capacity): the summed losses, the norms, the summed metrics
    private readonly List<(int Step, (double Scale, double Weight)[] Values, TBatch Batch)> _pending = [];
    private readonly int _losses, _metrics, _capacity;

    /// <param name="losses">Losses of an update, 1 or more.</param>
    /// <param name="capacity">Updates that fit, 1 or more.</param>
    /// <param name="device">Where the numbers are.</param>
    /// <param name="metrics">Metrics of an update, 0 or more: what is measured besides, and says nothing of whether an update is finite.</param>
    public StepLedger(int losses, int capacity, Device device, int metrics = 0)
    {
        (_losses, _capacity, _metrics) = (losses, capacity, metrics);
        using var noGradient = no_grad();
        _values = zeros(losses + 1 + metrics, capacity, ScalarType.Float32, device).DetachFromDisposeScope();
    }

    /// <summary>Whether <see cref="Read"/> has to come before the next <see cref="Add"/>.</summary>
    public bool IsFull => _pending.Count == _capacity;

    /// <summary>Notes an update.</summary>
    /// <param name="step">The update, counted from 0.</param>
    /// <param name="losses">Its losses.</param>
    /// <param name="norm">The gradient's norm, a scalar tensor.</param>
    /// <param name="batch">What is to be known of its batch.</param>
    /// <param name="metrics">Its metrics, as many as were announced; null for none.</param>
    public void Add(int step, IReadOnlyList<UpdateLoss> losses, Tensor norm, TBatch batch, IReadOnlyList<UpdateLoss>? metrics = null)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor column = _values.narrow(1, _pending.Count, 1);
        for (int i = 0; i < _losses; i++) column.narrow(0, i, 1).copy_(losses[i].Sum.view(1, 1));
        column.narrow(0, _losses, 1).copy_(norm.view(1, 1));
        for (int i = 0; i < _metrics; i++) column.narrow(0, _losses + 1 + i, 1).copy_(metrics![i].Sum.view(1, 1));
        _pending.Add((step, [.. losses.Concat(metrics ?? []).Select(static loss => (loss.Scale, loss.Weight))], batch));
    }

    /// <summary>Reads what has been noted since the last time, in order.</summary>
    public IReadOnlyList<StepOutcome<TBatch>> Read()
    {
        if (_pending.Count == 0) return [];
        var values = new float[(_losses + 1 + _metrics) * _capacity];
        using (no_grad()) _values.CopyFloatsTo(values);   // sync: reads the losses and norms
        var outcomes = new StepOutcome<TBatch>[_pending.Count];
        for (int index = 0; index < outcomes.Length; index++)
        {
            int i = index;
            (int step, (double Scale, double Weight)[] weights, TBatch batch) = _pending[i];
            float norm = values[(_losses * _capacity) + i], total = 0;
            for (int k = 0; k < _losses; k++) total += values[(k * _capacity) + i];   // as a device adds them that decides by itself
            bool finite = float.IsFinite(total) && float.IsFinite(norm);
            outcomes[i] = new(step, [.. Enumerable.Range(0, _losses).Select(k => Value(k, k))], norm, finite, batch) { Metrics = [.. Enumerable.Range(0, _metrics).Select(k => Value(_losses + 1 + k, _losses + k))] };

            (double Sum, double Weight) Value(int row, int place) => (values[(row * _capacity) + i] * weights[place].Scale, weights[place].Weight);
        }

        _pending.Clear();
        return outcomes;
    }

    public void Dispose() => _values.Dispose();
}
