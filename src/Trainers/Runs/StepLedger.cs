using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>What an update left on the device, once it has been read.</summary>
/// <param name="Step">The update, counted from 0.</param>
/// <param name="Loss">The mean loss of its batch, nats per token.</param>
/// <param name="GradientNorm">The gradient's norm before clipping.</param>
/// <param name="RowStarts">Where the rows of its batch begin.</param>
internal sealed record StepOutcome(int Step, double Loss, double GradientNorm, IReadOnlyList<long> RowStarts)
{
    /// <summary>Whether the update was made.</summary>
    public bool IsFinite => double.IsFinite(Loss) && double.IsFinite(GradientNorm);
}

/// <summary>Keeps losses and gradient norms of updates on the device until they are asked for, so that no update waits for the device.</summary>
internal sealed class StepLedger : IDisposable
{
    private readonly Tensor _values;   // (2, capacity): the summed losses, the norms
    private readonly List<(int Step, double Scale, IReadOnlyList<long> RowStarts)> _pending = [];
    private readonly int _capacity;

    /// <param name="capacity">Updates that fit, 1 or more.</param>
    /// <param name="device">Where the numbers are.</param>
    public StepLedger(int capacity, Device device)
    {
        _capacity = capacity;
        using var noGradient = no_grad();
        _values = zeros(2, capacity, ScalarType.Float32, device).DetachFromDisposeScope();
    }

    /// <summary>Whether <see cref="Read"/> has to come before the next <see cref="Add"/>.</summary>
    public bool IsFull => _pending.Count == _capacity;

    /// <summary>Notes an update.</summary>
    /// <param name="step">The update, counted from 0.</param>
    /// <param name="loss">The summed loss, a scalar tensor.</param>
    /// <param name="scale">What makes a mean of it.</param>
    /// <param name="norm">The gradient's norm, a scalar tensor.</param>
    /// <param name="rowStarts">Where the rows of the batch begin.</param>
    public void Add(int step, Tensor loss, double scale, Tensor norm, IReadOnlyList<long> rowStarts)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor column = _values.narrow(1, _pending.Count, 1);
        column.narrow(0, 0, 1).copy_(loss.view(1, 1));
        column.narrow(0, 1, 1).copy_(norm.view(1, 1));
        _pending.Add((step, scale, rowStarts));
    }

    /// <summary>Reads what has been noted since the last time, in order.</summary>
    public IReadOnlyList<StepOutcome> Read()
    {
        if (_pending.Count == 0) return [];
        var values = new float[2 * _capacity];
        using (no_grad()) _values.CopyFloatsTo(values);   // sync: reads the losses and norms
        var outcomes = new StepOutcome[_pending.Count];
        for (int i = 0; i < outcomes.Length; i++)
        {
            (int step, double scale, IReadOnlyList<long> starts) = _pending[i];
            outcomes[i] = new(step, values[i] * scale, values[_capacity + i], starts);
        }

        _pending.Clear();
        return outcomes;
    }

    public void Dispose() => _values.Dispose();
}
