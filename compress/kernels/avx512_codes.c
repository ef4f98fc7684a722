/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Packed codes with AVX-512. A group of 512 is 32 steps of 16 elements, one vector each; a section
 * of w bits collects 32/w steps in one row of 16 words. All shifts are by constants: packing shifts
 * codes in from the top of the words, unpacking shifts them out at the bottom. The functions with a
 * `bits` argument are inlined once per number of bits, where all section tests are constants. */
#include "compress/kernels/avx512.h"

struct sections {
    __m512i eight, four, two, one;
};

/* ---- sections ---- */

/* A code enters at the top and has sunk to its place when the word is full. */
INLINE void put_section(__m512i *row, __m512i code, int shift, int width, int step, uint8_t *out)
{
    int per_word = 32 / width;
    __m512i part =
        _mm512_slli_epi32(_mm512_srli_epi32(code, (unsigned)shift), (unsigned)(32 - width));
    *row = _mm512_or_si512(_mm512_srli_epi32(*row, (unsigned)width), part);
    if (step % per_word == per_word - 1)
        _mm512_storeu_si512(out + (size_t)64 * (size_t)(shift + step / per_word), *row);
}

/* Steps 0 up to 31. */
INLINE void put_step(struct sections *s, __m512i code, int bits, int step, uint8_t *out)
{
    if (bits & 8)
        put_section(&s->eight, code, 0, 8, step, out);
    if (bits & 4)
        put_section(&s->four, code, bits & 8, 4, step, out);
    if (bits & 2)
        put_section(&s->two, code, bits & 12, 2, step, out);
    if (bits & 1)
        put_section(&s->one, code, bits & 14, 1, step, out);
}

INLINE __m512i get_section(__m512i *row, int shift, int width, int step, const uint8_t *in)
{
    int per_word = 32 / width;
    if (step % per_word == 0)
        *row = load_bits(in + (size_t)64 * (size_t)(shift + step / per_word));
    __m512i part = _mm512_and_si512(*row, _mm512_set1_epi32((1 << width) - 1));
    *row = _mm512_srli_epi32(*row, (unsigned)width);
    return _mm512_slli_epi32(part, (unsigned)shift);
}

/* Steps 0 up to 31. */
INLINE __m512i get_step(struct sections *s, int bits, int step, const uint8_t *in)
{
    __m512i code = _mm512_setzero_si512();
    if (bits & 8)
        code = get_section(&s->eight, 0, 8, step, in);
    if (bits & 4)
        code = _mm512_or_si512(code, get_section(&s->four, bits & 8, 4, step, in));
    if (bits & 2)
        code = _mm512_or_si512(code, get_section(&s->two, bits & 12, 2, step, in));
    if (bits & 1)
        code = _mm512_or_si512(code, get_section(&s->one, bits & 14, 1, step, in));
    return code;
}

/* ---- bytes ---- */

INLINE void pack_group(const uint8_t *codes, int bits, uint8_t *out)
{
    struct sections s = { 0 };
    for (int step = 0; step < STEPS; step++) {
        __m128i bytes = _mm_loadu_si128((const __m128i_u *)(codes + 16 * step));
        put_step(&s, _mm512_cvtepu8_epi32(bytes), bits, step, out);
    }
}

INLINE void unpack_group(const uint8_t *in, int bits, uint8_t *codes)
{
    struct sections s = { 0 };
    for (int step = 0; step < STEPS; step++)
        _mm_storeu_si128((__m128i_u *)(codes + 16 * step),
                         _mm512_cvtepi32_epi8(get_step(&s, bits, step, in)));
}

static void pack_bits(const uint8_t *codes, int bits, uint8_t *out)
{
    switch (bits) {
    case 1:
        pack_group(codes, 1, out);
        break;
    case 2:
        pack_group(codes, 2, out);
        break;
    case 3:
        pack_group(codes, 3, out);
        break;
    case 4:
        pack_group(codes, 4, out);
        break;
    case 5:
        pack_group(codes, 5, out);
        break;
    case 6:
        pack_group(codes, 6, out);
        break;
    case 7:
        pack_group(codes, 7, out);
        break;
    default:
        pack_group(codes, 8, out);
    }
}

static void unpack_bits(const uint8_t *in, int bits, uint8_t *codes)
{
    switch (bits) {
    case 1:
        unpack_group(in, 1, codes);
        break;
    case 2:
        unpack_group(in, 2, codes);
        break;
    case 3:
        unpack_group(in, 3, codes);
        break;
    case 4:
        unpack_group(in, 4, codes);
        break;
    case 5:
        unpack_group(in, 5, codes);
        break;
    case 6:
        unpack_group(in, 6, codes);
        break;
    case 7:
        unpack_group(in, 7, codes);
        break;
    default:
        unpack_group(in, 8, codes);
    }
}

void gw_avx512_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP, out += GW_GROUP / 8 * bits)
        pack_bits(codes, (int)bits, out);
    gw_kernels_scalar.pack(codes, count, bits, out);
}

void gw_avx512_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP, in += GW_GROUP / 8 * bits)
        unpack_bits(in, (int)bits, codes);
    gw_kernels_scalar.unpack(in, count, bits, codes);
}

/* ---- sign and magnitude: quantize ---- */

struct pair {
    __m512i first, second;
};

/* The random numbers of 32 elements, which are number `pair` of a piece. Counters of a piece that
 * starts at a multiple of its size differ in low bits only, which are 0 in the first: the shift
 * above does not see them, and they come in here. */
INLINE struct pair random_rows(__m512i first, int pair, uint32_t second)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i low_half = _mm512_set1_epi32(0xffff);
    __m512i h = _mm512_xor_si512(first, _mm512_or_si512(lanes, _mm512_set1_epi32(16 * pair)));
    h = _mm512_mullo_epi32(h, _mm512_set1_epi32(0x21f0aaad));
    h = _mm512_xor_si512(h, _mm512_srli_epi32(h, 15));
    h = _mm512_add_epi32(h, _mm512_set1_epi32((int)second));
    h = _mm512_mullo_epi32(h, _mm512_set1_epi32(0x735a2d97));
    __m512i shifted = _mm512_srli_epi32(h, 15);
    return (struct pair){ _mm512_ternarylogic_epi32(h, shifted, low_half, 0x28), /* (h ^ s) & m */
                          _mm512_srli_epi32(_mm512_xor_si512(h, shifted), 16) };
}

struct coded {
    __m512i top;      /* the code in the top bits of the lanes, over bits without meaning */
    __m512 magnitude; /* what it says */
};

/* v = min(|x| inverse, levels) is rounded by an addition that leaves it in the low bits of the
 * mantissa, as an integer (nearest) or with 16 bits of fraction; levels < 128. */
INLINE struct coded row_codes(__m512 x, __m512 inverse, __m512 levels, __m512i random, int bits,
                              int nearest)
{
    const __m512 base = _mm512_set1_ps(nearest ? 0x1p23f : 128.0f);
    const __m512i sign = _mm512_set1_epi32((int)0x80000000u);
    enum { least_magnitude = 0xa }; /* and no sign; of NaN and a number, the number */
    __m512 v = _mm512_range_ps(_mm512_mul_ps(x, inverse), levels, least_magnitude);
    __m512i fixed = _mm512_castps_si512(_mm512_add_ps(v, base)), whole = fixed;
    if (!nearest) {
        fixed = _mm512_add_epi32(fixed, random);
        whole = _mm512_and_si512(fixed, _mm512_set1_epi32((int)0xffff0000u));
    }
    __m512i top = _mm512_slli_epi32(fixed, (unsigned)(nearest ? 32 - bits : 16 - bits));
    return (struct coded){ _mm512_ternarylogic_epi32(sign, _mm512_castps_si512(x), top,
                                                     0xca), /* s ? x : top */
                           _mm512_sub_ps(_mm512_castsi512_ps(whole), base) };
}

/* Codes of a power of two of bits are one section, and go in as they are. */
INLINE void put_top(struct sections *s, __m512i top, int bits, int step, uint8_t *out)
{
    if (bits & (bits - 1)) {
        put_step(s, _mm512_srli_epi32(top, (unsigned)(32 - bits)), bits, step, out);
        return;
    }
    const __m512i mask = _mm512_set1_epi32((int)(~0u << (32 - bits)));
    int per_word = 32 / bits;
    __m512i row = _mm512_srli_epi32(s->four, (unsigned)bits);
    s->four = _mm512_ternarylogic_epi32(row, top, mask, 0xf8); /* row | (top & mask) */
    if (step % per_word == per_word - 1)
        _mm512_storeu_si512(out + (size_t)64 * (size_t)(step / per_word), s->four);
}

/* x minus the value of its code. */
INLINE __m512 rest_of(__m512 x, __m512 scale, __m512 magnitude)
{
    const __m512i sign = _mm512_set1_epi32((int)0x80000000u);
    __m512i value = _mm512_castps_si512(_mm512_mul_ps(scale, magnitude));
    value = _mm512_ternarylogic_epi32(value, _mm512_castps_si512(x), sign, 0x78); /* v ^ (x & s) */
    return _mm512_sub_ps(x, _mm512_castsi512_ps(value));
}

struct piece_scales {
    __m512 inverse, scale;
};

INLINE void quantize_row(const struct gw_quantizer *q, const struct gw_rest *left,
                         struct piece_scales scales, const gw_f32 *x, size_t i, __m512i random,
                         struct sections *s, struct gw_shape is, int step, uint8_t *out)
{
    __m512 v = load_floats(x + i);
    if (is.state)
        v = _mm512_add_ps(v, load_floats(left->state + i));
    __m512 y = is.shrinks ? _mm512_mul_ps(v, _mm512_set1_ps(left->shrink)) : v;
    struct coded code =
        row_codes(y, scales.inverse, _mm512_set1_ps(q->levels), random, is.bits, is.nearest);
    put_top(s, code.top, is.bits, step, out);
    if (!is.rest)
        return;
    __m512 rest = rest_of(v, scales.scale, code.magnitude);
    if (is.stream)
        _mm512_stream_ps((void *)(left->out + i), rest);
    else
        store_floats(left->out + i, rest);
}

INLINE struct piece_scales find_scales(const struct gw_quantizer *q, const struct gw_rest *left,
                                       size_t i)
{
    return (struct piece_scales){ row_scale(&q->inverse, i),
                                  left ? row_scale(&left->scales, i) : _mm512_setzero_ps() };
}

INLINE void quantize_group(const struct gw_quantizer *q, const struct gw_rest *left,
                           const gw_f32 *x, size_t at, struct gw_shape is, uint8_t *out)
{
    struct sections s = { 0 };
    for (int begin = 0; begin < STEPS; begin += is.rows) {
        size_t start = at + (size_t)begin * 16;
        struct piece_scales scales = find_scales(q, is.rest ? left : NULL, start), next = scales;
        __m512i first = _mm512_set1_epi32((int)gw_first_hash(q->key, q->element + start));
#pragma GCC unroll 4
        for (int row = 0; row < is.rows; row += 2) {
            size_t i = start + (size_t)row * 16;
            struct pair random = { 0 };
            if (!is.nearest)
                random = random_rows(first, row / 2, q->key.second);
            if (is.rows == 2)
                next = find_scales(q, is.rest ? left : NULL, i + 16);
            gw_prefetch_pair(q->ahead, i);
            quantize_row(q, left, scales, x, i, random.first, &s, is, begin + row, out);
            quantize_row(q, left, next, x, i + 16, random.second, &s, is, begin + row + 1, out);
        }
    }
}

INLINE size_t quantize_groups(const struct gw_quantizer *given, const struct gw_rest *left,
                              const gw_f32 *x, size_t count, struct gw_shape is, uint8_t *out)
{
    const struct gw_quantizer here = *given, *q = &here; /* which no store to `out` can change */
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, out += GW_GROUP / 8 * is.bits)
        quantize_group(q, left, x, at, is, out);
    return at;
}

/* What the codecs do most has loops of its own. */
INLINE size_t quantize_shape(const struct gw_quantizer *q, const struct gw_rest *left,
                             const gw_f32 *x, size_t count, int bits, uint8_t *out)
{
    int common = (bits == 4 || bits == 8) && !q->nearest && q->element % 128 == 0 &&
                 gw_in_pieces(&q->inverse);
    struct gw_shape is = { .bits = bits, .rows = 2 };
    if (!left) {
        if (common)
            return quantize_groups(q, NULL, x, count, (struct gw_shape){ bits, .rows = 8 }, out);
        if (!q->nearest)
            return quantize_groups(q, NULL, x, count, is, out);
        is.nearest = 1;
        return quantize_groups(q, NULL, x, count, is, out);
    }
    const struct gw_rest here = *left;
    if (common && gw_in_pieces(&left->scales) && left->state && left->shrink == 1)
        return left->stream ? quantize_groups(q, &here, x, count,
                                              (struct gw_shape){ bits, 0, 8, 1, 1, 0, 1 }, out)
                            : quantize_groups(q, &here, x, count,
                                              (struct gw_shape){ bits, 0, 8, 1, 1, 0, 0 }, out);
    is = (struct gw_shape){ bits, 0, 2, 1, left->state != NULL, 1, left->stream };
    if (!q->nearest)
        return quantize_groups(q, &here, x, count, is, out);
    is.nearest = 1;
    return quantize_groups(q, &here, x, count, is, out);
}

INLINE size_t quantize_bits(const struct gw_quantizer *q, const struct gw_rest *left,
                            const gw_f32 *x, size_t count, uint8_t *out)
{
    if (q->inverse.offset % 16 || (!q->nearest && q->element % 32))
        return 0;
    switch (q->bits) {
    case 2:
        return quantize_shape(q, left, x, count, 2, out);
    case 3:
        return quantize_shape(q, left, x, count, 3, out);
    case 4:
        return quantize_shape(q, left, x, count, 4, out);
    case 5:
        return quantize_shape(q, left, x, count, 5, out);
    case 6:
        return quantize_shape(q, left, x, count, 6, out);
    case 7:
        return quantize_shape(q, left, x, count, 7, out);
    case 8:
        return quantize_shape(q, left, x, count, 8, out);
    default:
        return 0;
    }
}

void gw_avx512_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out)
{
    size_t done = quantize_bits(q, NULL, x, count, out);
    struct gw_quantizer rest = gw_quantizer_from(*q, done);
    gw_kernels_scalar.quantize(&rest, x + done, count - done, out + done / 8 * q->bits);
}

void gw_avx512_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                             const gw_f32 *x, size_t count, uint8_t *out)
{
    struct gw_rest how = *rest;
    how.stream = rest->stream && (uintptr_t)rest->out % 64 == 0;
    size_t done = quantize_bits(q, &how, x, count, out);
    if (how.stream)
        _mm_sfence();
    struct gw_quantizer later = gw_quantizer_from(*q, done);
    how = gw_rest_from(*rest, done);
    gw_kernels_scalar.quantize_rest(&later, &how, x + done, count - done, out + done / 8 * q->bits);
}

/* ---- sign and magnitude: back ---- */

INLINE __m512 row_values(__m512i code, int bits, __m512 scale)
{
    __m512i sign = _mm512_and_si512(_mm512_slli_epi32(code, (unsigned)(32 - bits)),
                                    _mm512_set1_epi32((int)0x80000000u));
    __m512i magnitude = _mm512_and_si512(code, _mm512_set1_epi32((1 << (bits - 1)) - 1));
    __m512 value = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(magnitude));
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(value), sign));
}

INLINE size_t dequantize_groups(const uint8_t *in, size_t count, int bits,
                                const struct gw_scales *scales, enum put how, float weight,
                                gw_f32 *out)
{
    const __m512 w = _mm512_set1_ps(weight);
    struct sink sink = open_sink(out);
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, in += GW_GROUP / 8 * bits) {
        struct sections s = { 0 };
        for (int step = 0; step < STEPS; step++) {
            size_t i = at + (size_t)step * 16;
            __m512i code = get_step(&s, bits, step, in);
            __m512 values = row_values(code, bits, row_scale(scales, i));
            if (how == PUT_STREAM) {
                put_sink(&sink, values);
                continue;
            }
            if (how == PUT_ADD)
                gw_prefetch(out, i + AHEAD);
            put_values(out + i, values, how == PUT_ADD, w);
        }
    }
    if (how == PUT_STREAM)
        close_sink(&sink);
    return at;
}

INLINE size_t dequantize_bits(const uint8_t *in, size_t count, unsigned bits,
                              const struct gw_scales *scales, enum put how, float weight,
                              gw_f32 *out)
{
    if (scales->offset % 16)
        return 0;
    switch (bits) {
    case 2:
        return dequantize_groups(in, count, 2, scales, how, weight, out);
    case 3:
        return dequantize_groups(in, count, 3, scales, how, weight, out);
    case 4:
        return dequantize_groups(in, count, 4, scales, how, weight, out);
    case 5:
        return dequantize_groups(in, count, 5, scales, how, weight, out);
    case 6:
        return dequantize_groups(in, count, 6, scales, how, weight, out);
    case 7:
        return dequantize_groups(in, count, 7, scales, how, weight, out);
    case 8:
        return dequantize_groups(in, count, 8, scales, how, weight, out);
    default:
        return 0;
    }
}

void gw_avx512_dequantize(const uint8_t *in, size_t count, unsigned bits,
                          const struct gw_scales *scales, gw_f32 *out, int stream)
{
    int streams = stream && (uintptr_t)out % sizeof(float) == 0;
    size_t done = streams ? dequantize_bits(in, count, bits, scales, PUT_STREAM, 0, out)
                          : dequantize_bits(in, count, bits, scales, PUT, 0, out);
    struct gw_scales rest = gw_scales_from(*scales, done);
    gw_kernels_scalar.dequantize(in + done / 8 * bits, count - done, bits, &rest, out + done, 0);
}

void gw_avx512_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                              const struct gw_scales *scales, float weight, gw_f32 *sum)
{
    size_t done = dequantize_bits(in, count, bits, scales, PUT_ADD, weight, sum);
    struct gw_scales rest = gw_scales_from(*scales, done);
    gw_kernels_scalar.dequantize_add(in + done / 8 * bits, count - done, bits, &rest, weight,
                                     sum + done);
}
