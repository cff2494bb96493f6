namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public enum Reduction : long
        {
            None = 0,
            Mean = 1,
            Sum = 2,
        }

        public static class functional
        {
            public static Tensor linear(Tensor input, Tensor weights, Tensor? bias = null) =>
                Tensor.Own(Native.ts_linear(input.Handle, weights.Handle, Tensor.HandleOrNull(bias)), input, weights, bias);

            public static unsafe Tensor layer_norm(Tensor input, long[] normalized_shape, Tensor? weight = null, Tensor? bias = null, double eps = 1e-5)
            {
                fixed (long* shape = normalized_shape)
                {
                    return Tensor.Own(
                        Native.ts_layer_norm(input.Handle, shape, normalized_shape.Length, Tensor.HandleOrNull(weight), Tensor.HandleOrNull(bias), eps),
                        input,
                        weight,
                        bias);
                }
            }

            public static Tensor gelu(Tensor x) => Tensor.Own(Native.ts_gelu(x.Handle, false), x);

            public static Tensor gelu(Tensor x, Modules.GELU.Approximate approximate, bool inplace = false)
            {
                bool tanh = approximate == Modules.GELU.Approximate.tanh;
                if (!inplace) return Tensor.Own(Native.ts_gelu(x.Handle, tanh), x);
                Native.Check(Native.ts_gelu_(x.Handle, tanh));
                return x.alias();
            }

            public static Tensor dropout(Tensor input, double p = 0.5, bool training = true, bool inplace = false) =>
                Tensor.Own(Native.ts_dropout(input.Handle, p, training, inplace), input);

            public static Tensor softmax(Tensor input, long dim, ScalarType? dtype = null) => input.softmax(dim, dtype);

            public static Tensor log_softmax(Tensor x, long dim) => x.log_softmax(dim);

            public static Tensor cross_entropy(Tensor input, Tensor target, Tensor? weight = null, long ignore_index = -100, Reduction reduction = Reduction.Mean, double label_smoothing = 0.0) =>
                Tensor.Own(
                    Native.ts_cross_entropy(input.Handle, target.Handle, Tensor.HandleOrNull(weight), ignore_index, (long)reduction, label_smoothing),
                    input,
                    target,
                    weight);

            public static Tensor nll_loss(Tensor input, Tensor target, Tensor? weight = null, Reduction reduction = Reduction.Mean) =>
                Tensor.Own(Native.ts_nll_loss(input.Handle, target.Handle, Tensor.HandleOrNull(weight), (long)reduction), input, target, weight);

            public static Tensor mse_loss(Tensor input, Tensor target, Reduction reduction = Reduction.Mean) =>
                Tensor.Own(Native.ts_mse_loss(input.Handle, target.Handle, (long)reduction), input, target);

            public static Tensor scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask = null, double p = 0.0, bool is_casual = false)
            {
                if (p < 0) throw new ArgumentException("Dropout probability must be greater than or equal to zero.");
                if (is_casual && attn_mask is not null) throw new ArgumentException("Casual attention masking cannot pass a mask.");
                return Tensor.Own(
                    Native.ts_scaled_dot_product_attention(query.Handle, key.Handle, value.Handle, Tensor.HandleOrNull(attn_mask), p, is_casual),
                    query,
                    key,
                    value,
                    attn_mask);
            }
        }
    }
}
