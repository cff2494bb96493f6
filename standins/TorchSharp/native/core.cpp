// Errors, the lifetime of handles, what a tensor says about itself, threads, devices, random state.
#include "shim.h"

#include <ATen/Context.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <mutex>
#include <string>

using namespace ts;

static thread_local std::string last_error;

void ts::fail(const char* message) noexcept {
    try {
        last_error = message;
    } catch (...) {
        last_error.clear();
    }
}

const char* ts::failure() noexcept { return last_error.c_str(); }

TS_API const char* ts_last_error() { return failure(); }
TS_API const char* ts_version() { return TORCH_VERSION; }
TS_API void ts_free(void* memory) { std::free(memory); }
TS_API void ts_delete(Tensor* t) { delete t; }

// ---- what a tensor is
TS_API int64_t ts_dim(const Tensor* t) { return t->dim(); }
TS_API int64_t ts_numel(const Tensor* t) { return t->numel(); }
TS_API int64_t ts_element_size(const Tensor* t) { return t->element_size(); }
TS_API int8_t ts_dtype(const Tensor* t) { return static_cast<int8_t>(t->scalar_type()); }
TS_API int32_t ts_device_type(const Tensor* t) { return static_cast<int32_t>(t->device().type()); }
TS_API int32_t ts_device_index(const Tensor* t) { return t->device().index(); }
TS_API bool ts_is_leaf(const Tensor* t) { return t->is_leaf(); }
TS_API bool ts_is_contiguous(const Tensor* t) { return t->is_contiguous(); }
TS_API bool ts_requires_grad(const Tensor* t) { return t->requires_grad(); }
TS_API int32_t ts_is_pinned(const Tensor* t) { return guarded(int32_t{-1}, [&] { return int32_t{t->is_pinned()}; }); }

TS_API int32_t ts_size(const Tensor* t, int64_t dim, int64_t* out) { return run([&] { *out = t->size(dim); }); }
TS_API int32_t ts_stride(const Tensor* t, int64_t dim, int64_t* out) { return run([&] { *out = t->stride(dim); }); }
TS_API void ts_sizes(const Tensor* t, int64_t* out) {
    auto sizes = t->sizes();
    std::memcpy(out, sizes.data(), sizes.size() * sizeof(int64_t));
}
TS_API void ts_strides(const Tensor* t, int64_t* out) {
    auto strides = t->strides();
    std::memcpy(out, strides.data(), strides.size() * sizeof(int64_t));
}
TS_API void* ts_data(const Tensor* t) {
    return guarded(static_cast<void*>(nullptr), [&] { return t->data_ptr(); });
}
TS_API int32_t ts_equal(const Tensor* a, const Tensor* b) {
    return guarded(int32_t{-1}, [&] { return int32_t{at::equal(*a, *b)}; });
}
TS_API int32_t ts_allclose(const Tensor* a, const Tensor* b, double rtol, double atol, bool equal_nan) {
    return guarded(int32_t{-1}, [&] { return int32_t{at::allclose(*a, *b, rtol, atol, equal_nan)}; });
}
// The single element as a number: kind as in Scalar.
TS_API int32_t ts_item(const Tensor* t, Scalar* out) {
    return run([&] {
        at::Scalar value = t->item();
        if (value.isFloatingPoint()) {
            double d = value.toDouble();
            out->kind = 1;
            std::memcpy(&out->bits, &d, sizeof d);
        } else {
            out->kind = value.isBoolean() ? 2 : 0;
            out->bits = value.toLong();
        }
    });
}

// ---- where a tensor is
TS_API Tensor* ts_to_type(const Tensor* t, int8_t type, bool copy, bool non_blocking) {
    return make([&] { return t->to(static_cast<at::ScalarType>(type), non_blocking, copy); });
}
TS_API Tensor* ts_to_device(const Tensor* t, int32_t type, int32_t index, bool copy, bool non_blocking) {
    return make([&] { return t->to(device(type, index), t->scalar_type(), non_blocking, copy); });
}
TS_API Tensor* ts_to(const Tensor* t, int8_t dtype, int32_t type, int32_t index, bool copy, bool non_blocking) {
    return make([&] { return t->to(device(type, index), static_cast<at::ScalarType>(dtype), non_blocking, copy); });
}
TS_API Tensor* ts_cpu(const Tensor* t) { return make([&] { return t->cpu(); }); }
TS_API Tensor* ts_cuda(const Tensor* t) { return make([&] { return t->cuda(); }); }
TS_API Tensor* ts_pin_memory(const Tensor* t) { return make([&] { return t->pin_memory(); }); }
TS_API int32_t ts_copy_(Tensor* t, const Tensor* source, bool non_blocking) {
    return run([&] { t->copy_(*source, non_blocking); });
}
TS_API Tensor* ts_clone(const Tensor* t) { return make([&] { return t->clone(); }); }
TS_API Tensor* ts_alias(const Tensor* t) { return make([&] { return t->alias(); }); }
TS_API Tensor* ts_contiguous(const Tensor* t) { return make([&] { return t->contiguous(); }); }

// ---- threads and devices
TS_API int32_t ts_get_num_threads() { return at::get_num_threads(); }
TS_API int32_t ts_set_num_threads(int32_t count) { return run([&] { at::set_num_threads(count); }); }
TS_API bool ts_cuda_is_available() { return guarded(false, [] { return torch::cuda::is_available(); }); }
TS_API int32_t ts_cuda_device_count() {
    return guarded(int32_t{-1}, [] { return static_cast<int32_t>(torch::cuda::device_count()); });
}
TS_API int32_t ts_cuda_synchronize(int64_t index) { return run([&] { torch::cuda::synchronize(index); }); }
TS_API int32_t ts_cuda_manual_seed(int64_t seed) { return run([&] { torch::cuda::manual_seed(seed); }); }
TS_API int32_t ts_cuda_manual_seed_all(int64_t seed) { return run([&] { torch::cuda::manual_seed_all(seed); }); }
TS_API bool ts_get_matmul_allow_tf32() {
    return guarded(false, [] { return at::globalContext().allowTF32CuBLAS(); });
}
TS_API int32_t ts_set_matmul_allow_tf32(bool allow) {
    return run([&] { at::globalContext().setAllowTF32CuBLAS(allow); });
}

// ---- random numbers
using at::Generator;

static Generator* default_generator() {
    return new Generator(at::globalContext().defaultGenerator(at::Device(at::kCPU)));
}

TS_API Generator* ts_generator_default() {
    return guarded(static_cast<Generator*>(nullptr), [] { return default_generator(); });
}
TS_API Generator* ts_generator_new(uint64_t seed) {
    return guarded(static_cast<Generator*>(nullptr), [&] { return new Generator(at::detail::createCPUGenerator(seed)); });
}
TS_API void ts_generator_delete(Generator* g) { delete g; }
TS_API int32_t ts_generator_seed(Generator* g, uint64_t seed) {
    return run([&] {
        std::lock_guard<std::mutex> lock(g->mutex());
        g->set_current_seed(seed);
    });
}
TS_API Tensor* ts_generator_get_state(Generator* g) {
    return make([&] {
        std::lock_guard<std::mutex> lock(g->mutex());
        return g->get_state();
    });
}
TS_API int32_t ts_generator_set_state(Generator* g, const Tensor* state) {
    return run([&] {
        std::lock_guard<std::mutex> lock(g->mutex());
        g->set_state(*state);
    });
}
