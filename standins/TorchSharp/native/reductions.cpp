// Sums, extremes, order.
#include "shim.h"

using namespace ts;

#define WHOLE(name) \
    TS_API Tensor* ts_##name(const Tensor* t) { return make([&] { return t->name(); }); }
#define ALONG(name)                                                               \
    TS_API Tensor* ts_##name##_along(const Tensor* t, int64_t dim, bool keepdim)  \
    { return make([&] { return t->name(dim, keepdim); }); }

WHOLE(all) ALONG(all)
WHOLE(any) ALONG(any)
WHOLE(argmax) ALONG(argmax)
WHOLE(max)
WHOLE(min)
ALONG(logsumexp)

TS_API int32_t ts_max_along(const Tensor* t, int64_t dim, bool keepdim, Tensor** values, Tensor** indices) {
    return make2(values, indices, [&] { return t->max(dim, keepdim); });
}
TS_API int32_t ts_min_along(const Tensor* t, int64_t dim, bool keepdim, Tensor** values, Tensor** indices) {
    return make2(values, indices, [&] { return t->min(dim, keepdim); });
}

TS_API Tensor* ts_sum(const Tensor* t, int8_t type) { return make([&] { return t->sum(maybe_type(type)); }); }
TS_API Tensor* ts_sum_along(const Tensor* t, const int64_t* dims, int64_t n, bool keepdim, int8_t type) {
    return make([&] { return t->sum(ints(dims, n), keepdim, maybe_type(type)); });
}
TS_API Tensor* ts_mean(const Tensor* t) { return make([&] { return t->mean(); }); }
TS_API Tensor* ts_mean_along(const Tensor* t, const int64_t* dims, int64_t n, bool keepdim, int8_t type) {
    return make([&] { return t->mean(ints(dims, n), keepdim, maybe_type(type)); });
}

TS_API Tensor* ts_var(const Tensor* t, bool unbiased) { return make([&] { return t->var(unbiased); }); }
TS_API Tensor* ts_std(const Tensor* t, bool unbiased) { return make([&] { return t->std(unbiased); }); }

TS_API Tensor* ts_norm(const Tensor* t, float p) { return make([&] { return t->norm(p); }); }
TS_API Tensor* ts_norm_along(const Tensor* t, int64_t dim, bool keepdim, float p) {
    return make([&] { return t->norm(p, dim, keepdim); });
}

TS_API Tensor* ts_cumsum(const Tensor* t, int64_t dim, int8_t type) {
    return make([&] { return t->cumsum(dim, maybe_type(type)); });
}
TS_API Tensor* ts_softmax(const Tensor* t, int64_t dim, int8_t type) {
    return make([&] { return at::softmax(*t, dim, maybe_type(type)); });
}
TS_API Tensor* ts_log_softmax(const Tensor* t, int64_t dim, int8_t type) {
    return make([&] { return at::log_softmax(*t, dim, maybe_type(type)); });
}

TS_API int32_t ts_topk(const Tensor* t, int64_t k, int64_t dim, bool largest, bool sorted, Tensor** values,
                       Tensor** indices) {
    return make2(values, indices, [&] { return t->topk(k, dim, largest, sorted); });
}
TS_API int32_t ts_sort(const Tensor* t, int64_t dim, bool descending, bool stable, Tensor** values, Tensor** indices) {
    return make2(values, indices, [&] { return t->sort(optional<bool>(stable), dim, descending); });
}
