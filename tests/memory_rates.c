/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The references in the widest vectors that the CPU has. */
#include "tests/memory_rates.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint64_t words __attribute__((vector_size(64), aligned(4), may_alias));
typedef float floats __attribute__((vector_size(64), aligned(4), may_alias));

enum { STREAMS = 8, WIDTH = 16 };

static inline __attribute__((always_inline)) uint64_t read_body(const float *x, size_t count)
{
    words sums[STREAMS] = { { 0 } };
    size_t i = 0;
    for (; i + STREAMS * WIDTH <= count; i += STREAMS * WIDTH) {
#pragma GCC unroll 8
        for (size_t s = 0; s < STREAMS; s++)
            sums[s] += *(const words *)(x + i + s * WIDTH);
    }
    uint64_t sum = 0;
    for (size_t s = 0; s < STREAMS; s++)
        for (size_t l = 0; l < 8; l++)
            sum += sums[s][l];
    for (; i < count; i++) {
        uint32_t word;
        memcpy(&word, x + i, sizeof word);
        sum += word;
    }
    return sum;
}

static inline __attribute__((always_inline)) void add_body(float *a, const float *b, size_t count)
{
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        *(floats *)(a + i) += *(const floats *)(b + i);
    for (; i < count; i++)
        a[i] += b[i];
}

#ifdef __x86_64__
__attribute__((target("avx512f"))) static uint64_t read_avx512(const float *x, size_t count)
{
    return read_body(x, count);
}

__attribute__((target("avx2"))) static uint64_t read_avx2(const float *x, size_t count)
{
    return read_body(x, count);
}

__attribute__((target("avx512f"))) static void add_avx512(float *a, const float *b, size_t count)
{
    add_body(a, b, count);
}

__attribute__((target("avx2"))) static void add_avx2(float *a, const float *b, size_t count)
{
    add_body(a, b, count);
}
#endif

uint64_t memory_read(const float *x, size_t count)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return read_avx512(x, count);
    if (__builtin_cpu_supports("avx2"))
        return read_avx2(x, count);
#endif
    return read_body(x, count);
}

void memory_add(float *a, const float *b, size_t count)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) {
        add_avx512(a, b, count);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        add_avx2(a, b, count);
        return;
    }
#endif
    add_body(a, b, count);
}

#ifdef __SSE2__
void memory_fill(float *a, size_t count)
{
    size_t i = 0;
    for (; i < count && (uintptr_t)(a + i) % 64; i++)
        a[i] = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        for (size_t l = 0; l < WIDTH; l += 4)
            _mm_stream_ps(a + i + l, _mm_setzero_ps());
    for (; i < count; i++)
        a[i] = 0;
    _mm_sfence();
}
#else
void memory_fill(float *a, size_t count)
{
    memset(a, 0, count * sizeof *a);
}
#endif
