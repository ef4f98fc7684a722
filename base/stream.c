/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Copies past the cache: SSE2, which every x86-64 has; elsewhere memcpy. */
#include "base/stream.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

#include "base/types.h"

enum { LINE = 64 };

static void stream_lines(uint8_t *to, const uint8_t *from, size_t lines)
{
    for (; lines > 0; lines--, to += LINE, from += LINE) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
        __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
        _mm_stream_si128((__m128i *)(void *)to, a);
        _mm_stream_si128((__m128i *)(void *)(to + 16), b);
        _mm_stream_si128((__m128i *)(void *)(to + 32), c);
        _mm_stream_si128((__m128i *)(void *)(to + 48), d);
    }
}

void gw_stream_copy(void *to, const void *from, size_t bytes)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    size_t head = gw_min_size((size_t)(-(uintptr_t)out % LINE), bytes);
    size_t lines = (bytes - head) / LINE;
    memcpy(out, in, head);
    stream_lines(out + head, in + head, lines);
    head += lines * LINE;
    memcpy(out + head, in + head, bytes - head);
}

void gw_stream_fence(void)
{
    _mm_sfence();
}
#else
void gw_stream_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

void gw_stream_fence(void)
{
}
#endif
