using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class DisposeScopeTests
{
    [TestMethod]
    public void A_scope_disposes_the_tensors_that_were_made_in_it()
    {
        Tensor outside = zeros(2), inside;
        using (NewDisposeScope())
        {
            inside = outside + 1;
            Assert.IsFalse(inside.IsInvalid);
        }

        Assert.IsTrue(inside.IsInvalid);
        Assert.IsFalse(outside.IsInvalid);
        outside.Dispose();
        Assert.IsTrue(outside.IsInvalid);
    }

    [TestMethod]
    public void A_tensor_moved_out_belongs_to_the_scope_around()
    {
        Tensor moved;
        using (DisposeScope outer = NewDisposeScope())
        {
            using (DisposeScope inner = NewDisposeScope())
            {
                moved = zeros(1).MoveToOuterDisposeScope();
                Assert.IsFalse(inner.Contains(moved));
            }

            Assert.IsFalse(moved.IsInvalid);
            Assert.IsTrue(outer.Contains(moved));
            Assert.AreSame(outer, CurrentDisposeScope);
        }

        Assert.IsTrue(moved.IsInvalid);
        Assert.IsNull(CurrentDisposeScope);
    }

    [TestMethod]
    public void A_scope_moves_one_two_or_three_tensors_out()
    {
        using DisposeScope outer = NewDisposeScope();
        Tensor one, two, three, four, five, six;
        using (DisposeScope inner = NewDisposeScope())
        {
            one = inner.MoveToOuter(zeros(1));
            (two, three) = inner.MoveToOuter(zeros(1), zeros(1));
            (four, five, six) = inner.MoveToOuter(zeros(1), zeros(1), zeros(1));
        }

        Assert.AreEqual(6, outer.DisposablesCount);
        CollectionAssert.AreEquivalent(new IDisposable[] { one, two, three, four, five, six }, outer.DisposablesView.ToArray());
    }

    [TestMethod]
    public void A_detached_tensor_outlives_every_scope_and_can_be_attached_again()
    {
        Tensor kept;
        using (NewDisposeScope())
        {
            kept = zeros(1).DetachFromDisposeScope();
        }

        Assert.IsFalse(kept.IsInvalid);
        using (DisposeScope scope = NewDisposeScope())
        {
            scope.Attach(kept);
            Assert.AreSame(kept, scope.Detach(kept));
            Assert.IsFalse(scope.Contains(kept));
            scope.Attach(kept);
        }

        Assert.IsTrue(kept.IsInvalid);
    }

    [TestMethod]
    public void Moving_out_of_the_outermost_scope_detaches()
    {
        Tensor kept;
        using (NewDisposeScope()) kept = zeros(1).MoveToOuterDisposeScope();
        Assert.IsFalse(kept.IsInvalid);
        kept.Dispose();
    }

    [TestMethod]
    public void A_tensor_moves_to_the_scope_of_another()
    {
        using DisposeScope outer = NewDisposeScope();
        Tensor anchor = zeros(1), moved;
        using (NewDisposeScope()) moved = zeros(1).MoveToOtherDisposeScope(anchor);
        Assert.IsTrue(outer.Contains(moved));
    }

    [TestMethod]
    public void A_scope_can_be_emptied_but_for_one()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor dropped = zeros(1), kept = zeros(1);
        scope.DisposeEverythingBut(kept);
        Assert.IsTrue(dropped.IsInvalid);
        Assert.IsFalse(kept.IsInvalid);
        scope.DisposeEverything();
        Assert.IsTrue(kept.IsInvalid);
    }

    [TestMethod]
    public void A_disposed_tensor_leaves_its_scope()
    {
        using DisposeScope scope = NewDisposeScope();
        zeros(1).Dispose();
        Assert.AreEqual(0, scope.DisposablesCount);
    }

    [TestMethod]
    public void A_disposed_scope_refuses_work()
    {
        DisposeScope scope = NewDisposeScope();
        scope.Dispose();
        scope.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => scope.DisposeEverything());
    }

    [TestMethod]
    public void Scopes_disposed_out_of_order_leave_the_chain_whole()
    {
        DisposeScope outer = NewDisposeScope();
        DisposeScope middle = NewDisposeScope();
        DisposeScope inner = NewDisposeScope();
        middle.Dispose();
        Assert.AreSame(inner, CurrentDisposeScope);
        inner.Dispose();
        Assert.AreSame(outer, CurrentDisposeScope);
        outer.Dispose();
        Assert.IsNull(CurrentDisposeScope);
    }

    [TestMethod]
    public void A_scope_is_its_threads_own()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? elsewhere = null;
        var thread = new Thread(() =>
        {
            Assert.IsNull(CurrentDisposeScope);
            elsewhere = zeros(1);
        });
        thread.Start();
        thread.Join();
        Assert.IsFalse(scope.Contains(elsewhere!));
        elsewhere!.Dispose();
    }

    [TestMethod]
    public void An_expression_can_be_wrapped_in_a_scope()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor result = WrappedTensorDisposeScope(() => (zeros(2) + 1) * 3);
        Assert.AreEqual(1, scope.DisposablesCount);
        Values.AreEqual([3, 3], result);
    }

    [TestMethod]
    public void The_statistics_of_the_thread_count_every_birth_and_death()
    {
        ThreadDisposeScopeStatistics statistics = DisposeScopeManager.Statistics;
        statistics.Reset();
        Tensor outside = zeros(1);
        Tensor detached;
        using (DisposeScope scope = NewDisposeScope())
        {
            _ = zeros(1);
            detached = zeros(1).DetachFromDisposeScope();
            scope.Attach(outside);
        }

        Assert.AreEqual(1, statistics.CreatedOutsideScopeCount);
        Assert.AreEqual(2, statistics.CreatedInScopeCount);
        Assert.AreEqual(1, statistics.DetachedFromScopeCount);
        Assert.AreEqual(1, statistics.AttachedToScopeCount);
        Assert.AreEqual(2, statistics.DisposedInScopeCount);
        Assert.AreEqual(0, statistics.DisposedOutsideScopeCount);
        Assert.AreEqual(1, statistics.ThreadTotalLiveCount);
        detached.Dispose();
        Assert.AreEqual(1, statistics.DisposedOutsideScopeCount);
        Assert.AreEqual(0, statistics.ThreadTotalLiveCount);
    }

    [TestMethod]
    public void The_count_of_live_tensors_rises_and_falls()
    {
        long before = Tensor.TotalCount;
        using (NewDisposeScope())
        {
            _ = zeros(1) + 1;
            Assert.AreEqual(before + 2, Tensor.TotalCount);
        }

        Assert.AreEqual(before, Tensor.TotalCount);
        Assert.IsGreaterThanOrEqualTo(before + 2, Tensor.PeakCount);
    }

    [TestMethod]
    public void The_garbage_collector_frees_what_nobody_disposed()
    {
        long before = Tensor.TotalCount;
        Drop();
        for (int i = 0; i < 50 && Tensor.TotalCount > before; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.IsLessThanOrEqualTo(before, Tensor.TotalCount);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Drop()
        {
            for (int i = 0; i < 100; i++) _ = zeros(10);
        }
    }
}
