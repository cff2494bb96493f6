// Element by element: arithmetic, functions, comparisons.
#include "shim.h"

using namespace ts;

#define UNARY(name) \
    TS_API Tensor* ts_##name(const Tensor* t) { return make([&] { return t->name(); }); }
#define UNARY_(name) \
    TS_API int32_t ts_##name##_(Tensor* t) { return run([&] { t->name##_(); }); }

UNARY(abs)
UNARY(neg) UNARY_(neg)
UNARY(sqrt) UNARY_(sqrt)
UNARY(exp) UNARY_(exp)
UNARY(rsqrt)
UNARY(log)
UNARY(tanh)
UNARY(sigmoid)
UNARY(reciprocal)
UNARY(square)
UNARY(isfinite)
UNARY(isnan)
UNARY(logical_not)

#define BINARY(name) \
    TS_API Tensor* ts_##name(const Tensor* a, const Tensor* b) { return make([&] { return a->name(*b); }); }
#define BINARY_(name) \
    TS_API int32_t ts_##name##_(Tensor* a, const Tensor* b) { return run([&] { a->name##_(*b); }); }
#define SCALAR(name) \
    TS_API Tensor* ts_##name##_scalar(const Tensor* a, Scalar b) { return make([&] { return a->name(b.get()); }); }
#define SCALAR_(name) \
    TS_API int32_t ts_##name##_scalar_(Tensor* a, Scalar b) { return run([&] { a->name##_(b.get()); }); }

BINARY(mul) BINARY_(mul) SCALAR(mul) SCALAR_(mul)
BINARY(pow) SCALAR(pow)
BINARY(maximum)
BINARY(minimum)
BINARY(logical_and)
BINARY(logical_or)
BINARY(eq) SCALAR(eq)
BINARY(ne) SCALAR(ne)
BINARY(lt) SCALAR(lt)
BINARY(le) SCALAR(le)
BINARY(gt) SCALAR(gt)
BINARY(ge) SCALAR(ge)

// Addition and subtraction take a factor on the second operand.
#define SCALED(name)                                                                                              \
    TS_API Tensor* ts_##name(const Tensor* a, const Tensor* b, Scalar alpha)                                      \
    { return make([&] { return a->name(*b, alpha.get()); }); }                                                    \
    TS_API int32_t ts_##name##_(Tensor* a, const Tensor* b, Scalar alpha)                                         \
    { return run([&] { a->name##_(*b, alpha.get()); }); }                                                         \
    TS_API Tensor* ts_##name##_scalar(const Tensor* a, Scalar b, Scalar alpha)                                    \
    { return make([&] { return a->name(b.get(), alpha.get()); }); }                                               \
    TS_API int32_t ts_##name##_scalar_(Tensor* a, Scalar b, Scalar alpha)                                         \
    { return run([&] { a->name##_(b.get(), alpha.get()); }); }

SCALED(add)
SCALED(sub)

// Division may round: 0 not at all, 1 towards zero, 2 down.
static optional<c10::string_view> rounding(int32_t mode) {
    if (mode == 0)
        return {};
    return optional<c10::string_view>(mode == 1 ? "trunc" : "floor");
}
TS_API Tensor* ts_div(const Tensor* a, const Tensor* b, int32_t mode) {
    return make([&] { return a->div(*b, rounding(mode)); });
}
TS_API int32_t ts_div_(Tensor* a, const Tensor* b, int32_t mode) {
    return run([&] { a->div_(*b, rounding(mode)); });
}
TS_API Tensor* ts_div_scalar(const Tensor* a, Scalar b, int32_t mode) {
    return make([&] { return a->div(b.get(), rounding(mode)); });
}
TS_API int32_t ts_div_scalar_(Tensor* a, Scalar b, int32_t mode) {
    return run([&] { a->div_(b.get(), rounding(mode)); });
}

#define FUSED(name)                                                                                               \
    TS_API Tensor* ts_##name(const Tensor* t, const Tensor* a, const Tensor* b, Scalar value)                     \
    { return make([&] { return t->name(*a, *b, value.get()); }); }                                                \
    TS_API int32_t ts_##name##_(Tensor* t, const Tensor* a, const Tensor* b, Scalar value)                        \
    { return run([&] { t->name##_(*a, *b, value.get()); }); }

FUSED(addcmul)
FUSED(addcdiv)

TS_API int32_t ts_lerp_(Tensor* t, const Tensor* end, const Tensor* weight) {
    return run([&] { t->lerp_(*end, *weight); });
}

TS_API Tensor* ts_clamp(const Tensor* t, Scalar low, Scalar high) {
    return make([&] { return t->clamp(low.maybe(), high.maybe()); });
}
TS_API int32_t ts_clamp_(Tensor* t, Scalar low, Scalar high) {
    return run([&] { t->clamp_(low.maybe(), high.maybe()); });
}
TS_API Tensor* ts_clamp_tensor(const Tensor* t, const Tensor* low, const Tensor* high) {
    return make([&] { return t->clamp(maybe(low), maybe(high)); });
}

TS_API Tensor* ts_masked_fill(const Tensor* t, const Tensor* mask, Scalar value) {
    return make([&] { return t->masked_fill(*mask, value.get()); });
}
TS_API int32_t ts_masked_fill_(Tensor* t, const Tensor* mask, Scalar value) {
    return run([&] { t->masked_fill_(*mask, value.get()); });
}
TS_API Tensor* ts_where(const Tensor* condition, const Tensor* x, const Tensor* y) {
    return make([&] { return at::where(*condition, *x, *y); });
}
TS_API Tensor* ts_triu(const Tensor* t, int64_t diagonal) { return make([&] { return t->triu(diagonal); }); }
TS_API Tensor* ts_tril(const Tensor* t, int64_t diagonal) { return make([&] { return t->tril(diagonal); }); }
