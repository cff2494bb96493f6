// Products of matrices and vectors.
#include "shim.h"

using namespace ts;

#define PRODUCT(name) \
    TS_API Tensor* ts_##name(const Tensor* a, const Tensor* b) { return make([&] { return a->name(*b); }); }

PRODUCT(mm)
PRODUCT(bmm)
PRODUCT(matmul)
PRODUCT(mv)
PRODUCT(dot)

#define ADDED_PRODUCT(name)                                                                                \
    TS_API Tensor* ts_##name(const Tensor* t, const Tensor* a, const Tensor* b, float beta, float alpha)   \
    { return make([&] { return t->name(*a, *b, beta, alpha); }); }
#define ADDED_PRODUCT_(name)                                                                               \
    TS_API int32_t ts_##name##_(Tensor* t, const Tensor* a, const Tensor* b, float beta, float alpha)      \
    { return run([&] { t->name##_(*a, *b, beta, alpha); }); }

ADDED_PRODUCT(addmm)
ADDED_PRODUCT_(addmm)
ADDED_PRODUCT(addmv)

