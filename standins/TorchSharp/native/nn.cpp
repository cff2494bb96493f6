// What torch.nn.functional offers.
#include "shim.h"

#include <cmath>
#include <limits>

using namespace ts;

TS_API Tensor* ts_linear(const Tensor* input, const Tensor* weight, const Tensor* bias) {
    return make([&] { return at::linear(*input, *weight, maybe(bias)); });
}
TS_API Tensor* ts_layer_norm(const Tensor* input, const int64_t* shape, int64_t n, const Tensor* weight,
                             const Tensor* bias, double eps) {
    return make([&] { return at::layer_norm(*input, ints(shape, n), maybe(weight), maybe(bias), eps); });
}
TS_API Tensor* ts_gelu(const Tensor* t, bool tanh) { return make([&] { return at::gelu(*t, tanh ? "tanh" : "none"); }); }
TS_API int32_t ts_gelu_(Tensor* t, bool tanh) { return run([&] { at::gelu_(*t, tanh ? "tanh" : "none"); }); }
TS_API Tensor* ts_dropout(Tensor* t, double p, bool training, bool inplace) {
    return make([&] { return inplace ? at::dropout_(*t, p, training) : at::dropout(*t, p, training); });
}
TS_API Tensor* ts_cross_entropy(const Tensor* input, const Tensor* target, const Tensor* weight, int64_t ignore_index,
                                int64_t reduction, double label_smoothing) {
    return make([&] {
        return at::cross_entropy_loss(*input, *target, maybe(weight), reduction, ignore_index, label_smoothing);
    });
}
TS_API Tensor* ts_nll_loss(const Tensor* input, const Tensor* target, const Tensor* weight, int64_t reduction) {
    return make([&] { return at::nll_loss(*input, *target, maybe(weight), reduction, -100); });
}
TS_API Tensor* ts_mse_loss(const Tensor* input, const Tensor* target, int64_t reduction) {
    return make([&] { return at::mse_loss(*input, *target, reduction); });
}

#if !TS_TORCH_AT_LEAST(2, 0)

// softmax(q kᵀ / √d + mask) v. Query (…, L, D), key and value (…, S, D); the causal mask lets position i of the
// query see the positions up to i of the key; a bool mask says what is seen, another kind is added. A row that
// sees nothing gives zeros, as it does in libtorch 2.
static Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor* mask, double p,
                        bool causal) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    Tensor scores = at::matmul(query * (1.0 / std::sqrt(static_cast<double>(query.size(-1)))), key.transpose(-2, -1));
    if (causal) {
        // (L, S), true where the key lies ahead of the query
        Tensor hidden = at::ones({query.size(-2), key.size(-2)}, query.options().dtype(at::kBool).requires_grad(false)).triu(1);
        scores = scores.masked_fill_(hidden, -infinity);
    } else if (mask != nullptr) {
        scores = mask->scalar_type() == at::kBool ? scores.masked_fill_(mask->logical_not(), -infinity)
                                                  : scores + *mask;
    }
    Tensor weights = at::softmax(scores, -1);
    if (mask != nullptr) {
        Tensor blind = scores.detach().eq(-infinity).all(-1, true);
        weights = weights.masked_fill(blind, 0);
    }
    if (p > 0)
        weights = at::dropout(weights, p, true);
    return at::matmul(weights, value);
}

#endif

TS_API Tensor* ts_scaled_dot_product_attention(const Tensor* query, const Tensor* key, const Tensor* value,
                                               const Tensor* mask, double p, bool causal) {
    return make([&] {
#if TS_TORCH_AT_LEAST(2, 0)
        return at::scaled_dot_product_attention(*query, *key, *value, maybe(mask), p, causal);
#else
        return attention(*query, *key, *value, mask, p, causal);
#endif
    });
}

