/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The functions of a kernel set, for codec files. The layout of packed codes and the order of
 * sums are those of kernels.h; `out` of a packing function gets gw_packed_bytes. No function
 * keeps anything; pointers may be unaligned; outputs overlap inputs only where it is said. */
#ifndef GW_COMPRESS_KERNELS_TABLE_H
#define GW_COMPRESS_KERNELS_TABLE_H

#include "compress/kernels/kernels.h"

/* Scales of the buckets that a range touches, little-endian floats as they lie on the wire.
 * Element i of the range has scale number (offset + i) >> shift; `offset` is how far into the
 * first bucket the range starts. GW_WHOLE as shift: one scale for all. */
struct gw_scales {
    const uint8_t *bytes;
    size_t offset;
    unsigned shift;
};

enum { GW_WHOLE = sizeof(size_t) * 8 - 1 };

static inline float gw_scale_at(const struct gw_scales *scales, size_t i)
{
    return gw_get_f32(scales->bytes + ((scales->offset + i) >> scales->shift) * sizeof(float));
}

static inline struct gw_scales gw_scales_from(struct gw_scales scales, size_t i)
{
    size_t at = scales.offset + i;
    size_t bucket = at >> scales.shift;
    scales.bytes += bucket * sizeof(float);
    scales.offset = at - (bucket << scales.shift);
    return scales;
}

/* True if `count` elements from element i on have one scale. */
static inline int gw_one_scale(const struct gw_scales *scales, size_t i, size_t count)
{
    size_t at = scales->offset + i;
    return at >> scales->shift == (at + count - 1) >> scales->shift;
}

/* How floats become sign and magnitude codes: the sign in the top bit of `bits`, the magnitude
 * min(|x| * inverse, levels) rounded, below it. Stochastic: floor(v + u16 / 65536) with the random
 * number of element `element` + i and v rounded to 2^-16; else to nearest even.
 * levels < 2^(bits-1) for packed codes, <= 32767 for wide ones. */
struct gw_quantizer {
    struct gw_scales inverse;
    float levels;
    unsigned bits;
    int nearest;
    struct gw_random_key key;
    uint64_t element;
    const gw_f32 *ahead[2]; /* to prefetch ahead[0] + i and ahead[1] + i with element i, or NULL */
};

/* A fair bit for each element: of element e, bit (e / 16) % 32 of the hash of counter
 * e / 512 * 16 + e % 16, so that 32 coins of a packed lane come out of two hashes wherever a range
 * starts. The range's first element is `element`. */
struct gw_coins {
    struct gw_random_key key;
    uint64_t element;
};

/* The quantizer of the same range from its element i on. */
static inline struct gw_quantizer gw_quantizer_from(struct gw_quantizer q, size_t i)
{
    q.inverse = gw_scales_from(q.inverse, i);
    q.element += i;
    return q;
}

/* What quantize_rest does beside codes: its input is x, or x + state; this times `shrink` is
 * quantized, and `out` gets the input less the value of its code at the scale. `out` may be x or
 * state; `stream` if it is too large to be read soon. */
struct gw_rest {
    const gw_f32 *state; /* or NULL */
    struct gw_scales scales;
    float shrink;
    gw_f32 *out;
    int stream;
};

static inline struct gw_rest gw_rest_from(struct gw_rest rest, size_t i)
{
    rest.state = rest.state ? rest.state + i : NULL;
    rest.scales = gw_scales_from(rest.scales, i);
    rest.out += i;
    return rest;
}

/* The larger of two magnitudes, as their bits order them. */
static inline float gw_larger(float a, float b)
{
    return gw_float_bits(a) > gw_float_bits(b) ? a : b;
}

/* The line of x[i], which need not be there. */
static inline void gw_prefetch(const gw_f32 *x, size_t i)
{
    __builtin_prefetch((const void *)((uintptr_t)x + i * sizeof(float)));
}

/* Two cache lines, 32 floats, from element i on. Any address will do: nothing is read. */
static inline void gw_prefetch_pair(const gw_f32 *const ahead[2], size_t i)
{
    for (int k = 0; k < 2; k++) {
        uintptr_t at = (uintptr_t)ahead[k] + i * sizeof(float);
        __builtin_prefetch((const void *)at);
        __builtin_prefetch((const void *)(at + 64));
    }
}

/* What a quantizing loop knows when it is compiled. `rows`: of 16, of a piece, in which there is
 * one scale. `rest`: leave one; of a sum with the state; shrunk; past the cache. */
struct gw_shape {
    int bits, nearest, rows, rest, state, shrinks, stream;
};

/* True if all pieces of 8 rows have one scale, of a range that starts between two pieces. */
static inline int gw_in_pieces(const struct gw_scales *scales)
{
    return scales->shift >= 7 && scales->offset % 128 == 0;
}

/* The counter of an element's random number after the hash's first shift. */
static inline uint32_t gw_first_hash(struct gw_random_key key, uint64_t element)
{
    uint64_t counter = element / 2;
    uint32_t h = (uint32_t)counter ^ key.first ^ ((uint32_t)(counter >> 32) * 0x9e3779b9u);
    return h ^ h >> 16;
}

struct gw_kernels {
    const char *name;
    const char *needs; /* CPU features, for people */
    int (*usable)(void);

    /* How many are NaN or infinite, and the first of them (untouched if none). */
    size_t (*count_nonfinite)(const gw_f32 *x, size_t count, size_t *first);

    /* The largest magnitude as its bits order it: if any is not finite, so is the result. */
    float (*max_abs)(const gw_f32 *x, size_t count);

    /* The sum of magnitudes, group by group of 512: in a group in 32 lanes of floats (element i in
     * lane i % 32), then lane l + lane l + 16 as doubles, then as all sums. A group whose floats
     * overflow, or hold a NaN or infinity, is summed in doubles as below. */
    double (*sum_abs)(const gw_f32 *x, size_t count);

    double (*sum_squares)(const gw_f32 *x, size_t count);

    /* Sums of the elements without [0] and with [1] the sign bit; returns how many have it. */
    size_t (*sum_by_sign)(const gw_f32 *x, size_t count, double sums[2]);

    /* sum[i] += x[i];  sum[i] += weight * x[i], the product rounded first;  out[i] = a[i] + b[i],
     * where out may be a or b. */
    void (*add)(gw_f32 *sum, const gw_f32 *x, size_t count);
    void (*add_scaled)(gw_f32 *sum, const gw_f32 *x, float weight, size_t count);
    void (*add_to)(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);

    /* add_to; returns max_abs of what it wrote. sum_max only returns it. */
    float (*add_max)(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count);
    float (*sum_max)(const gw_f32 *a, const gw_f32 *b, size_t count);

    /* Codes of 1 to 8 bits, one per byte, higher bits ignored (pack) or 0 (unpack). */
    void (*pack)(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out);
    void (*unpack)(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes);

    /* 1-bit codes: the IEEE sign bit. Unpacked, a clear bit is the scale of `clear`, a set one
     * that of `set`; both have the same offset and shift. */
    void (*pack_signs)(const gw_f32 *x, size_t count, uint8_t *out);

    /* pack_signs and sum_abs in one; pack_signs and the sum_by_sign of each group of 512, added up
     * in order. With element i, elements i + 0..31 of each of `ahead` are prefetched. */
    double (*pack_signs_abs)(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                             uint8_t *out);
    size_t (*pack_signs_sums)(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                              uint8_t *out, double sums[2]);

    /* out[i] = a[i] + b[i], and pack_signs_abs of that: NaN or infinite if any is. */
    double (*add_signs_abs)(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                            uint8_t *codes);

    /* out[i] = x[i] - values[sign bit of x[i]], past the caches if `stream` (gw_stream_fence
     * follows the last of several); prefetches as above. `out` may be x. */
    void (*subtract_by_sign)(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                             const gw_f32 *const ahead[2], int stream);
    void (*unpack_signs)(const uint8_t *in, size_t count, const struct gw_scales *clear,
                         const struct gw_scales *set, gw_f32 *out);
    void (*unpack_signs_add)(const uint8_t *in, size_t count, const struct gw_scales *clear,
                             const struct gw_scales *set, float weight, gw_f32 *sum);

    /* The vote on `count` elements whose packed bits start at byte `at` of n bodies: a bit of
     * `more` is set if it is in more than half of them. If it is in exactly half, it is the
     * element's coin, or, without coins, set in `tie`. */
    void (*majority)(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                     const struct gw_coins *coins, uint8_t *more, uint8_t *tie);

    /* Sign and magnitude codes, quantized and packed, and back: magnitude times scale. */
    void (*quantize)(const struct gw_quantizer *q, const gw_f32 *x, size_t count, uint8_t *out);

    /* The codes, and what they do not say: struct gw_rest. */
    void (*quantize_rest)(const struct gw_quantizer *q, const struct gw_rest *rest, const gw_f32 *x,
                          size_t count, uint8_t *out);

    /* Where there is a `stream`, true if `out` is too large to be read soon. */
    void (*dequantize)(const uint8_t *in, size_t count, unsigned bits,
                       const struct gw_scales *scales, gw_f32 *out, int stream);
    void (*dequantize_add)(const uint8_t *in, size_t count, unsigned bits,
                           const struct gw_scales *scales, float weight, gw_f32 *sum);

    /* 16-bit floats, little-endian, to nearest even. What is too large for the format becomes its
     * largest number, not infinity; NaN stays NaN and infinity stays infinity. Encoding returns
     * max_abs. has_exponent: true if all bits of `exponent` are set in one of the numbers. */
    int (*has_exponent)(const uint8_t *in, size_t count, uint16_t exponent);
    float (*fp16_encode)(const gw_f32 *x, size_t count, uint8_t *out);
    void (*fp16_decode)(const uint8_t *in, size_t count, gw_f32 *out, int stream);
    void (*fp16_decode_add)(const uint8_t *in, size_t count, float weight, gw_f32 *sum);
    float (*bf16_encode)(const gw_f32 *x, size_t count, uint8_t *out);
    void (*bf16_decode)(const uint8_t *in, size_t count, gw_f32 *out, int stream);
    void (*bf16_decode_add)(const uint8_t *in, size_t count, float weight, gw_f32 *sum);

    /* The elements whose magnitude, as its bits order it, is `least` (>= 1) or more: positions,
     * counted from `first`, and values, in order; returns how many. Both outputs have room for
     * `count`. */
    size_t (*collect)(const gw_f32 *x, size_t count, uint32_t least, uint32_t first,
                      uint32_t *positions, gw_f32 *values);
};

/* The rows, slowest first; ends with NULL. Row 0 is scalar. */
extern const struct gw_kernels *const gw_kernel_rows[];

enum put { PUT, PUT_ADD, PUT_STREAM }; /* what becomes of a value */

extern const struct gw_kernels gw_kernels_scalar, gw_kernels_avx2, gw_kernels_avx512,
    gw_kernels_neon;

/* One element: magnitude (0..levels) of x for quantizer q with the scale's inverse. */
static inline uint32_t gw_quantize_one(const struct gw_quantizer *q, float x, float inverse,
                                       uint64_t element)
{
    float v = __builtin_fabsf(x) * inverse;
    v = v < q->levels ? v : q->levels;
    if (q->nearest)
        return (uint32_t)__builtin_lrintf(v);
    return ((uint32_t)__builtin_lrintf(v * 65536.0f) + gw_random_u16(q->key, element)) >> 16;
}

/* The coins of the 32 elements element, element + 16, ... */
static inline uint32_t gw_coin_lane(struct gw_random_key key, uint64_t element)
{
    uint64_t counter = element / GW_GROUP * 16 + element % 16;
    unsigned shift = (unsigned)(element / 16 % 32);
    uint32_t low = gw_random_u32(key, counter);
    return shift ? low >> shift | gw_random_u32(key, counter + 16) << (32 - shift) : low;
}

/* The order of sums: 16 lanes to one. */
static inline double gw_sum_lanes(double lanes[16])
{
    for (int half = 8; half; half /= 2)
        for (int l = 0; l < half; l++)
            lanes[l] += lanes[l + half];
    return lanes[0];
}

static inline uint16_t gw_float_to_fp16(float x)
{
    uint32_t bits = gw_float_bits(x), sign = bits >> 16 & 0x8000u, a = bits & 0x7fffffffu;
    if (a >= 0x7f800000u)
        return (uint16_t)(sign | 0x7c00u | (a > 0x7f800000u ? 0x200u | (a >> 13 & 0x3ffu) : 0));
    if (a >= 0x477fe000u)
        return (uint16_t)(sign | 0x7bffu);
    if (a >= 0x38800000u)
        return (uint16_t)(sign | ((a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13));
    /* Subnormal: adding 0.5 leaves |x| in units of 2^-24 in the low bits, rounded by the FPU. */
    float rounded = gw_bits_float(a) + 0.5f;
    return (uint16_t)(sign | (gw_float_bits(rounded) - 0x3f000000u));
}

static inline float gw_fp16_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, a = h & 0x7fffu;
    if (a > 0x7c00u)
        return gw_bits_float(sign | 0x7fc00000u | a << 13);
    if (a == 0x7c00u)
        return gw_bits_float(sign | 0x7f800000u);
    if (a >= 0x400u)
        return gw_bits_float(sign | ((a << 13) + 0x38000000u));
    return gw_bits_float(sign | gw_float_bits((float)a * 0x1p-24f));
}

static inline uint16_t gw_float_to_bf16(float x)
{
    uint32_t bits = gw_float_bits(x), sign = bits >> 16 & 0x8000u, a = bits & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | a >> 16 | 0x40u);
    if (a > 0x7f7f0000u && a < 0x7f800000u)
        a = 0x7f7f0000u;
    return (uint16_t)(sign | (a + 0x7fffu + (a >> 16 & 1u)) >> 16);
}

#endif
