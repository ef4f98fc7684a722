/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every kernel set that this CPU can run gives the bits of the scalar set: any count, any address,
 * special values, scales that change anywhere.
 * Repeat one failure with CK_RUN_CASE=kernels tests/test_kernels. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stream.h"
#include "compress/kernels/table.h"

enum { MOST = 5000, SEED = 20260, PADS = 3 };

static const size_t counts[] = { 0,   1,   2,   15,  16,   17,   31,   32,   33,  100,
                                 511, 512, 513, 527, 1000, 1024, 1536, 4096, MOST };
static const size_t pads[PADS] = { 0, 1, 6 }; /* bytes off alignment */

enum { COUNTS = sizeof counts / sizeof counts[0] };

static const struct gw_kernels *const scalar = &gw_kernels_scalar;

static uint32_t state;

static uint32_t draw(void)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)gw_mix64(state);
}

/* A bit pattern: mostly ordinary, sometimes a special value; finite on request. */
static float draw_float(int finite)
{
    static const float special[] = { 0.0f,        -0.0f,      FLT_MAX,    -FLT_MAX, FLT_MIN,
                                     -FLT_MIN,    0x1p-149f,  -0x1p-149f, 65504.0f, 65519.0f,
                                     65520.0f,    -1e30f,     1.0f,       -1.0f,    0x1p-24f,
                                     0x1.8p-24f,  0x1.8p-25f, 6.1e-5f,    0.5f,     0x1.fep127f,
                                     0x1.ff8p127f };
    uint32_t kind = draw() % 16;
    if (kind == 0)
        return special[draw() % (sizeof special / sizeof special[0])];
    if (kind == 1 && !finite)
        return gw_bits_float(0x7f800000u | (draw() & 0x80000000u) |
                             (draw() % 3 ? 0 : 1 + draw() % 0x7fffff));
    if (kind == 2) {
        float any = gw_bits_float(draw());
        return gw_is_finite(any) ? any : 1.0f;
    }
    return ((float)(draw() % 20001) - 10000.0f) / 5000.0f;
}

struct buffers {
    uint8_t x[4 * MOST + 16], a[4 * MOST + 16], b[4 * MOST + 16], scales[2][4 * (MOST / 16 + 2)];
};

static struct buffers *buffers;

static void setup(void)
{
    state = SEED;
    buffers = calloc(1, sizeof *buffers);
    ck_assert_ptr_nonnull(buffers);
}

static void teardown(void)
{
    free(buffers);
}

static gw_f32 *fill(size_t count, size_t pad, int finite)
{
    gw_f32 *x = (gw_f32 *)(buffers->x + pad);
    for (size_t i = 0; i < count; i++)
        x[i] = draw_float(finite);
    return x;
}

static void same(const struct gw_kernels *row, const char *what, size_t count, size_t pad,
                 const void *expected, const void *got, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned e = ((const uint8_t *)expected)[i], g = ((const uint8_t *)got)[i];
        if (e == g)
            continue;
        ck_abort_msg("%s %s: byte %zu is %02x, expected %02x; count %zu, pad %zu, seed %d",
                     row->name, what, i, g, e, count, pad, SEED);
    }
}

typedef void body(const struct gw_kernels *row, size_t count, size_t pad);

static void every_row(body *test)
{
    for (size_t r = 0; gw_kernel_rows[r]; r++) {
        if (!gw_kernel_rows[r]->usable())
            continue;
        for (size_t c = 0; c < COUNTS; c++)
            for (size_t p = 0; p < PADS; p++)
                test(gw_kernel_rows[r], counts[c], pads[p]);
    }
}

static void reductions(const struct gw_kernels *row, size_t count, size_t pad)
{
    gw_f32 *x = fill(count, pad, 1);
    float m = scalar->max_abs(x, count), n = row->max_abs(x, count);
    same(row, "max_abs", count, pad, &m, &n, sizeof m);
    double s = scalar->sum_abs(x, count), t = row->sum_abs(x, count);
    same(row, "sum_abs", count, pad, &s, &t, sizeof s);
    s = scalar->sum_squares(x, count), t = row->sum_squares(x, count);
    same(row, "sum_squares", count, pad, &s, &t, sizeof s);
    double e[2], g[2];
    size_t negatives = scalar->sum_by_sign(x, count, e);
    ck_assert_uint_eq(row->sum_by_sign(x, count, g), negatives);
    same(row, "sum_by_sign", count, pad, e, g, sizeof e);
    size_t first = 77, where = 77;
    ck_assert_uint_eq(row->count_nonfinite(x, count, &first), 0);
    ck_assert_uint_eq(first, 77);
    x = fill(count, pad, 0);
    ck_assert_uint_eq(row->count_nonfinite(x, count, &first),
                      scalar->count_nonfinite(x, count, &where));
    ck_assert_uint_eq(first, where);
    m = scalar->max_abs(x, count), n = row->max_abs(x, count);
    same(row, "max_abs of special values", count, pad, &m, &n, sizeof m);
}

static void sums(const struct gw_kernels *row, size_t count, size_t pad)
{
    gw_f32 *x = fill(count, pad, 1), *a = (gw_f32 *)(buffers->a + pad);
    gw_f32 *b = (gw_f32 *)(buffers->b + pad);
    for (size_t i = 0; i < count; i++)
        a[i] = b[i] = draw_float(1);
    scalar->add(a, x, count), row->add(b, x, count);
    same(row, "add", count, pad, (void *)a, (void *)b, 4 * count);
    for (size_t i = 0; i < count; i++)
        a[i] = b[i] = draw_float(1);
    scalar->add_scaled(a, x, -0.3f, count), row->add_scaled(b, x, -0.3f, count);
    same(row, "add_scaled", count, pad, (void *)a, (void *)b, 4 * count);
    for (size_t i = 0; i < count; i++)
        a[i] = b[i] = draw_float(1);
    scalar->add_to(a, a, x, count), row->add_to(b, b, x, count);
    same(row, "add_to", count, pad, (void *)a, (void *)b, 4 * count);
    x = fill(count, pad, 0);
    float m = scalar->add_max(a, a, x, count), n = row->add_max(b, b, x, count);
    same(row, "add_max", count, pad, &m, &n, sizeof m);
    same(row, "add_max's sums", count, pad, (void *)a, (void *)b, 4 * count);
}

static void packing(const struct gw_kernels *row, size_t count, size_t pad)
{
    for (unsigned bits = 1; bits <= 8; bits++) {
        uint8_t *codes = buffers->x + pad, *a = buffers->a + pad, *b = buffers->b + pad;
        size_t bytes = gw_packed_bytes(count, bits);
        for (size_t i = 0; i < count; i++)
            codes[i] = (uint8_t)draw();
        a[bytes] = b[bytes] = 0xa5;
        scalar->pack(codes, count, bits, a), row->pack(codes, count, bits, b);
        same(row, "pack", count, pad, a, b, bytes + 1);
        uint8_t *back = buffers->b + pad + bytes;
        back[count] = 0x5a;
        row->unpack(a, count, bits, back);
        for (size_t i = 0; i < count; i++)
            codes[i] &= (uint8_t)((1u << bits) - 1);
        codes[count] = 0x5a;
        same(row, "unpack", count, pad, codes, back, count + 1);
    }
}

/* Scales with a bucket of 2^shift and the range `offset` into it. */
static struct gw_scales draw_scales(int which, size_t offset, unsigned shift, float least,
                                    float most)
{
    for (size_t i = 0; i < MOST / 16 + 2; i++)
        gw_put_f32(buffers->scales[which] + 4 * i,
                   least + (most - least) * (float)(draw() % 4096) / 4096.0f);
    return (struct gw_scales){ buffers->scales[which], offset, shift };
}

static const struct {
    size_t offset;
    unsigned shift;
} cuts[] = { { 0, 4 }, { 3, 4 }, { 16, 8 }, { 200, 8 }, { 0, 9 }, { 1024, 11 }, { 7, GW_WHOLE } };

enum { CUTS = sizeof cuts / sizeof cuts[0] };

/* A NaN is a NaN, whatever its bits. */
static void same_double(const struct gw_kernels *row, const char *what, size_t count, size_t pad,
                        double expected, double got)
{
    if (!isnan(expected) || !isnan(got))
        same(row, what, count, pad, &expected, &got, sizeof got);
}

static void sign_sums(const struct gw_kernels *row, const gw_f32 *x, size_t count, size_t pad)
{
    uint8_t packed[MOST / 8 + 64], other[MOST / 8 + 64];
    const gw_f32 *const ahead[2] = { x, x };
    size_t bytes = gw_packed_bytes(count, 1);
    double e[2], g[2];
    scalar->pack_signs(x, count, packed);
    e[0] = scalar->sum_abs(x, count), g[0] = row->pack_signs_abs(x, count, ahead, other);
    same_double(row, "pack_signs_abs", count, pad, e[0], g[0]);
    same(row, "pack_signs_abs", count, pad, packed, other, bytes);
    size_t negatives = scalar->pack_signs_sums(x, count, ahead, other, e);
    ck_assert_uint_eq(row->pack_signs_sums(x, count, ahead, other, g), negatives);
    same(row, "pack_signs_sums", count, pad, packed, other, bytes);
    same_double(row, "pack_signs_sums", count, pad, e[0], g[0]);
    same_double(row, "pack_signs_sums", count, pad, e[1], g[1]);
}

/* Finite x. */
static void left_by_signs(const struct gw_kernels *row, const gw_f32 *x, size_t count, size_t pad)
{
    uint8_t packed[MOST / 8 + 64], other[MOST / 8 + 64];
    const gw_f32 *const ahead[2] = { x, x };
    const float values[2] = { 0.3f, -0.7f };
    gw_f32 *a = (gw_f32 *)(buffers->a + pad), *b = (gw_f32 *)(buffers->b + pad);
    double e = scalar->add_signs_abs(a, x, x, count, packed);
    double g = row->add_signs_abs(b, x, x, count, other);
    same_double(row, "add_signs_abs", count, pad, e, g);
    same(row, "add_signs_abs", count, pad, packed, other, gw_packed_bytes(count, 1));
    same(row, "add_signs_abs", count, pad, (void *)a, (void *)b, 4 * count);
    for (int stream = 0; stream < 2; stream++) {
        memset((void *)b, 0, 4 * count);
        scalar->subtract_by_sign(a, x, count, values, ahead, stream);
        row->subtract_by_sign(b, x, count, values, ahead, stream);
        gw_stream_fence();
        same(row, "subtract_by_sign", count, pad, (void *)a, (void *)b, 4 * count);
    }
}

static void signs(const struct gw_kernels *row, size_t count, size_t pad)
{
    gw_f32 *x = fill(count, pad, 0);
    uint8_t packed[MOST / 8 + 64], other[MOST / 8 + 64];
    size_t bytes = gw_packed_bytes(count, 1);
    scalar->pack_signs(x, count, packed), row->pack_signs(x, count, other);
    same(row, "pack_signs", count, pad, packed, other, bytes);
    sign_sums(row, x, count, pad);
    x = fill(count, pad, 1);
    sign_sums(row, x, count, pad);
    left_by_signs(row, x, count, pad);
    gw_f32 *a = (gw_f32 *)(buffers->a + pad), *b = (gw_f32 *)(buffers->b + pad);
    for (size_t c = 0; c < CUTS; c++) {
        struct gw_scales clear = draw_scales(0, cuts[c].offset, cuts[c].shift, 0, 2);
        struct gw_scales set = draw_scales(1, cuts[c].offset, cuts[c].shift, -2, 0);
        scalar->unpack_signs(packed, count, &clear, &set, a);
        row->unpack_signs(packed, count, &clear, &set, b);
        same(row, "unpack_signs", count, pad, (void *)a, (void *)b, 4 * count);
        scalar->unpack_signs_add(packed, count, &clear, &set, 0.7f, a);
        row->unpack_signs_add(packed, count, &clear, &set, 0.7f, b);
        same(row, "unpack_signs_add", count, pad, (void *)a, (void *)b, 4 * count);
    }
}

/* An output `shift` floats off alignment, and bytes before and behind it that must stay. */
static uint8_t past[4 * MOST + 256];

static gw_f32 *streamed(size_t pad, size_t shift)
{
    memset(past, 0x5a, sizeof past);
    return (gw_f32 *)(past + 64 + pad + 4 * shift);
}

static void same_streamed(const struct gw_kernels *row, const char *what, size_t count, size_t pad,
                          const gw_f32 *expected, const gw_f32 *got)
{
    same(row, what, count, pad, (const void *)expected, (const void *)got, 4 * count);
    const uint8_t *from = (const uint8_t *)got, *to = from + 4 * count;
    for (size_t i = 1; i <= 64; i++)
        ck_assert_msg(from[-(ptrdiff_t)i] == 0x5a && to[i - 1] == 0x5a,
                      "%s %s: wrote beside its %zu floats", row->name, what, count);
}

static void codes(const struct gw_kernels *row, size_t count, size_t pad)
{
    static const uint64_t elements[] = { 0, 32, 5, (1ull << 37) + 64, (3ull << 36) + 640 };
    uint8_t packed[MOST + 64], other[MOST + 64];
    static uint8_t states[4 * MOST + 16];
    int finite = pad != 0 || count % 2; /* a NaN less a number keeps no bits to compare */
    gw_f32 *x = fill(count, pad, finite), *y = (gw_f32 *)(states + pad);
    for (size_t i = 0; i < count; i++)
        y[i] = draw_float(1) * 1e-3f;
    gw_f32 *a = (gw_f32 *)(buffers->a + pad), *b = (gw_f32 *)(buffers->b + pad);
    for (unsigned bits = 2; bits <= 8; bits++) {
        size_t cut = (bits + count) % CUTS, bytes = gw_packed_bytes(count, bits);
        struct gw_scales scales = draw_scales(0, cuts[cut].offset, cuts[cut].shift, 0, 2);
        for (size_t turn = 0; turn < 30; turn++) {
            struct gw_quantizer q = { .inverse = draw_scales(1, cuts[cut].offset, cuts[cut].shift,
                                                             0, (float)(1u << bits)),
                                      .levels = (float)((1u << (bits - 1)) - 1),
                                      .bits = bits,
                                      .nearest = turn % 7 == 6,
                                      .key = { draw(), draw() },
                                      .element = elements[turn % 5] };
            scalar->quantize(&q, x, count, packed), row->quantize(&q, x, count, other);
            same(row, "quantize", count, pad, packed, other, bytes);
            struct gw_rest rest = { turn % 3 ? y : NULL, scales, turn % 2 ? 1.0f : 0.37f, a, 0 };
            scalar->quantize_rest(&q, &rest, x, count, packed);
            rest.out = b;
            rest.stream = turn % 4 > 1;
            row->quantize_rest(&q, &rest, x, count, other);
            same(row, "quantize_rest", count, pad, packed, other, bytes);
            if (finite)
                same(row, "quantize_rest's rest", count, pad, (void *)a, (void *)b, 4 * count);
        }
        scalar->dequantize(packed, count, bits, &scales, a, 0);
        row->dequantize(packed, count, bits, &scales, b, 0);
        same(row, "dequantize", count, pad, (void *)a, (void *)b, 4 * count);
        for (size_t shift = 0; shift < 16; shift += 3) {
            gw_f32 *to = streamed(pad, shift);
            row->dequantize(packed, count, bits, &scales, to, 1);
            same_streamed(row, "dequantize past the cache", count, pad, a, to);
        }
        scalar->dequantize_add(packed, count, bits, &scales, 0.7f, a);
        row->dequantize_add(packed, count, bits, &scales, 0.7f, b);
        same(row, "dequantize_add", count, pad, (void *)a, (void *)b, 4 * count);
    }
}

static void exponents(const struct gw_kernels *row, size_t count, size_t pad)
{
    uint8_t *x = buffers->x + pad;
    for (size_t i = 0; i < 2 * count; i++)
        x[i] = (uint8_t)(draw() & 0xbb); /* no exponent is full */
    ck_assert(!row->has_exponent(x, count, 0x7c00) && !row->has_exponent(x, count, 0x7f80));
    for (size_t i = 0; i < count; i += 1 + count / 7) {
        uint8_t was = x[2 * i + 1];
        x[2 * i + 1] |= 0x7c;
        ck_assert_msg(row->has_exponent(x, count, 0x7c00), "%s: infinity at %zu of %zu", row->name,
                      i, count);
        x[2 * i + 1] = was;
    }
}

static void halves(const struct gw_kernels *row, size_t count, size_t pad)
{
    gw_f32 *x = fill(count, pad, 0);
    uint8_t packed[2][2 * MOST], other[2 * MOST];
    gw_f32 *a = (gw_f32 *)(buffers->a + pad), *b = (gw_f32 *)(buffers->b + pad);
    float m = scalar->fp16_encode(x, count, packed[0]), n = row->fp16_encode(x, count, other);
    same(row, "fp16_encode", count, pad, packed[0], other, 2 * count);
    same(row, "max_abs of fp16_encode", count, pad, &m, &n, sizeof m);
    m = scalar->bf16_encode(x, count, packed[1]), n = row->bf16_encode(x, count, other);
    same(row, "bf16_encode", count, pad, packed[1], other, 2 * count);
    same(row, "max_abs of bf16_encode", count, pad, &m, &n, sizeof m);
    scalar->fp16_decode(packed[0], count, a, 0), row->fp16_decode(packed[0], count, b, 0);
    same(row, "fp16_decode", count, pad, (void *)a, (void *)b, 4 * count);
    for (size_t shift = 0; shift < 16; shift += 3) {
        gw_f32 *to = streamed(pad, shift);
        row->fp16_decode(packed[0], count, to, 1);
        same_streamed(row, "fp16_decode past the cache", count, pad, a, to);
    }
    scalar->bf16_decode(packed[1], count, a, 0), row->bf16_decode(packed[1], count, b, 0);
    same(row, "bf16_decode", count, pad, (void *)a, (void *)b, 4 * count);
    for (size_t shift = 0; shift < 16; shift += 3) {
        gw_f32 *to = streamed(pad, shift);
        row->bf16_decode(packed[1], count, to, 1);
        same_streamed(row, "bf16_decode past the cache", count, pad, a, to);
    }
    x = fill(count, pad, 1);
    scalar->fp16_encode(x, count, packed[0]), scalar->bf16_encode(x, count, packed[1]);
    for (size_t i = 0; i < count; i++)
        a[i] = b[i] = 1.5f;
    scalar->fp16_decode_add(packed[0], count, 0.7f, a);
    row->fp16_decode_add(packed[0], count, 0.7f, b);
    same(row, "fp16_decode_add", count, pad, (void *)a, (void *)b, 4 * count);
    scalar->bf16_decode_add(packed[1], count, 0.7f, a);
    row->bf16_decode_add(packed[1], count, 0.7f, b);
    same(row, "bf16_decode_add", count, pad, (void *)a, (void *)b, 4 * count);
}

enum { VOTERS = 70 };

static const size_t voters[] = { 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 48, 63, VOTERS };

/* Of the bits of `count` elements, of which the last group is no full one. */
static void naive_majority(const struct gw_body *from, size_t n, size_t at, size_t bytes,
                           uint8_t *more, uint8_t *tie)
{
    for (size_t i = 0; i < bytes; i++) {
        more[i] = tie[i] = 0;
        for (unsigned bit = 0; bit < 8; bit++) {
            size_t set = 0;
            for (size_t r = 0; r < n; r++)
                set += from[r].bytes[at + i] >> bit & 1u;
            more[i] |= (uint8_t)((2 * set > n) << bit);
            tie[i] |= (uint8_t)((2 * set == n) << bit);
        }
    }
}

static void one_majority(const struct gw_kernels *row, size_t n, size_t count, size_t pad,
                         const struct gw_body *from)
{
    uint8_t more[2][MOST / 8 + 64], tie[2][MOST / 8 + 64];
    size_t at = pad, bytes = gw_packed_bytes(count, 1);
    naive_majority(from, n, at, bytes, more[0], tie[0]);
    more[0][bytes] = more[1][bytes] = tie[0][bytes] = tie[1][bytes] = 0xa5;
    row->majority(from, n, at, count, NULL, more[1], tie[1]);
    if (count % 8) { /* bits beyond the last element count for nothing */
        more[1][bytes - 1] |= more[0][bytes - 1] & (uint8_t)(0xff << count % 8);
        tie[1][bytes - 1] |= tie[0][bytes - 1] & (uint8_t)(0xff << count % 8);
    }
    same(row, "majority", count, pad, more[0], more[1], bytes + 1);
    same(row, "majority's ties", count, pad, tie[0], tie[1], bytes + 1);
    static const uint64_t elements[] = { 0, 16, 512 + 32, 5, (1ull << 37) + 48 };
    for (size_t e = 0; e < sizeof elements / sizeof elements[0]; e++) {
        const struct gw_coins coins = { { draw(), draw() }, elements[e] };
        scalar->majority(from, n, at, count, &coins, more[0], NULL);
        row->majority(from, n, at, count, &coins, more[1], NULL);
        same(row, "majority with coins", count, pad, more[0], more[1], bytes + 1);
    }
}

static void votes(const struct gw_kernels *row, size_t count, size_t pad)
{
    static uint8_t bits[VOTERS][MOST / 8 + 128];
    struct gw_body from[VOTERS];
    for (size_t r = 0; r < VOTERS; r++) {
        for (size_t i = 0; i < sizeof bits[r]; i++)
            bits[r][i] = (uint8_t)draw();
        from[r] = (struct gw_body){ .bytes = bits[r] };
    }
    size_t turn = (count + pad) % 3;
    for (size_t v = turn; v < sizeof voters / sizeof voters[0]; v += 3)
        one_majority(row, voters[v], count, pad, from);
}

/* Below the first that counts, what the outputs hold is anything. */
static void selection(const struct gw_kernels *row, size_t count, size_t pad)
{
    static const uint32_t least[] = { 1,           0x3f800000u, 0x3fe00000u, 0x7f7fffffu,
                                      0x7f800001u, 0x7fffffffu, 0x80000000u };
    uint32_t expected[MOST], got[MOST];
    gw_f32 *a = (gw_f32 *)(buffers->a + pad), *b = (gw_f32 *)(buffers->b + pad);
    gw_f32 *x = fill(count, pad, 0);
    for (size_t k = 0; k < sizeof least / sizeof least[0]; k++) {
        size_t n = scalar->collect(x, count, least[k], 7, expected, a);
        ck_assert_uint_eq(row->collect(x, count, least[k], 7, got, b), n);
        same(row, "collect positions", count, pad, expected, got, 4 * n);
        same(row, "collect values", count, pad, a, b, 4 * n);
        for (size_t i = 0; i < n; i++)
            ck_assert((gw_float_bits(a[i]) & 0x7fffffffu) >= least[k]);
    }
}

static body *const bodies[] = { reductions, sums,   packing,   signs,    votes,
                                codes,      halves, exponents, selection };

START_TEST(rows_equal_scalar)
{
    every_row(bodies[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tcase = tcase_create("kernels");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, rows_equal_scalar, 0, sizeof bodies / sizeof bodies[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
