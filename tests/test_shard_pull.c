/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Pulls: a worker that takes what it is given holds, bit for bit, what the server believes it does,
 * however many rounds it missed; what a payload did not bring is kept back and comes later. */
#include "tests/shards.h"

#include "server/shard_inside.h"
#include "tests/samples.h"

#include <float.h>

enum { WORKERS = 3, COUNT = SHARD_COUNT, ROUNDS = 50 };

static const char *const pulls[] = {
    "raw",
    "fp16",
    "bf16",
    "int8",
    "qsgd:bits=4",
    "qsgd:bits=2,coding=elias",
    "qsgd:levels=1,norm=l2,bucket=512,bits=1",
    "terngrad",
    "sign",
    "onebit",
    "topk:ratio=0.1",
    "randomk:ratio=0.1",
    "randomk:ratio=0.2,scale=unbiased",
    "int:bits=16",
    "int:bits=32",
    "clip:sigma=2+qsgd",
    "clip+raw",
};
enum { PULLS = sizeof pulls / sizeof *pulls };
static const char *const feedbacks[] = { "shared", "worker" };

static void expect(gw_status s, const char *what, const struct gw_error *error)
{
    ck_assert_msg(s == GW_OK, "%s: %s: %s", what, gw_status_name(s), error->text);
}

/* One push of `scale` times Gaussian numbers. */
static void push(struct gw_shard *shard, uint64_t round, float scale)
{
    static float x[COUNT];
    struct gw_blob *blobs[SHARD_PARTS_MAX];
    struct pusher pusher;
    struct gw_error error = { 0 };
    for (uint64_t i = 0; i < COUNT; i++)
        x[i] = scale * (float)sample_gauss(round, i);
    expect(pusher_open(&pusher, shard, "raw", 0, &error), "open", &error);
    expect(pusher_encode(&pusher, x, false, blobs), "encode", &error);
    const struct gw_push_view view = { 0, false, blobs };
    struct gw_work *work = gw_shard_apply(shard, &view, 1, NAN, round);
    ck_assert_ptr_nonnull(work);
    expect(shard_work(work, 1, round, &error), "apply", &error);
    blobs_drop(blobs, pusher.parts);
    pusher_close(&pusher);
}

static bool advance(struct gw_shard *shard, uint32_t worker, uint64_t seed)
{
    struct gw_error error = { 0 };
    struct gw_work *work = gw_shard_advance(shard, worker);
    if (work)
        expect(shard_work(work, seed % 8 ? 1 : 2, seed, &error), "advance", &error);
    return work != NULL;
}

static size_t pull(struct gw_shard *shard, const char *spec, uint32_t worker, uint64_t *has,
                   float *held)
{
    struct gw_pull_item *items;
    struct gw_error error = { 0 };
    size_t count;
    expect(gw_shard_pull(shard, worker, *has, &items, &count, &error), spec, &error);
    expect(items_take(shard, spec, items, count, held, &error), spec, &error);
    *has = gw_shard_version(shard, worker);
    return count;
}

static struct gw_shard *open_shard(const char *spec, const char *feedback)
{
    const struct shard_terms terms = {
        .push = "raw", .optimizer = "sgd:lr=1", .pull = spec, .feedback = feedback
    };
    struct gw_shard *shard;
    struct gw_error error = { 0 };
    expect(shard_open(&shard, &terms, &error), spec, &error);
    expect(gw_shard_set_threads(shard, 2, &error), spec, &error);
    return shard;
}

static void expect_held(const struct gw_shard *shard, uint32_t worker, const float *held,
                        const char *what, int round)
{
    const struct gw_holder *holder = gw_holder_find(shard, worker);
    int i = 0; /* each assertion is a message to the runner's process: one is enough */
    while (i < COUNT && gw_float_bits(held[i]) == gw_float_bits(holder->copy[i]))
        i++;
    ck_assert_msg(i == COUNT,
                  "%s, round %d: worker %u holds %.9g at element %d, the server's copy is %.9g: "
                  "tests/test_shard_pull",
                  what, round, worker, (double)held[i % COUNT], i, (double)holder->copy[i % COUNT]);
}

/* What is held and what is kept back add up to the values. */
static void expect_sum(struct gw_shard *shard, uint32_t worker, const float *held, const char *what)
{
    static float values[COUNT];
    double squares = 0;
    shard_read(shard, values);
    for (int i = 0; i < COUNT; i++)
        squares += ((double)values[i] - (double)held[i]) * ((double)values[i] - (double)held[i]);
    double kept = gw_shard_kept_back(shard, worker);
    ck_assert_msg(fabs(kept - sqrt(squares)) <= 1e-12 * kept, "%s: %.17g kept back, expected %.17g",
                  what, kept, sqrt(squares));
}

START_TEST(workers_hold_what_the_server_believes)
{
    static float held[WORKERS][COUNT], fresh[COUNT];
    const char *spec = pulls[_i % PULLS];
    struct gw_shard *shard = open_shard(spec, feedbacks[_i / PULLS]);
    uint64_t has[WORKERS] = { 0 };
    bool difference;
    ck_assert_int_eq(gw_pull_codec(spec, NULL, 0, &difference, NULL), GW_OK);
    memset(held, 0, sizeof held);
    for (int round = 1; round <= ROUNDS; round++) {
        push(shard, (uint64_t)round, 1);
        for (uint32_t w = 0; w < WORKERS; w++) {
            advance(shard, w, (uint64_t)round);
            ck_assert_ptr_null(gw_shard_advance(shard, w));
            if (gw_mix64((uint64_t)(round * WORKERS) + w) % 16 < 3 + 5 * w)
                continue;
            pull(shard, spec, w, &has[w], held[w]);
            if (difference) {
                expect_held(shard, w, held[w], spec, round);
                expect_sum(shard, w, held[w], spec);
            }
            ck_assert_uint_eq(pull(shard, spec, w, &has[w], held[w]), 0);
            uint64_t nothing = 0;
            pull(shard, spec, w, &nothing, fresh);
            ck_assert(memcmp(fresh, held[w], sizeof fresh) == 0);
        }
    }
    gw_shard_close(shard);
}
END_TEST

/* A codec that says values says all of them within its precision, and keeps nothing back. */
START_TEST(values_are_values)
{
    static const double relative[] = { 0, 0x1p-11, 0x1p-8, 1.0 / 64 };
    static float held[COUNT], values[COUNT];
    struct gw_shard *shard = open_shard(pulls[_i], "worker");
    uint64_t has = 0;
    push(shard, 1, 1);
    advance(shard, 4, 1);
    pull(shard, pulls[_i], 4, &has, held);
    shard_read(shard, values);
    for (int k = 0; k < COUNT; k++)
        ck_assert_msg(fabs((double)held[k] - (double)values[k]) <= relative[_i] * 4,
                      "%s: %g for %g", pulls[_i], (double)held[k], (double)values[k]);
    ck_assert(gw_shard_kept_back(shard, 4) == 0);
    gw_shard_close(shard);
}
END_TEST

/* Nothing new is pushed: what was kept back comes in the end. */
START_TEST(what_was_kept_back_comes)
{
    static float held[COUNT];
    const char *spec = pulls[_i];
    struct gw_shard *shard = open_shard(spec, "shared");
    uint64_t has = 0;
    advance(shard, 0, 1);
    pull(shard, spec, 0, &has, held);
    push(shard, 1, 1);
    double before = sqrt(COUNT), after = before;
    int rounds = 0;
    for (; rounds < 1000 && after > 0.1 * before; rounds++) {
        push(shard, 2, 0);
        advance(shard, 0, (uint64_t)rounds);
        pull(shard, spec, 0, &has, held);
        after = gw_shard_kept_back(shard, 0);
        ck_assert_msg(after < 2 * before, "%s: %g kept back of %g", spec, after, before);
    }
    ck_assert_msg(after <= 0.1 * before, "%s: %g kept back of %g after %d rounds", spec, after,
                  before, rounds);
    gw_shard_close(shard);
}
END_TEST

/* Who missed a few rounds gets their steps; who missed many, or holds nothing, the whole. */
START_TEST(who_missed_rounds_gets_steps_or_the_whole)
{
    struct gw_shard *shard = open_shard("topk:ratio=0.01", feedbacks[_i]);
    struct gw_error error;
    size_t parts = gw_shard_parts(shard);
    for (uint64_t round = 1; round <= 20; round++) {
        push(shard, round, 1);
        advance(shard, 9, round);
    }
    ck_assert_uint_eq(gw_shard_version(shard, 9), 20);
    for (uint64_t has = 0; has <= 22; has++) {
        struct gw_pull_item *items;
        size_t count;
        expect(gw_shard_pull(shard, 9, has, &items, &count, &error), "pull", &error);
        bool steps = has >= 12 && has < 20, whole = has < 12 || has > 20;
        ck_assert_uint_eq(count, steps ? (20 - has) * parts : whole ? parts : 0);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_eq(items[i].part, i % parts);
            ck_assert(items[i].raw == whole || (items[i].raw && parts > 1));
            ck_assert(items[i].payload->checksum != 0);
            gw_blob_drop(items[i].payload);
        }
        free(items);
    }
    gw_shard_forget_worker(shard, 9);
    ck_assert_uint_eq(gw_shard_version(shard, 9), _i == 0 ? 20 : 0);
    gw_shard_close(shard);
}
END_TEST

/* Steps of more bytes than the whole are not kept: 4 bits of 32 go out in 8 steps at most. */
START_TEST(steps_never_cost_more_than_the_whole)
{
    struct gw_shard *shard = open_shard("int:bits=16,bucket=0", "shared");
    struct gw_error error;
    for (uint64_t round = 1; round <= 9; round++) {
        push(shard, round, 1);
        advance(shard, 0, round);
        const struct gw_holder *holder = gw_holder_find(shard, 0);
        size_t bytes = 0;
        for (int k = 0; k < holder->kept; k++)
            bytes += holder->steps[k].bytes;
        ck_assert_uint_le(bytes, gw_whole_bytes(shard));
    }
    struct gw_pull_item *items;
    size_t count;
    expect(gw_shard_pull(shard, 0, 6, &items, &count, &error), "pull", &error);
    ck_assert_uint_eq(count, gw_shard_parts(shard));
    ck_assert(items[0].whole && items[0].raw);
    blobs_drop((struct gw_blob *[]){ items[0].payload }, 1);
    for (size_t i = 1; i < count; i++)
        gw_blob_drop(items[i].payload);
    free(items);
    gw_shard_close(shard);
}
END_TEST

/* Values at the ends of what floats can say: copies stay finite and are met. */
START_TEST(the_largest_values_are_held)
{
    static float x[COUNT], held[COUNT];
    const char *spec = pulls[_i];
    struct gw_shard *shard = open_shard(spec, "shared");
    uint64_t has = 0;
    bool difference;
    ck_assert_int_eq(gw_pull_codec(spec, NULL, 0, &difference, NULL), GW_OK);
    for (uint64_t round = 1; round <= 12; round++) {
        for (uint64_t i = 0; i < COUNT; i++)
            x[i] = (gw_mix64(round * COUNT + i) % 2 ? -1 : 1) *
                   (gw_mix64(i) % 3 ? FLT_MAX : (float)sample_gauss(round, i));
        push(shard, round, 0);
        shard_write(shard, x);
        advance(shard, 0, round);
        pull(shard, spec, 0, &has, held);
        for (int i = 0; i < COUNT; i++)
            if (!gw_is_finite(held[i]))
                ck_abort_msg("%s: element %d is %g", spec, i, (double)held[i]);
        if (difference)
            expect_held(shard, 0, held, spec, (int)round);
    }
    gw_shard_close(shard);
}
END_TEST

START_TEST(some_codecs_cannot_be_pulled)
{
    static const char *const wrong[] = { "ef+qsgd", "momentum+sign", "vote", "clip+vote" };
    struct gw_error error;
    char spec[256];
    bool difference;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(gw_pull_codec(wrong[i], spec, sizeof spec, &difference, &error),
                         GW_ENOTSUP);
    ck_assert_int_eq(gw_pull_codec("int9", spec, sizeof spec, &difference, &error), GW_ESPEC);
    ck_assert_int_eq(gw_pull_codec("int8", spec, sizeof spec, &difference, &error), GW_OK);
    ck_assert(!difference && strncmp(spec, "qsgd:bits=8,", 12) == 0);
    ck_assert_int_eq(gw_pull_codec(spec, NULL, 0, &difference, &error), GW_OK);
    ck_assert(!difference);
    ck_assert_int_eq(gw_pull_codec("qsgd:bits=8", spec, sizeof spec, &difference, &error), GW_OK);
    ck_assert(difference);
    ck_assert_int_eq(gw_pull_codec("raw", spec, 3, &difference, &error), GW_ECAPACITY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_pull");
    TCase *tests = tcase_create("pull");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, workers_hold_what_the_server_believes, 0, 2 * PULLS);
    tcase_add_loop_test(tests, values_are_values, 0, 4);
    tcase_add_loop_test(tests, what_was_kept_back_comes, 4, PULLS);
    tcase_add_loop_test(tests, who_missed_rounds_gets_steps_or_the_whole, 0, 2);
    tcase_add_test(tests, steps_never_cost_more_than_the_whole);
    tcase_add_loop_test(tests, the_largest_values_are_held, 0, PULLS);
    tcase_add_test(tests, some_codecs_cannot_be_pulled);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
