// Views, joins, gathers and scatters.
#include "shim.h"

#include <limits>

using namespace ts;

TS_API Tensor* ts_view(const Tensor* t, const int64_t* shape, int64_t n) {
    return make([&] { return t->view(ints(shape, n)); });
}
TS_API Tensor* ts_reshape(const Tensor* t, const int64_t* shape, int64_t n) {
    return make([&] { return t->reshape(ints(shape, n)); });
}
TS_API Tensor* ts_expand(const Tensor* t, const int64_t* sizes, int64_t n, bool implicit) {
    return make([&] { return t->expand(ints(sizes, n), implicit); });
}
TS_API Tensor* ts_repeat(const Tensor* t, const int64_t* sizes, int64_t n) {
    return make([&] { return t->repeat(ints(sizes, n)); });
}
TS_API Tensor* ts_permute(const Tensor* t, const int64_t* dims, int64_t n) {
    return make([&] { return t->permute(ints(dims, n)); });
}
TS_API Tensor* ts_transpose(const Tensor* t, int64_t a, int64_t b) { return make([&] { return t->transpose(a, b); }); }
TS_API Tensor* ts_t(const Tensor* t) { return make([&] { return t->t(); }); }
TS_API Tensor* ts_flatten(const Tensor* t, int64_t start, int64_t end) {
    return make([&] { return t->flatten(start, end); });
}
TS_API Tensor* ts_unsqueeze(const Tensor* t, int64_t dim) { return make([&] { return t->unsqueeze(dim); }); }
TS_API Tensor* ts_squeeze(const Tensor* t) { return make([&] { return t->squeeze(); }); }
TS_API Tensor* ts_squeeze_along(const Tensor* t, int64_t dim) { return make([&] { return t->squeeze(dim); }); }
TS_API Tensor* ts_narrow(const Tensor* t, int64_t dim, int64_t start, int64_t length) {
    return make([&] { return t->narrow(dim, start, length); });
}
TS_API Tensor* ts_select(const Tensor* t, int64_t dim, int64_t index) {
    return make([&] { return t->select(dim, index); });
}
TS_API Tensor* ts_diagonal(const Tensor* t, int64_t offset, int64_t dim1, int64_t dim2) {
    return make([&] { return t->diagonal(offset, dim1, dim2); });
}
TS_API Tensor* ts_roll(const Tensor* t, int64_t shift, bool has_dim, int64_t dim) {
    return make([&] { return has_dim ? t->roll(shift, dim) : t->roll(shift); });
}

TS_API int64_t ts_chunk(const Tensor* t, int64_t chunks, int64_t dim, Tensor*** out) {
    return make_many(out, [&] { return t->chunk(chunks, dim); });
}
TS_API int64_t ts_split(const Tensor* t, int64_t size, int64_t dim, Tensor*** out) {
    return make_many(out, [&] { return t->split(size, dim); });
}
TS_API int64_t ts_split_sizes(const Tensor* t, const int64_t* sizes, int64_t n, int64_t dim, Tensor*** out) {
    return make_many(out, [&] { return t->split_with_sizes(ints(sizes, n), dim); });
}
TS_API int64_t ts_unbind(const Tensor* t, int64_t dim, Tensor*** out) {
    return make_many(out, [&] { return t->unbind(dim); });
}
TS_API Tensor* ts_cat(Tensor* const* items, int64_t n, int64_t dim) {
    return make([&] { return at::cat(list(items, n), dim); });
}
TS_API Tensor* ts_stack(Tensor* const* items, int64_t n, int64_t dim) {
    return make([&] { return at::stack(list(items, n), dim); });
}

TS_API Tensor* ts_index_select(const Tensor* t, int64_t dim, const Tensor* index) {
    return make([&] { return t->index_select(dim, *index); });
}
TS_API Tensor* ts_gather(const Tensor* t, int64_t dim, const Tensor* index) {
    return make([&] { return t->gather(dim, *index); });
}
TS_API Tensor* ts_masked_select(const Tensor* t, const Tensor* mask) {
    return make([&] { return t->masked_select(*mask); });
}

#define SCATTER_(name)                                                                             \
    TS_API int32_t ts_##name##_(Tensor* t, int64_t dim, const Tensor* index, const Tensor* source) \
    { return run([&] { t->name##_(dim, *index, *source); }); }

SCATTER_(scatter)
SCATTER_(scatter_add)

TS_API int32_t ts_index_add_(Tensor* t, int64_t dim, const Tensor* index, const Tensor* source, Scalar alpha) {
    return run([&] { t->index_add_(dim, *index, *source, alpha.get()); });
}

// One step of an indexing expression. kind: 0 none (new axis), 1 single, 2 ellipsis, 3 bool, 4 tensor, 5 slice.
struct IndexStep {
    int64_t kind;
    int64_t start, stop, step; // slice bounds; start also holds a single index or a bool; absent is INT64_MIN
    const Tensor* tensor;
};

static std::vector<at::indexing::TensorIndex> indices(const IndexStep* steps, int64_t n) {
    using namespace at::indexing;
    constexpr int64_t absent = std::numeric_limits<int64_t>::min();
    auto bound = [](int64_t v) { return v == absent ? optional<int64_t>() : optional<int64_t>(v); };
    std::vector<TensorIndex> result;
    result.reserve(n);
    for (int64_t i = 0; i < n; i++) {
        const IndexStep& s = steps[i];
        switch (s.kind) {
        case 0: result.emplace_back(None); break;
        case 1: result.emplace_back(s.start); break;
        case 2: result.emplace_back(Ellipsis); break;
        case 3: result.emplace_back(s.start != 0); break;
        case 4: result.emplace_back(*s.tensor); break;
        default: {
            auto start = bound(s.start), stop = bound(s.stop), step = bound(s.step);
#if TS_TORCH_AT_LEAST(2, 0)
            using Bound = optional<c10::SymInt>;
#else
            using Bound = optional<int64_t>;
#endif
            result.emplace_back(Slice(start ? Bound(*start) : Bound(), stop ? Bound(*stop) : Bound(),
                                      step ? Bound(*step) : Bound()));
        }
        }
    }
    return result;
}

TS_API Tensor* ts_index(const Tensor* t, const IndexStep* steps, int64_t n) {
    return make([&] { return t->index(indices(steps, n)); });
}
TS_API int32_t ts_index_put_(Tensor* t, const IndexStep* steps, int64_t n, const Tensor* value) {
    return run([&] { t->index_put_(indices(steps, n), *value); });
}
