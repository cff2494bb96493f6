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

// softmax(q kᵀ / √D + mask) v. Query (…, L, D), key and value (…, S, D); the causal mask lets position i of the
// query see the positions up to i of the key; a bool mask says what is seen, another kind is added. A row that
// sees nothing gives zeros, as it does in libtorch 2.
static Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor* mask, double p,
                        bool causal) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const int64_t l = query.size(-2), s = key.size(-2);

    // One product of N matrices, N the product of the leading dimensions.
    std::vector<int64_t> lead = at::infer_size(query.sizes().slice(0, query.dim() - 2), key.sizes().slice(0, key.dim() - 2));
    int64_t n = 1;
    for (int64_t size : lead)
        n *= size;
    auto with_lead = [&](int64_t rows, int64_t columns) {
        std::vector<int64_t> shape = lead;
        shape.insert(shape.end(), {rows, columns});
        return shape;
    };
    auto matrices = [&](const Tensor& t) {
        return t.expand(with_lead(t.size(-2), t.size(-1))).reshape({n, t.size(-2), t.size(-1)});
    };

    const double scale = 1.0 / std::sqrt(static_cast<double>(query.size(-1)));
    Tensor q = matrices(query), k = matrices(key).transpose(1, 2), scores, blind;
    if (!causal && mask == nullptr) {
        scores = at::bmm(q * scale, k); // (N, L, S)
    } else {
        Tensor bias; // what is added: (L, S), or the mask's shape
        if (causal) {
            bias = at::full({l, s}, -infinity, query.options().requires_grad(false)).triu_(1);
        } else {
            bias = mask->scalar_type() == at::kBool
                       ? at::zeros_like(*mask, query.options().requires_grad(false)).masked_fill_(mask->logical_not(), -infinity)
                       : mask->to(query.scalar_type());
            Tensor nothing_seen = bias.detach().eq(-infinity).all(-1, true);
            if (nothing_seen.any().item<bool>()) {
                bias = bias.masked_fill(nothing_seen, 0); // so that softmax and its gradient stay finite
                blind = nothing_seen.expand(with_lead(l, 1)).reshape({n, l, 1});
            }
        }
        bias = bias.dim() == 2 ? bias.expand({n, l, s}) : bias.expand(with_lead(l, s)).reshape({n, l, s});
        scores = at::baddbmm(bias, q, k, 1, scale);
    }

    Tensor weights = at::softmax(scores, -1);
    if (blind.defined())
        weights = weights.masked_fill(blind, 0);
    if (p > 0)
        weights = at::dropout(weights, p, true);
    return at::bmm(weights, matrices(value)).view(with_lead(l, value.size(-1)));
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

