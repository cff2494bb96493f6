namespace TorchSharp;

public static partial class torch
{
    public enum RoundingMode
    {
        None,
        trunc,
        floor,
    }

    // Element by element.
    public partial class Tensor
    {
        public Tensor abs() => Own(Native.ts_abs(Handle), this);

        public Tensor neg() => Own(Native.ts_neg(Handle), this);

        public Tensor sqrt() => Own(Native.ts_sqrt(Handle), this);

        public Tensor rsqrt() => Own(Native.ts_rsqrt(Handle), this);

        public Tensor exp() => Own(Native.ts_exp(Handle), this);

        public Tensor log() => Own(Native.ts_log(Handle), this);

        public Tensor tanh() => Own(Native.ts_tanh(Handle), this);

        public Tensor sigmoid() => Own(Native.ts_sigmoid(Handle), this);

        public Tensor reciprocal() => Own(Native.ts_reciprocal(Handle), this);

        public Tensor square() => Own(Native.ts_square(Handle), this);

        public Tensor isfinite() => Own(Native.ts_isfinite(Handle), this);

        public Tensor isnan() => Own(Native.ts_isnan(Handle), this);

        public Tensor logical_not() => Own(Native.ts_logical_not(Handle), this);

        public Tensor neg_() => Done(Native.ts_neg_(Handle));

        public Tensor sqrt_() => Done(Native.ts_sqrt_(Handle));

        public Tensor exp_() => Done(Native.ts_exp_(Handle));

        public Tensor add(Tensor target) => add(target, 1);

        public Tensor add(Tensor target, Scalar alpha) => Own(Native.ts_add(Handle, target.Handle, alpha.Number), this, target);

        public Tensor add(Scalar scalar) => Own(Native.ts_add_scalar(Handle, scalar.Number, One), this);

        public Tensor add_(Tensor target) => add_(target, 1);

        public Tensor add_(Tensor target, Scalar alpha) => Done(Native.ts_add_(Handle, target.Handle, alpha.Number), target);

        public Tensor add_(Scalar scalar) => Done(Native.ts_add_scalar_(Handle, scalar.Number, One));

        public Tensor sub(Tensor target) => Own(Native.ts_sub(Handle, target.Handle, One), this, target);

        public Tensor sub(Scalar target) => Own(Native.ts_sub_scalar(Handle, target.Number, One), this);

        public Tensor sub_(Tensor target) => Done(Native.ts_sub_(Handle, target.Handle, One), target);

        public Tensor sub_(Scalar target) => Done(Native.ts_sub_scalar_(Handle, target.Number, One));

        public Tensor mul(Tensor target) => Own(Native.ts_mul(Handle, target.Handle), this, target);

        public Tensor mul(Scalar target) => Own(Native.ts_mul_scalar(Handle, target.Number), this);

        public Tensor mul_(Tensor target) => Done(Native.ts_mul_(Handle, target.Handle), target);

        public Tensor mul_(Scalar target) => Done(Native.ts_mul_scalar_(Handle, target.Number));

        public Tensor div(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            Own(Native.ts_div(Handle, target.Handle, (int)rounding_mode), this, target);

        public Tensor div(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            Own(Native.ts_div_scalar(Handle, target.Number, (int)rounding_mode), this);

        public Tensor div_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            Done(Native.ts_div_(Handle, target.Handle, (int)rounding_mode), target);

        public Tensor div_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            Done(Native.ts_div_scalar_(Handle, target.Number, (int)rounding_mode));

        public Tensor pow(Tensor exponent) => Own(Native.ts_pow(Handle, exponent.Handle), this, exponent);

        public Tensor pow(Scalar exponent) => Own(Native.ts_pow_scalar(Handle, exponent.Number), this);

        public Tensor maximum(Tensor other) => Own(Native.ts_maximum(Handle, other.Handle), this, other);

        public Tensor minimum(Tensor other) => Own(Native.ts_minimum(Handle, other.Handle), this, other);

        public Tensor logical_and(Tensor other) => Own(Native.ts_logical_and(Handle, other.Handle), this, other);

        public Tensor logical_or(Tensor other) => Own(Native.ts_logical_or(Handle, other.Handle), this, other);

        public Tensor addcmul(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Own(Native.ts_addcmul(Handle, tensor1.Handle, tensor2.Handle, value.Number), this, tensor1, tensor2);

        public Tensor addcmul_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Done(Native.ts_addcmul_(Handle, tensor1.Handle, tensor2.Handle, value.Number), tensor1, tensor2);

        public Tensor addcdiv(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Own(Native.ts_addcdiv(Handle, tensor1.Handle, tensor2.Handle, value.Number), this, tensor1, tensor2);

        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Done(Native.ts_addcdiv_(Handle, tensor1.Handle, tensor2.Handle, value.Number), tensor1, tensor2);

        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2) => addcdiv_(tensor1, tensor2, 1);

        public Tensor lerp_(Tensor end, Tensor weight) => Done(Native.ts_lerp_(Handle, end.Handle, weight.Handle), end, weight);

        public Tensor clamp(Scalar? min = null, Scalar? max = null) =>
            Own(Native.ts_clamp(Handle, Scalar.OrNone(min), Scalar.OrNone(max)), this);

        public Tensor clamp(Tensor? min = null, Tensor? max = null) =>
            Own(Native.ts_clamp_tensor(Handle, HandleOrNull(min), HandleOrNull(max)), this, min, max);

        public Tensor clamp_(Scalar? min = null, Scalar? max = null) =>
            Done(Native.ts_clamp_(Handle, Scalar.OrNone(min), Scalar.OrNone(max)));

        public Tensor clamp_max(Scalar max) => Own(Native.ts_clamp(Handle, Scalar.OrNone(null), max.Number), this);

        public Tensor clamp_max_(Scalar max) => Done(Native.ts_clamp_(Handle, Scalar.OrNone(null), max.Number));

        public Tensor clamp_min(Scalar min) => Own(Native.ts_clamp(Handle, min.Number, Scalar.OrNone(null)), this);

        public Tensor clamp_min_(Scalar min) => Done(Native.ts_clamp_(Handle, min.Number, Scalar.OrNone(null)));

        public Tensor masked_fill(Tensor mask, Scalar value) =>
            Own(Native.ts_masked_fill(Handle, mask.Handle, value.Number), this, mask);

        public Tensor masked_fill_(Tensor mask, Scalar value) =>
            Done(Native.ts_masked_fill_(Handle, mask.Handle, value.Number), mask);

        internal Tensor where(Tensor condition, Tensor y) =>
            Own(Native.ts_where(condition.Handle, Handle, y.Handle), this, condition, y);

        public Tensor tril(long diagonal = 0) => Own(Native.ts_tril(Handle, diagonal), this);

        public Tensor triu(long diagonal = 0) => Own(Native.ts_triu(Handle, diagonal), this);

        private static Number One => new(0, 1);
    }
}
