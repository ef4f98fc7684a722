/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Signs, one bit each, with NEON: a group of 512 is one row of 16 words. */
#include <float.h>

#include "compress/kernels/neon.h"

struct sums { /* 16 lanes of doubles for each sign */
    float64x2_t plus[8], minus[8];
};

struct signs { /* 16 words */
    uint32x4_t v[4];
};

INLINE void clear_sums(struct sums *s)
{
    for (int k = 0; k < 8; k++)
        s->plus[k] = s->minus[k] = vdupq_n_f64(0);
}

/* The other side of each element adds +0, which changes no sum that began with +0. */
INLINE void add_two(float64x2_t *plus, float64x2_t *minus, float64x2_t v)
{
    const float64x2_t zero = vdupq_n_f64(0);
    uint64x2_t negative = vcltzq_s64(vreinterpretq_s64_f64(v));
    *plus = vaddq_f64(*plus, vbslq_f64(negative, zero, v));
    *minus = vaddq_f64(*minus, vbslq_f64(negative, v, zero));
}

/* 16 elements; returns how many have the sign bit. */
INLINE size_t add_row(struct sums *s, const gw_f32 *x)
{
    uint32x4_t negatives = vdupq_n_u32(0);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        float32x4_t v = load_floats(x + 4 * k);
        negatives = vsraq_n_u32(negatives, vreinterpretq_u32_f32(v), 31);
        add_two(&s->plus[2 * k], &s->minus[2 * k], vcvt_f64_f32(vget_low_f32(v)));
        add_two(&s->plus[2 * k + 1], &s->minus[2 * k + 1], vcvt_high_f64_f32(v));
    }
    return vaddvq_u32(negatives);
}

size_t gw_neon_sum_by_sign(const gw_f32 *x, size_t count, double sums[2])
{
    struct sums s;
    double lanes[2][16];
    size_t at = 0, negatives = 0;
    clear_sums(&s);
    for (; at + 16 <= count; at += 16)
        negatives += add_row(&s, x + at);
    for (int k = 0; k < 8; k++) {
        vst1q_f64(lanes[0] + 2 * k, s.plus[k]);
        vst1q_f64(lanes[1] + 2 * k, s.minus[k]);
    }
    for (size_t i = at; i < count; i++) {
        unsigned negative = gw_float_bits(x[i]) >> 31;
        negatives += negative;
        lanes[negative][i % 16] += (double)x[i];
    }
    sums[0] = gw_sum_lanes(lanes[0]);
    sums[1] = gw_sum_lanes(lanes[1]);
    return negatives;
}

/* One row of 16 signs goes into the top bit of its lanes. */
INLINE void put_signs(struct signs *s, const gw_f32 *x)
{
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        s->v[k] = vsriq_n_u32(load_bits(x + 4 * k), s->v[k], 1);
}

INLINE void store_signs(uint8_t *out, const struct signs *s)
{
    for (int k = 0; k < 4; k++)
        vst1q_u8(out + 16 * k, vreinterpretq_u8_u32(s->v[k]));
}

INLINE struct signs no_signs(void)
{
    const uint32x4_t zero = vdupq_n_u32(0);
    return (struct signs){ { zero, zero, zero, zero } };
}

void gw_neon_pack_signs(const gw_f32 *x, size_t count, uint8_t *out)
{
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP, out += GW_GROUP / 8) {
        struct signs s = no_signs();
        for (int step = 0; step < STEPS; step++)
            put_signs(&s, x + 16 * step);
        store_signs(out, &s);
    }
    gw_kernels_scalar.pack_signs(x, count, out);
}

/* The sum of a group's magnitudes, in 32 lanes of floats. */
static double sum_group(const gw_f32 *x)
{
    float32x4_t lanes[8];
    float narrow[32];
    double wide[16];
    for (int k = 0; k < 8; k++)
        lanes[k] = vdupq_n_f32(0);
    for (size_t i = 0; i < GW_GROUP; i += 32) {
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++)
            lanes[k] = vaddq_f32(lanes[k], vabsq_f32(load_floats(x + i + 4 * k)));
    }
    for (int k = 0; k < 8; k++)
        vst1q_f32(narrow + 4 * k, lanes[k]);
    for (int l = 0; l < 16; l++)
        wide[l] = (double)narrow[l] + (double)narrow[l + 16];
    double sum = gw_sum_lanes(wide);
    return sum <= DBL_MAX ? sum : gw_kernels_scalar.sum_abs(x, GW_GROUP);
}

double gw_neon_sum_abs(const gw_f32 *x, size_t count)
{
    double sum = 0;
    for (; count >= GW_GROUP; count -= GW_GROUP, x += GW_GROUP)
        sum += sum_group(x);
    return count ? sum + gw_kernels_scalar.sum_abs(x, count) : sum;
}

INLINE void prefetch_group(const gw_f32 *const ahead[2], size_t at)
{
    for (size_t i = 0; i < GW_GROUP; i += 32)
        gw_prefetch_pair(ahead, at + i);
}

double gw_neon_pack_signs_abs(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                              uint8_t *out)
{
    double sum = 0;
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP) {
        prefetch_group(ahead, at);
        gw_neon_pack_signs(x + at, GW_GROUP, out + at / 8);
        sum += sum_group(x + at);
    }
    if (at < count)
        sum += gw_kernels_scalar.pack_signs_abs(x + at, count - at, ahead, out + at / 8);
    return sum;
}

size_t gw_neon_pack_signs_sums(const gw_f32 *x, size_t count, const gw_f32 *const ahead[2],
                               uint8_t *out, double sums[2])
{
    size_t negatives = 0;
    sums[0] = sums[1] = 0;
    gw_neon_pack_signs(x, count, out);
    for (size_t at = 0; at < count; at += GW_GROUP) {
        double part[2];
        prefetch_group(ahead, at);
        negatives += gw_neon_sum_by_sign(x + at, gw_min_size(GW_GROUP, count - at), part);
        sums[0] += part[0];
        sums[1] += part[1];
    }
    return negatives;
}

double gw_neon_add_signs_abs(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count,
                             uint8_t *codes)
{
    double sum = 0;
    size_t at = 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP) {
        gw_neon_add_to(out + at, a + at, b + at, GW_GROUP);
        gw_neon_pack_signs(out + at, GW_GROUP, codes + at / 8);
        sum += sum_group(out + at);
    }
    if (at < count)
        sum +=
            gw_kernels_scalar.add_signs_abs(out + at, a + at, b + at, count - at, codes + at / 8);
    return sum;
}

void gw_neon_subtract_by_sign(gw_f32 *out, const gw_f32 *x, size_t count, const float values[2],
                              const gw_f32 *const ahead[2], int stream)
{
    const float32x4_t clear = vdupq_n_f32(values[0]), set = vdupq_n_f32(values[1]);
    size_t at = 0;
    for (; at + 4 <= count; at += 4) {
        float32x4_t v = load_floats(x + at);
        uint32x4_t negative = vcltzq_s32(vreinterpretq_s32_f32(v));
        if (at % 32 == 0)
            gw_prefetch_pair(ahead, at);
        store_floats(out + at, vsubq_f32(v, vbslq_f32(negative, set, clear)));
    }
    gw_kernels_scalar.subtract_by_sign(out + at, x + at, count - at, values, ahead, stream);
}

/* Four elements with these scales, or added with these weighted scales. */
INLINE void put_values(gw_f32 *out, uint32x4_t negative, float32x4_t clear, float32x4_t set,
                       int add)
{
    float32x4_t values = vbslq_f32(negative, set, clear);
    store_floats(out, add ? vaddq_f32(load_floats(out), values) : values);
}

INLINE float32x4_t row_scale(const struct gw_scales *scales, size_t i, int add, float weight)
{
    float scale = gw_scale_at(scales, i);
    return vdupq_n_f32(add ? weight * scale : scale);
}

INLINE size_t unpack_sign_groups(const uint8_t *in, size_t count, const struct gw_scales *clear,
                                 const struct gw_scales *set, int add, float weight, gw_f32 *out)
{
    size_t at = 0;
    if (clear->offset % 16)
        return 0;
    for (; at + GW_GROUP <= count; at += GW_GROUP, in += GW_GROUP / 8) {
        uint32x4_t bit = vdupq_n_u32(1);
        for (size_t i = at; i < at + GW_GROUP; i += 16) {
            float32x4_t c = row_scale(clear, i, add, weight), s = row_scale(set, i, add, weight);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++)
                put_values(out + i + 4 * k, vtstq_u32(load_bits(in + 16 * k), bit), c, s, add);
            bit = vaddq_u32(bit, bit);
        }
    }
    return at;
}

void gw_neon_unpack_signs(const uint8_t *in, size_t count, const struct gw_scales *clear,
                          const struct gw_scales *set, gw_f32 *out)
{
    size_t done = unpack_sign_groups(in, count, clear, set, 0, 0, out);
    struct gw_scales c = gw_scales_from(*clear, done), s = gw_scales_from(*set, done);
    gw_kernels_scalar.unpack_signs(in + done / 8, count - done, &c, &s, out + done);
}

void gw_neon_unpack_signs_add(const uint8_t *in, size_t count, const struct gw_scales *clear,
                              const struct gw_scales *set, float weight, gw_f32 *sum)
{
    size_t done = unpack_sign_groups(in, count, clear, set, 1, weight, sum);
    struct gw_scales c = gw_scales_from(*clear, done), s = gw_scales_from(*set, done);
    gw_kernels_scalar.unpack_signs_add(in + done / 8, count - done, &c, &s, weight, sum + done);
}
