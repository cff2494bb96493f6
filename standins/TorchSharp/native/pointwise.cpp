// Element by element: arithmetic, functions, comparisons.
#include "shim.h"

using namespace ts;

#define UNARY(name) \
    TS_API Tensor* ts_##name(const Tensor* t) { return make([&] { return t->name(); }); }
#define UNARY_(name) \
    TS_API int32_t ts_##name##_(Tensor* t) { return run([&] { t->name##_(); }); }
#define UNARY_BOTH(name) UNARY(name) UNARY_(name)

UNARY_BOTH(abs)
UNARY_BOTH(neg)
UNARY_BOTH(sqrt)
UNARY_BOTH(rsqrt)
UNARY_BOTH(exp)
UNARY_BOTH(log)
UNARY_BOTH(tanh)
UNARY_BOTH(sigmoid)
UNARY_BOTH(reciprocal)
UNARY(square)
UNARY(sin)
UNARY(cos)
UNARY(floor)
UNARY(round)
UNARY(sign)
UNARY(log1p)
UNARY(expm1)
UNARY(isfinite)
UNARY(isnan)
UNARY(isinf)
UNARY(logical_not)
UNARY(bitwise_not)

#define BINARY(name) \
    TS_API Tensor* ts_##name(const Tensor* a, const Tensor* b) { return make([&] { return a->name(*b); }); }
#define BINARY_(name) \
    TS_API int32_t ts_##name##_(Tensor* a, const Tensor* b) { return run([&] { a->name##_(*b); }); }
#define SCALAR(name) \
    TS_API Tensor* ts_##name##_scalar(const Tensor* a, Scalar b) { return make([&] { return a->name(b.get()); }); }
#define SCALAR_(name) \
    TS_API int32_t ts_##name##_scalar_(Tensor* a, Scalar b) { return run([&] { a->name##_(b.get()); }); }
#define ARITHMETIC(name) BINARY(name) BINARY_(name) SCALAR(name) SCALAR_(name)

ARITHMETIC(mul)
ARITHMETIC(pow)
ARITHMETIC(remainder)
BINARY(maximum)
BINARY(minimum)
BINARY(logical_and)
BINARY(logical_or)
BINARY(bitwise_and)
BINARY(bitwise_or)
BINARY(bitwise_xor)
#define COMPARISON(name) BINARY(name) SCALAR(name)
COMPARISON(eq)
COMPARISON(ne)
COMPARISON(lt)
COMPARISON(le)
COMPARISON(gt)
COMPARISON(ge)

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

TS_API Tensor* ts_lerp(const Tensor* t, const Tensor* end, const Tensor* weight) {
    return make([&] { return t->lerp(*end, *weight); });
}
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
TS_API int32_t ts_clamp_tensor_(Tensor* t, const Tensor* low, const Tensor* high) {
    return run([&] { t->clamp_(maybe(low), maybe(high)); });
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
