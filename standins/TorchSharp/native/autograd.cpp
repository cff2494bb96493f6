// Gradients: modes, accumulation, and functions whose forward and backward are managed code.
#include "shim.h"

#include <c10/core/InferenceMode.h>

#include <stdexcept>
#include <string>

using namespace ts;

TS_API bool ts_grad_enabled() { return at::GradMode::is_enabled(); }
TS_API void ts_set_grad_enabled(bool enabled) { at::GradMode::set_enabled(enabled); }
TS_API c10::InferenceMode* ts_inference_mode_enter(bool enabled) {
    return guarded(static_cast<c10::InferenceMode*>(nullptr), [&] { return new c10::InferenceMode(enabled); });
}
TS_API void ts_inference_mode_leave(c10::InferenceMode* guard) { delete guard; }

TS_API int32_t ts_set_requires_grad(Tensor* t, bool value) { return run([&] { t->requires_grad_(value); }); }
TS_API int32_t ts_retain_grad(Tensor* t) { return run([&] { t->retain_grad(); }); }
TS_API Tensor* ts_detach(const Tensor* t) { return make([&] { return t->detach(); }); }
TS_API int32_t ts_grad(const Tensor* t, Tensor** out) {
    return run([&] {
        Tensor grad = t->grad();
        *out = grad.defined() ? own(std::move(grad)) : nullptr;
    });
}
TS_API int32_t ts_set_grad(Tensor* t, const Tensor* grad) { return run([&] { t->mutable_grad() = or_undefined(grad); }); }

TS_API int32_t ts_backward(const Tensor* t) { return run([&] { t->backward(); }); }
TS_API int32_t ts_backward_many(Tensor* const* tensors, int64_t n, Tensor* const* grads, int64_t grad_count,
                                bool retain_graph, bool create_graph, Tensor* const* inputs, int64_t input_count) {
    return run([&] {
        torch::autograd::backward(list(tensors, n), list(grads, grad_count), retain_graph, create_graph,
                                  list(inputs, input_count));
    });
}
TS_API int64_t ts_autograd_grad(Tensor* const* outputs, int64_t n, Tensor* const* inputs, int64_t input_count,
                                Tensor* const* grads, int64_t grad_count, bool retain_graph, bool create_graph,
                                bool allow_unused, Tensor*** out) {
    return make_many(out, [&] {
        return torch::autograd::grad(list(outputs, n), list(inputs, input_count), list(grads, grad_count), retain_graph,
                                     create_graph, allow_unused);
    });
}

// ---- functions written in managed code
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The managed side fills a list through ts_list_add and reports 0; on an exception it reports -1 after having
// left the message through ts_fail.
struct Callbacks {
    int32_t (*forward)(void* state, AutogradContext* context, variable_list* outputs);
    int32_t (*backward)(void* state, AutogradContext* context, Tensor* const* grads, int64_t n, variable_list* outputs);
    void (*release)(void* state);
};

TS_API void ts_fail(const char* message) { fail(message); }
TS_API int32_t ts_list_add(variable_list* list, const Tensor* t) { return run([&] { list->push_back(or_undefined(t)); }); }

namespace {

// Lives in the context, so that the managed state dies with the graph.
struct ManagedState : torch::CustomClassHolder {
    ManagedState(void* state, Callbacks callbacks) : state(state), callbacks(callbacks) {}
    ~ManagedState() override { callbacks.release(state); }
    void* state;
    Callbacks callbacks;
};

constexpr const char* state_key = "managed";

[[noreturn]] void rethrow() { throw std::runtime_error(failure()); }

struct ManagedFunction : torch::autograd::Function<ManagedFunction> {
    static variable_list forward(AutogradContext* context, at::TensorList, c10::intrusive_ptr<ManagedState> state) {
        variable_list outputs;
        if (state->callbacks.forward(state->state, context, &outputs) != 0)
            rethrow();
        context->saved_data[state_key] = c10::IValue::make_capsule(std::move(state));
        return outputs;
    }

    static variable_list backward(AutogradContext* context, variable_list grads) {
        auto holder = context->saved_data[state_key].toCapsule();
        auto* state = static_cast<ManagedState*>(holder.get());
        std::vector<Tensor*> handles;
        for (auto& grad : grads)
            handles.push_back(grad.defined() ? new Tensor(std::move(grad)) : nullptr); // the managed side owns them
        variable_list results;
        if (state->callbacks.backward(state->state, context, handles.data(), handles.size(), &results) != 0)
            rethrow();
        results.emplace_back(); // the state, which is an argument of forward, has no gradient
        return results;
    }
};

} // namespace

TS_API int64_t ts_function_apply(Tensor* const* inputs, int64_t n, void* state, Callbacks callbacks, Tensor*** out) {
    return make_many(out, [&] {
        auto holder = c10::make_intrusive<ManagedState>(state, callbacks);
        variable_list all = list(inputs, n);
        return ManagedFunction::apply(at::TensorList(all), std::move(holder));
    });
}
TS_API int32_t ts_context_save(AutogradContext* context, Tensor* const* items, int64_t n) {
    return run([&] { context->save_for_backward(list(items, n)); });
}
TS_API int64_t ts_context_saved(AutogradContext* context, Tensor*** out) {
    return make_many(out, [&] { return context->get_saved_variables(); });
}
