/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Packed codes with AVX2. A group of 512 is 32 steps of 16 elements, two vectors each; a section of
 * w bits collects 32/w steps in one row of 16 words. All shifts are by constants: packing shifts
 * codes in from the top of the words, unpacking shifts them out at the bottom. The functions with a
 * `bits` argument are inlined once per number of bits, where all section tests are constants. */
#include "compress/kernels/avx2.h"

struct sections { /* by width: 8, 4, 2, 1 */
    struct row eight, four, two, one;
};

/* ---- sections ---- */

/* Codes enter at the top and have sunk to their place when the word is full. */
INLINE void put_section(struct row *row, struct row code, int shift, int width, int step,
                        uint8_t *out)
{
    int per_word = 32 / width;
    __m256i low = _mm256_slli_epi32(_mm256_srli_epi32(code.low, shift), 32 - width);
    __m256i high = _mm256_slli_epi32(_mm256_srli_epi32(code.high, shift), 32 - width);
    row->low = _mm256_or_si256(_mm256_srli_epi32(row->low, width), low);
    row->high = _mm256_or_si256(_mm256_srli_epi32(row->high, width), high);
    if (step % per_word != per_word - 1)
        return;
    uint8_t *at = out + (size_t)64 * (size_t)(shift + step / per_word);
    _mm256_storeu_si256((__m256i_u *)at, row->low);
    _mm256_storeu_si256((__m256i_u *)(at + 32), row->high);
}

/* Steps 0 up to 31. */
INLINE void put_step(struct sections *s, struct row code, int bits, int step, uint8_t *out)
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

INLINE void get_section(struct row *row, struct row *code, int shift, int width, int step,
                        const uint8_t *in)
{
    const __m256i mask = _mm256_set1_epi32((1 << width) - 1);
    int per_word = 32 / width;
    if (step % per_word == 0) {
        const uint8_t *at = in + (size_t)64 * (size_t)(shift + step / per_word);
        row->low = _mm256_loadu_si256((const __m256i_u *)at);
        row->high = _mm256_loadu_si256((const __m256i_u *)(at + 32));
    }
    __m256i low = _mm256_and_si256(row->low, mask), high = _mm256_and_si256(row->high, mask);
    code->low = _mm256_or_si256(code->low, _mm256_slli_epi32(low, shift));
    code->high = _mm256_or_si256(code->high, _mm256_slli_epi32(high, shift));
    row->low = _mm256_srli_epi32(row->low, width);
    row->high = _mm256_srli_epi32(row->high, width);
}

/* Steps 0 up to 31. */
INLINE struct row get_step(struct sections *s, int bits, int step, const uint8_t *in)
{
    struct row code = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    if (bits & 8)
        get_section(&s->eight, &code, 0, 8, step, in);
    if (bits & 4)
        get_section(&s->four, &code, bits & 8, 4, step, in);
    if (bits & 2)
        get_section(&s->two, &code, bits & 12, 2, step, in);
    if (bits & 1)
        get_section(&s->one, &code, bits & 14, 1, step, in);
    return code;
}

/* ---- bytes ---- */

INLINE void pack_group(const uint8_t *codes, int bits, uint8_t *out)
{
    struct sections s = { 0 };
    for (int step = 0; step < STEPS; step++) {
        __m128i bytes = _mm_loadu_si128((const __m128i_u *)(codes + 16 * step));
        struct row code = { _mm256_cvtepu8_epi32(bytes),
                            _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)) };
        put_step(&s, code, bits, step, out);
    }
}

INLINE void unpack_group(const uint8_t *in, int bits, uint8_t *codes)
{
    struct sections s = { 0 };
    for (int step = 0; step < STEPS; step++) {
        struct row code = get_step(&s, bits, step, in);
        __m256i pairs = _mm256_permute4x64_epi64(_mm256_packus_epi32(code.low, code.high), 0xd8);
        __m128i bytes =
            _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        _mm_storeu_si128((__m128i_u *)(codes + 16 * step), bytes);
    }
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

void gw_avx2_pack(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP, out += GW_GROUP / 8 * bits)
        pack_bits(codes, (int)bits, out);
    gw_kernels_scalar.pack(codes, count, bits, out);
}

void gw_avx2_unpack(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, codes += GW_GROUP, in += GW_GROUP / 8 * bits)
        unpack_bits(in, (int)bits, codes);
    gw_kernels_scalar.unpack(in, count, bits, codes);
}

/* ---- sign and magnitude: quantize ---- */

/* gw_random_u32 from its first multiplication on. */
INLINE __m256i hash(__m256i h, __m256i second)
{
    h = _mm256_mullo_epi32(h, _mm256_set1_epi32(0x21f0aaad));
    h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 15));
    h = _mm256_add_epi32(h, second);
    h = _mm256_mullo_epi32(h, _mm256_set1_epi32(0x735a2d97));
    return _mm256_xor_si256(h, _mm256_srli_epi32(h, 15));
}

/* The hashes of 32 elements, which are number `pair` of a piece. Counters of a piece that starts at
 * a multiple of its size differ in low bits only, which are 0 in the first: the shift above does
 * not see them, and they come in here. */
INLINE struct row random_rows(uint32_t first, int pair, __m256i second)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i more = _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15);
    const __m256i base = _mm256_set1_epi32((int)(first ^ (uint32_t)pair * 16));
    return (struct row){ hash(_mm256_xor_si256(base, lanes), second),
                         hash(_mm256_xor_si256(base, more), second) };
}

struct coded {
    __m256i top;      /* the code in the top bits of the lanes, over bits without meaning */
    __m256 magnitude; /* what it says */
};

/* v = min(|x| inverse, levels) is rounded by an addition that leaves it in the low bits of the
 * mantissa, as an integer (nearest) or with 16 bits of fraction; levels < 128. What is added has
 * the sign's bit above the magnitude's, except where that would leave no bit for the fraction. */
INLINE struct coded eight_codes(__m256 x, __m256 inverse, __m256 levels, __m256i random, int bits,
                                int nearest)
{
    const int late = !nearest && bits == 8;
    const float positive = nearest ? 0x1p23f : 128.0f;
    const float negative = positive + (late ? 0 : (float)(1 << (bits - 1)));
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 base = _mm256_set1_ps(positive);
    if (!late)
        base = _mm256_blendv_ps(base, _mm256_set1_ps(negative), x);
    __m256 v = _mm256_mul_ps(_mm256_andnot_ps(sign, x), inverse);
    v = _mm256_min_ps(v, levels);
    __m256i fixed = _mm256_castps_si256(_mm256_add_ps(v, base)), whole = fixed;
    if (!nearest) {
        fixed = _mm256_add_epi32(fixed, random);
        whole = _mm256_and_si256(fixed, _mm256_set1_epi32((int)0xffff0000u));
    }
    __m256i top = _mm256_slli_epi32(fixed, nearest ? 32 - bits : 16 - bits);
    if (late) /* the exponent's last bit, on top, is 0 */
        top = _mm256_or_si256(top, _mm256_castps_si256(_mm256_and_ps(sign, x)));
    return (struct coded){ top, _mm256_sub_ps(_mm256_castsi256_ps(whole), base) };
}

INLINE __m256i push(__m256i row, __m256i top, int bits)
{
    const __m256i mask = _mm256_set1_epi32((int)(~0u << (32 - bits)));
    return _mm256_or_si256(_mm256_srli_epi32(row, bits), _mm256_and_si256(top, mask));
}

/* Codes of a power of two of bits are one section, and go in as they are. */
INLINE void put_top(struct sections *s, struct row top, int bits, int step, uint8_t *out)
{
    if (bits & (bits - 1)) {
        struct row code = { _mm256_srli_epi32(top.low, 32 - bits),
                            _mm256_srli_epi32(top.high, 32 - bits) };
        put_step(s, code, bits, step, out);
        return;
    }
    int per_word = 32 / bits;
    s->four.low = push(s->four.low, top.low, bits);
    s->four.high = push(s->four.high, top.high, bits);
    if (step % per_word != per_word - 1)
        return;
    uint8_t *at = out + (size_t)64 * (size_t)(step / per_word);
    _mm256_storeu_si256((__m256i_u *)at, s->four.low);
    _mm256_storeu_si256((__m256i_u *)(at + 32), s->four.high);
}

struct piece_scales {
    __m256 inverse, scale;
};

INLINE struct piece_scales find_scales(const struct gw_quantizer *q, const struct gw_rest *left,
                                       size_t i)
{
    return (struct piece_scales){ row_scale(&q->inverse, i),
                                  left ? row_scale(&left->scales, i) : _mm256_setzero_ps() };
}

/* The tops of eight codes; leaves x minus their values. */
INLINE __m256i quantize_eight(const struct gw_quantizer *q, const struct gw_rest *left,
                              struct piece_scales scales, const gw_f32 *x, size_t i, __m256i random,
                              struct gw_shape is)
{
    __m256 v = load_floats(x + i);
    if (is.state)
        v = _mm256_add_ps(v, load_floats(left->state + i));
    __m256 y = is.shrinks ? _mm256_mul_ps(v, _mm256_set1_ps(left->shrink)) : v;
    struct coded code =
        eight_codes(y, scales.inverse, _mm256_set1_ps(q->levels), random, is.bits, is.nearest);
    if (!is.rest)
        return code.top;
    __m256 negative = _mm256_xor_ps(scales.scale, _mm256_set1_ps(-0.0f));
    __m256 value = _mm256_mul_ps(_mm256_blendv_ps(scales.scale, negative, v), code.magnitude);
    __m256 rest = _mm256_sub_ps(v, value);
    if (is.stream)
        _mm256_stream_ps((float *)(left->out + i), rest);
    else
        store_floats(left->out + i, rest);
    return code.top;
}

INLINE void quantize_row(const struct gw_quantizer *q, const struct gw_rest *left,
                         struct piece_scales scales, const gw_f32 *x, size_t i, struct row random,
                         struct sections *s, struct gw_shape is, int step, uint8_t *out)
{
    struct row top = { quantize_eight(q, left, scales, x, i, random.low, is),
                       quantize_eight(q, left, scales, x, i + 8, random.high, is) };
    put_top(s, top, is.bits, step, out);
}

/* 32 elements, number `pair` of the piece at element `start`. */
INLINE void quantize_pair(const struct gw_quantizer *q, const struct gw_rest *left,
                          struct piece_scales scales, const gw_f32 *x, size_t start, uint32_t first,
                          int pair, struct sections *s, struct gw_shape is, int step, uint8_t *out)
{
    const __m256i low_half = _mm256_set1_epi32(0xffff);
    size_t i = start + (size_t)pair * 32;
    struct row h = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    if (!is.nearest)
        h = random_rows(first, pair, _mm256_set1_epi32((int)q->key.second));
    struct row low = { _mm256_and_si256(h.low, low_half), _mm256_and_si256(h.high, low_half) };
    struct row high = { _mm256_srli_epi32(h.low, 16), _mm256_srli_epi32(h.high, 16) };
    gw_prefetch_pair(q->ahead, i);
    quantize_row(q, left, scales, x, i, low, s, is, step, out);
    if (is.rows == 2)
        scales = find_scales(q, is.rest ? left : NULL, i + 16);
    quantize_row(q, left, scales, x, i + 16, high, s, is, step + 1, out);
}

INLINE void quantize_group(const struct gw_quantizer *q, const struct gw_rest *left,
                           const gw_f32 *x, size_t at, struct gw_shape is, uint8_t *out)
{
    struct sections s = { 0 };
    for (int begin = 0; begin < STEPS; begin += is.rows) {
        size_t start = at + (size_t)begin * 16;
        struct piece_scales scales = find_scales(q, is.rest ? left : NULL, start);
        uint32_t first = gw_first_hash(q->key, q->element + start);
#pragma GCC unroll 4
        for (int pair = 0; pair < is.rows / 2; pair++)
            quantize_pair(q, left, scales, x, start, first, pair, &s, is, begin + 2 * pair, out);
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

void gw_avx2_quantize(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out)
{
    size_t done = quantize_bits(q, NULL, x, count, out);
    struct gw_quantizer rest = gw_quantizer_from(*q, done);
    gw_kernels_scalar.quantize(&rest, x + done, count - done, out + done / 8 * q->bits);
}

void gw_avx2_quantize_rest(const struct gw_quantizer *q, const struct gw_rest *rest,
                           const gw_f32 *x, size_t count, uint8_t *out)
{
    struct gw_rest how = *rest;
    how.stream = rest->stream && (uintptr_t)rest->out % 32 == 0;
    size_t done = quantize_bits(q, &how, x, count, out);
    if (how.stream)
        _mm_sfence();
    struct gw_quantizer later = gw_quantizer_from(*q, done);
    how = gw_rest_from(*rest, done);
    gw_kernels_scalar.quantize_rest(&later, &how, x + done, count - done, out + done / 8 * q->bits);
}

/* ---- sign and magnitude: back ---- */

INLINE __m256 eight_values(__m256i code, int bits, __m256 scale)
{
    __m256i sign =
        _mm256_and_si256(_mm256_slli_epi32(code, 32 - bits), _mm256_set1_epi32((int)0x80000000u));
    __m256i magnitude = _mm256_and_si256(code, _mm256_set1_epi32((1 << (bits - 1)) - 1));
    __m256 value = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(magnitude));
    return _mm256_xor_ps(value, _mm256_castsi256_ps(sign));
}

INLINE size_t dequantize_groups(const uint8_t *in, size_t count, int bits,
                                const struct gw_scales *scales, enum put how, float weight,
                                gw_f32 *out)
{
    const __m256 w = _mm256_set1_ps(weight);
    struct sink sink = open_sink(out);
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, in += GW_GROUP / 8 * bits) {
        struct sections s = { 0 };
        for (int step = 0; step < STEPS; step++) {
            size_t i = at + (size_t)step * 16;
            struct row code = get_step(&s, bits, step, in);
            __m256 scale = row_scale(scales, i);
            __m256 low = eight_values(code.low, bits, scale);
            __m256 high = eight_values(code.high, bits, scale);
            if (how == PUT_STREAM) {
                put_sink(&sink, low);
                put_sink(&sink, high);
                continue;
            }
            if (how == PUT_ADD)
                gw_prefetch(out, i + AHEAD);
            put_values(out + i, low, high, how == PUT_ADD, w);
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

void gw_avx2_dequantize(const uint8_t *in, size_t count, unsigned bits,
                        const struct gw_scales *scales, gw_f32 *out, int stream)
{
    int streams = stream && (uintptr_t)out % sizeof(float) == 0;
    size_t done = streams ? dequantize_bits(in, count, bits, scales, PUT_STREAM, 0, out)
                          : dequantize_bits(in, count, bits, scales, PUT, 0, out);
    struct gw_scales rest = gw_scales_from(*scales, done);
    gw_kernels_scalar.dequantize(in + done / 8 * bits, count - done, bits, &rest, out + done, 0);
}

void gw_avx2_dequantize_add(const uint8_t *in, size_t count, unsigned bits,
                            const struct gw_scales *scales, float weight, gw_f32 *sum)
{
    size_t done = dequantize_bits(in, count, bits, scales, PUT_ADD, weight, sum);
    struct gw_scales rest = gw_scales_from(*scales, done);
    gw_kernels_scalar.dequantize_add(in + done / 8 * bits, count - done, bits, &rest, weight,
                                     sum + done);
}
