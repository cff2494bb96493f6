using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A copy of all trained weights at the best evaluation, in ordinary memory.</summary>
internal sealed class KeptWeights(IReadOnlyList<FlatParameters> sets) : IDisposable
{
    private Tensor[]? _copies;

    /// <summary>Copies the weights.</summary>
    public void Keep()
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _copies ??= [.. sets.Select(static set => empty_like(set.Master, device: CPU).DetachFromDisposeScope())];
        for (int i = 0; i < sets.Count; i++) _copies[i].copy_(sets[i].Master);
    }

    /// <summary>Puts the kept weights back.</summary>
    /// <returns>Whether any were kept.</returns>
    public bool Restore()
    {
        if (_copies is null) return false;
        using var noGradient = no_grad();
        for (int i = 0; i < sets.Count; i++)
        {
            sets[i].Master.copy_(_copies[i]);
            sets[i].RefreshWorkingCopy();
        }

        return true;
    }

    public void Dispose()
    {
        foreach (Tensor copy in _copies ?? []) copy.Dispose();
    }
}
