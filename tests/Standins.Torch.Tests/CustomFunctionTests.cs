using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class CustomFunctionTests
{
    private DisposeScope scope = null!;

    [TestInitialize]
    public void Open() => scope = NewDisposeScope();

    [TestCleanup]
    public void Close() => scope.Dispose();

    [TestMethod]
    public void A_function_of_ones_own_has_the_gradient_that_it_says()
    {
        Tensor x = tensor(new float[] { 1, 2, 3 }).requires_grad_();
        Tensor y = ScaledCube.apply(x, 2.0);
        Values.AreEqual([2, 16, 54], y);
        Assert.IsTrue(y.requires_grad);
        y.sum().backward();
        Values.AreEqual([6, 24, 54], x.grad!); // 2 · 3x²
    }

    [TestMethod]
    public void Its_result_is_not_recorded_where_nothing_asks_for_a_gradient() =>
        Assert.IsFalse(ScaledCube.apply(ones(3), 2.0).requires_grad);

    [TestMethod]
    public void A_segment_computed_again_in_backward_has_the_same_gradients()
    {
        manual_seed(3);
        Tensor x = randn(5, 4).requires_grad_(), w = randn(4, 4).requires_grad_();
        static List<Tensor> Segment(Tensor a, Tensor b) => [a.mm(b).tanh(), a.exp()];

        List<Tensor> direct = Segment(x, w);
        (direct[0].square().sum() + direct[1].sum()).backward();
        float[] dx = Values.Of(x.grad!), dw = Values.Of(w.grad!);
        x.grad = null;
        w.grad = null;

        Checkpoint.Body = Segment;
        List<Tensor> outputs = Checkpoint.apply(x, w);
        (outputs[0].square().sum() + outputs[1].sum()).backward();
        Values.AreEqual(dx, x.grad!);
        Values.AreEqual(dw, w.grad!);
    }

    [TestMethod]
    public void A_gradient_that_never_came_arrives_as_zeros()
    {
        Tensor x = ones(2, 2).requires_grad_(), w = ones(2, 2).requires_grad_();
        Checkpoint.Body = static (a, b) => [a.mm(b), a * 3];
        Checkpoint.apply(x, w)[1].sum().backward();
        Values.AreEqual([3, 3, 3, 3], x.grad!);
        Values.AreEqual([0, 0, 0, 0], w.grad!);
    }

    [TestMethod]
    public void What_forward_throws_reaches_the_caller()
    {
        InvalidTimeZoneException e = Assert.ThrowsExactly<InvalidTimeZoneException>(() => ThrowsInForward.apply(ones(1).requires_grad_()));
        Assert.AreEqual("from forward", e.Message);
    }

    [TestMethod]
    public void The_graph_lets_go_of_the_call_when_it_dies()
    {
        WeakReference state = Run();
        for (int i = 0; i < 50 && state.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.IsFalse(state.IsAlive);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference Run()
        {
            using DisposeScope inner = NewDisposeScope();
            var data = new object();
            Tensor x = ones(2).requires_grad_();
            KeepsData.apply(x, data).sum().backward();
            Values.AreEqual([1, 1], x.grad!);
            return new WeakReference(data);
        }
    }

    private sealed class ScaledCube : autograd.SingleTensorFunction<ScaledCube>
    {
        public override string Name => nameof(ScaledCube);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            ctx.save_for_backward([x]);
            ctx.save_data("factor", vars[1]);
            return x.pow(3) * (double)vars[1];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            Tensor x = ctx.get_saved_variables()[0];
            return [grad_output * x.square() * (3 * (double)ctx.get_data("factor")), null!];
        }
    }

    private sealed class Checkpoint : autograd.MultiTensorFunction<Checkpoint>
    {
        public static Func<Tensor, Tensor, List<Tensor>> Body { get; set; } = null!;

        public override string Name => nameof(Checkpoint);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            Assert.IsFalse(is_grad_enabled());
            var inputs = vars.Cast<Tensor>().ToList();
            ctx.save_for_backward(inputs);
            return Body(inputs[0], inputs[1]);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            List<Tensor> saved = [.. ctx.get_saved_variables().Select(t => t.detach().requires_grad_())];
            using (enable_grad())
            {
                autograd.backward(Body(saved[0], saved[1]), grad_outputs);
            }

            return [.. saved.Select(t => t.grad!)];
        }
    }

    private sealed class ThrowsInForward : autograd.SingleTensorFunction<ThrowsInForward>
    {
        public override string Name => nameof(ThrowsInForward);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) => throw new InvalidTimeZoneException("from forward");

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => throw new NotSupportedException();
    }

    private sealed class KeepsData : autograd.SingleTensorFunction<KeepsData>
    {
        public override string Name => nameof(KeepsData);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            ctx.save_data("data", vars[1]);
            return (Tensor)vars[0] * 1;
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [grad_output, null!];
    }
}
