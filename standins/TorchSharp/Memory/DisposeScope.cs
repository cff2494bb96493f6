namespace TorchSharp;

public sealed class DisposeScope : IDisposable
{
    private DisposeScopeManager? manager;
    private HashSet<IDisposable> held = new(ReferenceEqualityComparer.Instance);

    internal DisposeScope(DisposeScopeManager manager)
    {
        this.manager = manager;
        OuterScope = manager.CurrentDisposeScope;
    }

    public IReadOnlyList<IDisposable> DisposablesView
    {
        get
        {
            Owner();
            return [.. held];
        }
    }

    public int DisposablesCount
    {
        get
        {
            Owner();
            return held.Count;
        }
    }

    internal DisposeScope? OuterScope { get; set; }

    public T MoveToOuter<T>(T disposable) where T : IDisposable
    {
        MoveTo(OuterScope, disposable);
        return disposable;
    }

    public (T1 first, T2 second) MoveToOuter<T1, T2>(T1 first, T2 second)
        where T1 : IDisposable where T2 : IDisposable
    {
        return (MoveToOuter(first), MoveToOuter(second));
    }

    public (T1 first, T2 second, T3 third) MoveToOuter<T1, T2, T3>(T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable
    {
        return (MoveToOuter(first), MoveToOuter(second), MoveToOuter(third));
    }

    public T Detach<T>(T disposable) where T : IDisposable
    {
        DisposeScopeManager owner = Owner();
        if (held.Remove(disposable))
        {
            owner.Counts.DetachedFromScopeCount++;
            AsTensor(disposable).OwningDisposeScope = null;
        }

        return disposable;
    }

    public void Attach(IDisposable disposable)
    {
        DisposeScopeManager owner = Owner();
        if (Take(disposable)) owner.Counts.AttachedToScopeCount++;
    }

    public void DisposeEverything() => DisposeHeld([]);

    public T DisposeEverythingBut<T>(T keep) where T : IDisposable
    {
        DisposeHeld([keep]);
        return keep;
    }

    public bool Contains(IDisposable disposable) => held.Contains(disposable);

    public void Dispose()
    {
        if (manager is null) return;
        DisposeEverything();
        manager.RemoveDisposeScope(this);
        manager = null;
    }

    /// <summary>Moves what is held here to another scope; where there is none, detaches it.</summary>
    internal void MoveTo(DisposeScope? scope, IDisposable disposable)
    {
        Owner();
        if (scope is null) Detach(disposable);
        else if (held.Remove(disposable)) scope.Take(disposable);
    }

    internal void Register(torch.Tensor tensor) => held.Add(tensor);

    internal void MarkAsDisposed(torch.Tensor tensor)
    {
        Owner();
        held.Remove(tensor);
        tensor.OwningDisposeScope = null;
    }

    private void DisposeHeld(IDisposable[] keep)
    {
        Owner();
        HashSet<IDisposable> before = held;
        held = new HashSet<IDisposable>(keep, ReferenceEqualityComparer.Instance);
        foreach (IDisposable disposable in before)
        {
            if (!held.Contains(disposable)) disposable.Dispose();
        }
    }

    private bool Take(IDisposable disposable)
    {
        torch.Tensor tensor = AsTensor(disposable);
        if (tensor.OwningDisposeScope == this) return false;
        held.Add(tensor);
        tensor.OwningDisposeScope?.held.Remove(tensor);
        tensor.OwningDisposeScope = this;
        return true;
    }

    private DisposeScopeManager Owner() => manager ?? throw new ObjectDisposedException(GetType().FullName);

    private static torch.Tensor AsTensor(IDisposable disposable) =>
        disposable as torch.Tensor ?? throw new InvalidOperationException("A dispose scope can hold tensors only.");
}
