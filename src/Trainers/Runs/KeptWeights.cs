using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A copy of what is trained at the best evaluation, in ordinary memory.</summary>
/// <param name="sets">What is trained.</param>
internal sealed class KeptWeights(IReadOnlyList<FlatParameters> sets) : IDisposable
{
    private Tensor[]? _copies;

    /// <summary>Whether there are copies.</summary>
    public bool HasAny => _copies is not null;

    /// <summary>Copies the numbers.</summary>
    public void Keep()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _copies ??= [.. sets.Select(static set => empty_like(set.Master, device: CPU).DetachFromDisposeScope())];
        for (int i = 0; i < sets.Count; i++) _copies[i].copy_(sets[i].Master);
    }

    /// <summary>Puts the copies back; does nothing where none were kept.</summary>
    public void Restore()
    {
        if (_copies is null) return;
        using var noGradient = no_grad();
        for (int i = 0; i < sets.Count; i++)
        {
            sets[i].Master.copy_(_copies[i]);
            sets[i].RefreshWorkingCopy();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor copy in _copies ?? []) copy.Dispose();
    }
}
