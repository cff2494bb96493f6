using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class ArithmeticTests
{
    private static Tensor X => tensor(new float[] { 1, 2, 4 });

    [TestMethod]
    public void Operators_take_tensors_and_numbers_on_either_side()
    {
        Values.AreEqual([2, 4, 8], X + X);
        Values.AreEqual([2, 3, 5], X + 1);
        Values.AreEqual([2, 3, 5], X + 1L);
        Values.AreEqual([1.5f, 2.5f, 4.5f], X + 0.5f);
        Values.AreEqual([1.5f, 2.5f, 4.5f], X + 0.5);
        Values.AreEqual([2, 3, 5], 1 + X);
        Values.AreEqual([1.5f, 2.5f, 4.5f], 0.5f + X);
        Values.AreEqual([1.5f, 2.5f, 4.5f], 0.5 + X);
        Values.AreEqual([0, 0, 0], X - X);
        Values.AreEqual([0, 1, 3], X - 1);
        Values.AreEqual([0.5f, 1.5f, 3.5f], X - 0.5f);
        Values.AreEqual([0.5f, 1.5f, 3.5f], X - 0.5);
        Values.AreEqual([0, -1, -3], 1 - X);
        Values.AreEqual([-0.5f, -1.5f, -3.5f], 0.5f - X);
        Values.AreEqual([-0.5f, -1.5f, -3.5f], 0.5 - X);
        Values.AreEqual([1, 4, 16], X * X);
        Values.AreEqual([3, 6, 12], X * 3);
        Values.AreEqual([0.5f, 1, 2], X * 0.5f);
        Values.AreEqual([0.5f, 1, 2], X * 0.5);
        Values.AreEqual([3, 6, 12], 3 * X);
        Values.AreEqual([0.5f, 1, 2], 0.5f * X);
        Values.AreEqual([0.5f, 1, 2], 0.5 * X);
        Values.AreEqual([1, 1, 1], X / X);
        Values.AreEqual([0.5f, 1, 2], X / 2);
        Values.AreEqual([0.5f, 1, 2], X / 2f);
        Values.AreEqual([0.5f, 1, 2], X / 2.0);
        Values.AreEqual([2, 1, 0.5f], 2 / X);
        Values.AreEqual([2, 1, 0.5f], 2f / X);
        Values.AreEqual([2, 1, 0.5f], 2.0 / X);
        Values.AreEqual([-1, -2, -4], -X);
    }

    [TestMethod]
    public void Operators_take_scalars_and_long_numbers()
    {
        Scalar two = 2;
        Values.AreEqual([3, 4, 6], X + two);
        Values.AreEqual([3, 4, 6], two + X);
        Values.AreEqual([-1, 0, 2], X - two);
        Values.AreEqual([1, 0, -2], two - X);
        Values.AreEqual([2, 4, 8], X * two);
        Values.AreEqual([2, 4, 8], two * X);
        Values.AreEqual([0.5f, 1, 2], X / two);
        Values.AreEqual([2, 1, 0.5f], two / X);
        Values.AreEqual([3, 4, 6], 2L + X);
        Values.AreEqual([-1, 0, 2], X - 2L);
        Values.AreEqual([1, 0, -2], 2L - X);
        Values.AreEqual([2, 4, 8], X * 2L);
        Values.AreEqual([2, 4, 8], 2L * X);
        Values.AreEqual([0.5f, 1, 2], X / 2L);
        Values.AreEqual([2, 1, 0.5f], 2L / X);
        Values.AreEqual([0, 0, 1], two < X);
        Values.AreEqual([0, 1, 1], two <= X);
        Values.AreEqual([1, 0, 0], two > X);
        Values.AreEqual([1, 1, 0], two >= X);
        Values.AreEqual([0, 1, 0], two == X);
        Values.AreEqual([1, 0, 1], two != X);
    }

    [TestMethod]
    public void Methods_do_what_the_operators_do()
    {
        Tensor y = full(3, 2f);
        Values.AreEqual([3, 4, 6], X.add(y));
        Values.AreEqual([5, 6, 8], X.add(y, 2));
        Values.AreEqual([3, 4, 6], X.add(2));
        Values.AreEqual([-1, 0, 2], X.sub(y));
        Values.AreEqual([-1, 0, 2], X.sub(2));
        Values.AreEqual([2, 4, 8], X.mul(y));
        Values.AreEqual([2, 4, 8], X.mul(2));
        Values.AreEqual([0.5f, 1, 2], X.div(y));
        Values.AreEqual([-1, -2, -4], X.neg());
        Values.AreEqual([0, 1, 0], X.eq(y));
        Values.AreEqual([1, 0, 1], X.ne(y));
        Values.AreEqual([0, 1, 1], X.ge(y));
        Values.AreEqual([0, 0, 1], X.gt(y));
        Values.AreEqual([0, 0, 1], X.gt(2));
        Values.AreEqual([1, 1, 0], X.le(y));
        Values.AreEqual([1, 1, 0], X.le(2));
        Values.AreEqual([1, 0, 0], X.lt(y));
    }

    [TestMethod]
    public void Numbers_become_tensors_where_one_is_wanted()
    {
        Tensor whole = 3, wide = 3L, single = 3f, real = 3.0, truth = true;
        CollectionAssert.AreEqual(
            new[] { ScalarType.Int32, ScalarType.Int64, ScalarType.Float32, ScalarType.Float64, ScalarType.Bool },
            new[] { whole, wide, single, real, truth }.Select(t => t.dtype).ToArray());
        Assert.IsTrue(new[] { whole, wide, single, real }.All(t => t.ndim == 0 && t.to(ScalarType.Int64).item<long>() == 3));
        Assert.IsTrue(truth.item<bool>());
    }

    [TestMethod]
    public void Conversions_that_only_steer_the_choice_of_an_overload_refuse_to_run()
    {
        Scalar scalar = 1;
        Assert.ThrowsExactly<InvalidOperationException>(() => { Tensor t = scalar; });
        Assert.ThrowsExactly<InvalidOperationException>(() => { Tensor t = TensorIndex.None; });
    }

    [TestMethod]
    public void Comparisons_give_truths()
    {
        Tensor y = tensor(new float[] { 2, 2, 2 });
        Assert.AreEqual(ScalarType.Bool, (X > y).dtype);
        Values.AreEqual([0, 0, 1], X > y);
        Values.AreEqual([0, 1, 1], X >= y);
        Values.AreEqual([1, 0, 0], X < y);
        Values.AreEqual([1, 1, 0], X <= y);
        Values.AreEqual([0, 1, 0], X == y);
        Values.AreEqual([1, 0, 1], X != y);
        Values.AreEqual([0, 0, 1], X > 2);
        Values.AreEqual([1, 1, 0], X <= 2);
        Values.AreEqual([0, 1, 0], X.eq(2));
        Values.AreEqual([1, 0, 1], X.ne(2));
        Values.AreEqual([0, 1, 1], X.ge(2));
        Values.AreEqual([1, 0, 0], X.lt(2));
        Values.AreEqual([1, 0, 1], (X > 2).logical_or(X < 2));
        Values.AreEqual([0, 0, 0], (X > 2).logical_and(X < 2));
        Values.AreEqual([1, 1, 0], (X > 2).logical_not());
        Assert.IsTrue(X.Equals(X.clone()));
        Assert.IsFalse(X.Equals(y));
        Assert.IsTrue(X.allclose(X + 1e-7));
        Assert.IsFalse(allclose(X, y));
    }

    [TestMethod]
    public void Operations_in_place_change_the_tensor_and_return_it()
    {
        Tensor x = X;
        Assert.AreSame(x, x.add_(1).sub_(1).mul_(2).div_(2));
        Values.AreEqual([1, 2, 4], x);
        Values.AreEqual([1.5f, 3, 6], x.add_(X, 0.5));
        Values.AreEqual([0.5f, 1, 2], x.sub_(X));
        Values.AreEqual([0.5f, 2, 8], x.mul_(X));
        Values.AreEqual([0.5f, 1, 2], x.div_(X));
        Values.AreEqual([2.5f, 9, 34], x.addcmul_(X, X, 2));
        Values.AreEqual([3.5f, 10, 35], x.addcdiv_(X, X));
        Values.AreEqual([3, 9.5f, 34.5f], x.addcdiv_(X, X, -0.5));
        Values.AreEqual([2, 5.75f, 19.25f], x.lerp_(X, tensor(0.5f)));
        Values.AreEqual([3, 5.75f, 10], x.clamp_(3, 10));
        Values.AreEqual([4, 5.75f, 10], x.clamp_min_(4));
        Values.AreEqual([4, 5, 5], x.clamp_max_(5));
        Values.AreEqual([2, 2.236068f, 2.236068f], x.sqrt_(), 1e-6f);
        Values.AreEqual([-2, -2.236068f, -2.236068f], x.neg_(), 1e-6f);
        Values.AreEqual([0, 9, 9], x.fill_(9).masked_fill_(X == 1, 0));
        Values.AreEqual([1, 1, 1], x.zero_().exp_());
    }

    [TestMethod]
    public void What_zeroing_returns_is_a_second_handle_to_the_tensor()
    {
        Tensor x = X;
        long before = Tensor.TotalCount;
        Tensor again = x.zero_();
        Assert.AreEqual(before + 1, Tensor.TotalCount);
        again.add_(1);
        Values.AreEqual([1, 1, 1], x);
    }

    [TestMethod]
    public void Functions_have_their_values()
    {
        Values.AreEqual([1, MathF.Sqrt(2), 2], X.sqrt(), 1e-7f);
        Values.AreEqual([1, 1 / MathF.Sqrt(2), 0.5f], X.rsqrt(), 1e-7f);
        Values.AreEqual([1, 4, 16], X.square());
        Values.AreEqual([1, 8, 64], X.pow(3));
        Values.AreEqual([1, 4, 256], X.pow(X));
        Values.AreEqual([0, MathF.Log(2), MathF.Log(4)], X.log(), 1e-7f);
        Values.AreEqual([0, MathF.Log(2), MathF.Log(4)], log(X), 1e-7f);
        Values.AreEqual([MathF.E, MathF.Exp(2), MathF.Exp(4)], X.exp(), 1e-5f);
        Values.AreEqual([MathF.E, MathF.Exp(2), MathF.Exp(4)], exp(X), 1e-5f);
        Values.AreEqual([MathF.Tanh(1), MathF.Tanh(2), MathF.Tanh(4)], X.tanh(), 1e-7f);
        Values.AreEqual([1 / (1 + MathF.Exp(-1)), 1 / (1 + MathF.Exp(-2)), 1 / (1 + MathF.Exp(-4))], X.sigmoid(), 1e-7f);
        Values.AreEqual([1, 0.5f, 0.25f], X.reciprocal());
        Values.AreEqual([2, 1, 1], (X - 3).abs());
        Values.AreEqual([2, 2, 4], X.maximum(tensor(2f)));
        Values.AreEqual([1, 2, 2], X.minimum(tensor(2f)));
        Values.AreEqual([2, 2, 3], X.clamp(2, 3));
        Values.AreEqual([1, 2, 2], X.clamp(max: tensor(2f)));
        Values.AreEqual([2, 2, 4], X.clamp_min(2));
        Values.AreEqual([1, 2, 2], X.clamp_max(2));
        Values.AreEqual([1, 0, 4], X.masked_fill(X == 2, 0));
        Values.AreEqual([1, -2, -4], where(X > 1, -X, X));
        Values.AreEqual([1, 1, 0], tensor([1f, float.MaxValue, float.NaN]).isfinite());
        Values.AreEqual([0, 0, 1], tensor([1f, float.MaxValue, float.NaN]).isnan());
        Values.AreEqual([-1, -1, -2], (-X).div(2, RoundingMode.floor));
        Values.AreEqual([0, -1, -2], (-X).div(2, RoundingMode.trunc));
        Values.AreEqual([0, -1, -2], (-X).div(full(3, 2f), RoundingMode.trunc));
    }

    [TestMethod]
    public void Numbers_become_scalars_of_their_kind()
    {
        Scalar whole = 3, real = 0.5, single = 0.5f, truth = true, wide = 3L;
        Assert.AreEqual(ScalarType.Int64, whole.Type);
        Assert.AreEqual(ScalarType.Int64, wide.Type);
        Assert.AreEqual(ScalarType.Float64, real.Type);
        Assert.AreEqual(ScalarType.Float64, single.Type);
        Assert.AreEqual(ScalarType.Bool, truth.Type);

        // A whole number doesn't widen a tensor of whole numbers; a real one does.
        Assert.AreEqual(ScalarType.Int32, (tensor(new[] { 1, 2 }) * whole).dtype);
        Assert.AreEqual(ScalarType.Float32, (tensor(new[] { 1, 2 }) * real).dtype);
        Assert.AreEqual(ScalarType.Float64, ones(1, ScalarType.Float64).sum().ToScalar().Type);
    }
}
