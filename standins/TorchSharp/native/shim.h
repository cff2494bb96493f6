// The C ABI between the managed TorchSharp stand-in and libtorch.
//
// Conventions: a tensor crosses the border as at::Tensor*, owned by the managed side. A function that makes a
// tensor returns nullptr on failure; a function that makes none returns 0, or -1 on failure. The message of the
// failure waits in a thread-local string that ts_last_error reads.
#pragma once

#include <torch/torch.h>
#include <torch/version.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#define TS_API extern "C" __attribute__((visibility("default")))

#define TS_TORCH_AT_LEAST(major, minor) \
    (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace ts {

#if TS_TORCH_AT_LEAST(2, 3)
template <class T> using optional = std::optional<T>;
#else
template <class T> using optional = c10::optional<T>;
#endif

using Tensor = at::Tensor;

// A number that is an integer, a float, a bool, or absent; two machine words, passed in registers.
struct Scalar {
    int64_t kind; // -1 absent, 0 integer, 1 floating point, 2 bool
    int64_t bits;

    bool present() const { return kind >= 0; }

    at::Scalar get() const {
        if (kind == 1) {
            double value;
            std::memcpy(&value, &bits, sizeof value);
            return at::Scalar(value);
        }
        return kind == 2 ? at::Scalar(bits != 0) : at::Scalar(bits);
    }

    optional<at::Scalar> maybe() const { return present() ? optional<at::Scalar>(get()) : optional<at::Scalar>(); }
};

void fail(const char* message) noexcept;
const char* failure() noexcept; // the message of this thread's last failure

// The one place where C++ exceptions end: nothing may unwind into managed frames.
template <class F, class R>
R guarded(R on_error, F&& body) noexcept {
    try {
        return body();
    } catch (const std::exception& e) {
        fail(e.what());
    } catch (...) {
        fail("libtorch threw an object that is not a std::exception");
    }
    return on_error;
}

inline Tensor* own(Tensor&& t) { return new Tensor(std::move(t)); }

template <class F>
Tensor* make(F&& body) noexcept {
    return guarded(static_cast<Tensor*>(nullptr), [&] { return own(body()); });
}

template <class F>
int32_t run(F&& body) noexcept {
    return guarded(int32_t{-1}, [&] { body(); return int32_t{0}; });
}

// Two results at once, such as values and indices.
template <class F>
int32_t make2(Tensor** first, Tensor** second, F&& body) noexcept {
    return run([&] {
        auto both = body();
        *first = own(std::move(std::get<0>(both)));
        *second = own(std::move(std::get<1>(both)));
    });
}

// Many results: an array that ts_free releases; returns the count.
template <class F>
int64_t make_many(Tensor*** out, F&& body) noexcept {
    return guarded(int64_t{-1}, [&] {
        std::vector<Tensor> all = body();
        auto** items = static_cast<Tensor**>(std::malloc(sizeof(Tensor*) * (all.empty() ? 1 : all.size())));
        if (items == nullptr)
            throw std::bad_alloc();
        for (size_t i = 0; i < all.size(); i++)
            items[i] = all[i].defined() ? own(std::move(all[i])) : nullptr;
        *out = items;
        return static_cast<int64_t>(all.size());
    });
}

inline at::IntArrayRef ints(const int64_t* data, int64_t length) { return at::IntArrayRef(data, length); }

inline std::vector<Tensor> list(Tensor* const* items, int64_t length) {
    std::vector<Tensor> result;
    result.reserve(length);
    for (int64_t i = 0; i < length; i++)
        result.push_back(items[i] == nullptr ? Tensor() : *items[i]);
    return result;
}

inline Tensor or_undefined(const Tensor* t) { return t == nullptr ? Tensor() : *t; }

inline optional<Tensor> maybe(const Tensor* t) { return t == nullptr ? optional<Tensor>() : optional<Tensor>(*t); }

// -1 means "not given".
inline optional<at::ScalarType> maybe_type(int8_t type) {
    return type < 0 ? optional<at::ScalarType>() : optional<at::ScalarType>(static_cast<at::ScalarType>(type));
}

inline at::Device device(int32_t type, int32_t index) {
    return at::Device(static_cast<c10::DeviceType>(type), static_cast<c10::DeviceIndex>(index));
}

inline at::TensorOptions options(int8_t type, int32_t device_type, int32_t device_index, bool requires_grad) {
    return at::TensorOptions()
        .dtype(static_cast<at::ScalarType>(type))
        .device(device(device_type, device_index))
        .requires_grad(requires_grad);
}

inline optional<at::Generator> maybe(const at::Generator* g) {
    return g == nullptr ? optional<at::Generator>() : optional<at::Generator>(*g);
}

} // namespace ts
