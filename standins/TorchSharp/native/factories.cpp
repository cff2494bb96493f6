// Making tensors, and filling them.
#include "shim.h"

using namespace ts;

#define SIZED_FACTORY(name)                                                                                      \
    TS_API Tensor* ts_##name(const int64_t* size, int64_t n, int8_t type, int32_t dev, int32_t index, bool grad) \
    { return make([&] { return torch::name(ints(size, n), options(type, dev, index, grad)); }); }

SIZED_FACTORY(zeros)
SIZED_FACTORY(ones)
SIZED_FACTORY(empty)

TS_API Tensor* ts_full(const int64_t* size, int64_t n, Scalar value, int8_t type, int32_t dev, int32_t index, bool grad) {
    return make([&] { return torch::full(ints(size, n), value.get(), options(type, dev, index, grad)); });
}
TS_API Tensor* ts_arange(Scalar start, Scalar stop, Scalar step, int8_t type, int32_t dev, int32_t index, bool grad) {
    return make([&] { return torch::arange(start.get(), stop.get(), step.get(), options(type, dev, index, grad)); });
}
TS_API Tensor* ts_rand(const int64_t* size, int64_t n, int8_t type, int32_t dev, int32_t index, bool grad,
                       const at::Generator* g) {
    return make([&] { return torch::rand(ints(size, n), maybe(g), options(type, dev, index, grad)); });
}
TS_API Tensor* ts_randn(const int64_t* size, int64_t n, int8_t type, int32_t dev, int32_t index, bool grad,
                        const at::Generator* g) {
    return make([&] { return torch::randn(ints(size, n), maybe(g), options(type, dev, index, grad)); });
}
TS_API Tensor* ts_randint(int64_t low, int64_t high, const int64_t* size, int64_t n, int8_t type, int32_t dev,
                          int32_t index, bool grad, const at::Generator* g) {
    return make([&] { return torch::randint(low, high, ints(size, n), maybe(g), options(type, dev, index, grad)); });
}

#define LIKE_FACTORY(name)                                                                             \
    TS_API Tensor* ts_##name(const Tensor* like, int8_t type, int32_t dev, int32_t index, bool grad) \
    { return make([&] { return torch::name(*like, options(type, dev, index, grad)); }); }

LIKE_FACTORY(zeros_like)
LIKE_FACTORY(ones_like)
LIKE_FACTORY(empty_like)


// Copies an array of elements of one type into a new tensor, perhaps of another type, perhaps elsewhere.
TS_API Tensor* ts_from_data(const void* data, const int64_t* size, int64_t n, int8_t source_type, int8_t type,
                            int32_t dev, int32_t index, bool grad) {
    return make([&] {
        Tensor t = torch::empty(ints(size, n), at::TensorOptions().dtype(static_cast<at::ScalarType>(source_type)));
        if (t.numel() > 0)
            std::memcpy(t.data_ptr(), data, t.nbytes());
        t = t.to(device(dev, index), static_cast<at::ScalarType>(type));
        return grad ? t.set_requires_grad(true) : t;
    });
}


TS_API int32_t ts_fill_(Tensor* t, Scalar value) { return run([&] { t->fill_(value.get()); }); }
// Fills the tensor itself; what comes back is a second handle to it.
TS_API Tensor* ts_zeros_out(Tensor* t) { return make([&] { return torch::zeros_out(*t, t->sizes()); }); }
TS_API int32_t ts_normal_(Tensor* t, double mean, double std, const at::Generator* g) {
    return run([&] { t->normal_(mean, std, maybe(g)); });
}
TS_API int32_t ts_uniform_(Tensor* t, double from, double to, const at::Generator* g) {
    return run([&] { t->uniform_(from, to, maybe(g)); });
}
TS_API Tensor* ts_multinomial(const Tensor* t, int64_t samples, bool replacement, const at::Generator* g) {
    return make([&] { return t->multinomial(samples, replacement, maybe(g)); });
}
