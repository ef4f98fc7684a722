/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* terngrad: its exact variance, and payloads merged without decoding.
 * Repeat one part with CK_RUN_CASE=terngrad tests/test_terngrad. */
#include "compress/codec.h"
#include "tests/samples.h"

enum { SEED = 11 };

/* E|C(x) - x|^2 = s |x|_1 - |x|_2^2. */
START_TEST(terngrad_variance)
{
    enum { N = 4096, RUNS = 400 };
    float *x = sample_gauss_vector(SEED, N), y[N];
    double most = 0, sum = 0, error = 0;
    for (int i = 0; i < N; i++) {
        most = fmax(most, fabs((double)x[i]));
        sum += fabs((double)x[i]);
    }
    gw_codec *codec = codec_of("terngrad:clip=0", N, NULL);
    for (int r = 0; r < RUNS; r++) {
        round_trip(codec, x, N, y);
        error += squared_distance(x, y, N);
    }
    check_near("terngrad's variance", error / RUNS, most * sum - sum_squares_of(x, N), .01, SEED);
    gw_codec_close(codec);
    free(x);
}
END_TEST

struct worker {
    gw_codec *codec;
    float *x;
    uint8_t *body;
    size_t bytes;
};

/* Workers that agreed on the largest scale; bodies encoded. */
static void open_workers(struct worker *workers, int n, size_t count)
{
    float most = 0;
    struct gw_error error;
    for (int r = 0; r < n; r++) {
        struct worker *w = &workers[r];
        const gw_codec_options options = { .rank = r, .ranks = n };
        w->codec = codec_of("terngrad", count, &options);
        w->x = sample_gauss_vector(SEED + (uint64_t)r, count);
        float side = 0;
        ck_assert_int_eq(gw_codec_prepare(w->codec, w->x, &error), GW_OK);
        ck_assert_uint_eq(gw_codec_side_count(w->codec), 1);
        gw_codec_propose(w->codec, &side);
        most = fmaxf(most, side);
    }
    for (int r = 0; r < n; r++) {
        struct worker *w = &workers[r];
        ck_assert_int_eq(gw_codec_adopt(w->codec, &most, &error), GW_OK);
        w->body = malloc(w->codec->row->bound(w->codec, 0, count));
        ck_assert_ptr_nonnull(w->body);
        ck_assert_int_eq(w->codec->row->encode(w->codec, 0, count, w->body, &w->bytes, &error),
                         GW_OK);
    }
}

static void close_workers(struct worker *workers, int n)
{
    for (int r = 0; r < n; r++) {
        gw_codec_close(workers[r].codec);
        free(workers[r].x);
        free(workers[r].body);
    }
}

/* Merge bodies [from, to) into `out`. */
static struct gw_body merge_bodies(struct gw_codec *c, size_t count, const struct gw_body *bodies,
                                   int n, uint8_t *out)
{
    struct gw_body merged = { .bytes = out, .flags = GW_PAYLOAD_MERGED };
    struct gw_error error;
    c->row->merge(c, 0, count, bodies, n, out, &merged.length);
    ck_assert_uint_le(merged.length, c->row->merged_bound(c, 0, count));
    gw_status s = c->row->check(c, 0, count, merged, &error);
    ck_assert_msg(!s, "merged body of %d: %s", n, error.text);
    return merged;
}

static const int merged_ranks[] = { 1, 2, 3, 4, 7, 8, 9, 33, 127, 128, 200 };

/* The merged payload is the sum of the codes, exactly; and of sums of parts. */
START_TEST(terngrad_merge)
{
    enum { N = 1100 };
    int n = merged_ranks[_i];
    struct worker *workers = calloc((size_t)n, sizeof *workers);
    struct gw_body *bodies = calloc((size_t)n + 1, sizeof *bodies);
    ck_assert(workers && bodies);
    open_workers(workers, n, N);
    ck_assert_ptr_nonnull(workers[0].body);
    struct gw_codec *c = workers[0].codec;
    double expected[N] = { 0 }, scale = (double)gw_get_f32(workers[0].body);
    float got[N], one[N];
    for (int r = 0; r < n; r++) {
        bodies[r] = (struct gw_body){ workers[r].body, workers[r].bytes, 0 };
        c->row->decode(c, 0, N, bodies[r], one);
        for (int i = 0; i < N; i++)
            expected[i] += round((double)one[i] / scale);
    }
    size_t capacity = c->row->merged_bound(c, 0, N);
    uint8_t *whole = malloc(capacity), *part = malloc(capacity), *both = malloc(capacity);
    ck_assert(whole && part && both);
    struct gw_body sum = merge_bodies(c, N, bodies, n, whole);
    c->row->decode(c, 0, N, sum, got);
    for (int i = 0; i < N; i++)
        if (got[i] != (float)scale * (float)expected[i])
            ck_abort_msg("n %d: element %d is %g, expected %g", n, i, (double)got[i],
                         scale * expected[i]);
    if (n > 2) {
        struct gw_body halves[2] = { bodies[0], merge_bodies(c, N, bodies + 1, n - 1, part) };
        struct gw_body again = merge_bodies(c, N, halves, 2, both);
        ck_assert_uint_eq(again.length, sum.length);
        ck_assert_mem_eq(again.bytes, sum.bytes, sum.length);
    }
    free(whole);
    free(part);
    free(both);
    close_workers(workers, n);
    free(workers);
    free(bodies);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("terngrad");
    TCase *tcase = tcase_create("terngrad");
    tcase_add_test(tcase, terngrad_variance);
    tcase_add_loop_test(tcase, terngrad_merge, 0, sizeof merged_ranks / sizeof merged_ranks[0]);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
