/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Applying pushes: the bits do not depend on threads and their order; every codec of the table can
 * be pushed, raw floats beside it; what was pushed is applied, to the bit; saved state goes on as
 * if nothing had been. */
#include "tests/shards.h"

#include "compress/codec.h"
#include "tests/samples.h"

#include <stdio.h>

enum { WORKERS = 3, COUNT = SHARD_COUNT };

static const char *const pushes[] = {
    "raw",
    "fp16",
    "bf16",
    "qsgd:bits=4",
    "ef+qsgd:bits=2,coding=elias",
    "terngrad",
    "ef+sign",
    "momentum:beta=0.9+vote",
    "vote:ties=previous",
    "onebit",
    "ef+topk:ratio=0.05",
    "randomk:ratio=0.1,scale=unbiased",
    "int:bits=16",
    "clip:sigma=2+ef+int",
};
enum { PUSHES = sizeof pushes / sizeof *pushes };

static const char *const aggregators[] = {
    "mean", "sum", "vote", "median", "trimmed:cut=0.34", "clip:tau=3,iterations=2"
};
enum { AGGREGATORS = sizeof aggregators / sizeof *aggregators };

static const char *const optimizers[] = { "none", "sgd",   "momentum", "nesterov",
                                          "adam", "adamw", "lamb",     "adagrad" };
enum { OPTIMIZERS = sizeof optimizers / sizeof *optimizers };

static void expect(gw_status s, const char *what, const struct gw_error *error)
{
    ck_assert_msg(s == GW_OK, "%s: %s: %s", what, gw_status_name(s), error->text);
}

static void gradient(float *x, uint64_t seed, uint64_t round, uint64_t worker)
{
    for (uint64_t i = 0; i < COUNT; i++)
        x[i] = (float)sample_gauss(seed + 1000 * round + worker, i);
}

/* A shard with workers. */
struct world {
    struct gw_shard *shard;
    struct pusher pusher[WORKERS];
};

static struct world world_open(const struct shard_terms *terms)
{
    struct world w;
    struct gw_error error;
    expect(shard_open(&w.shard, terms, &error), terms->push, &error);
    for (int i = 0; i < WORKERS; i++)
        expect(pusher_open(&w.pusher[i], w.shard, terms->push, i, &error), terms->push, &error);
    return w;
}

static void world_close(struct world *w)
{
    for (int i = 0; i < WORKERS; i++)
        pusher_close(&w->pusher[i]);
    gw_shard_close(w->shard);
}

/* One round of all workers, the last of them raw if `raw`. */
static void play(struct world *w, uint64_t seed, uint64_t round, bool raw, int threads)
{
    static float x[COUNT];
    struct gw_blob *blobs[WORKERS][SHARD_PARTS_MAX];
    struct gw_push_view views[WORKERS];
    struct gw_error error = { 0 };
    size_t parts = gw_shard_parts(w->shard);
    for (int i = 0; i < WORKERS; i++) {
        bool plain = raw && i == WORKERS - 1;
        gradient(x, seed, round, (uint64_t)i);
        expect(pusher_encode(&w->pusher[i], x, plain, blobs[i]), "encode", &error);
        for (size_t p = 0; p < parts; p++) {
            expect(
                gw_shard_check(w->shard, p, plain, blobs[i][p]->data, blobs[i][p]->bytes, &error),
                "check", &error);
            ck_assert_uint_le(blobs[i][p]->bytes, gw_shard_push_bound(w->shard, p));
        }
        views[i] = (struct gw_push_view){ (uint32_t)i, plain, blobs[i] };
    }
    struct gw_work *work = gw_shard_apply(w->shard, views, WORKERS, NAN, round);
    ck_assert_ptr_nonnull(work);
    expect(shard_work(work, threads, seed + round, &error), "apply", &error);
    for (int i = 0; i < WORKERS; i++)
        blobs_drop(blobs[i], parts);
}

static void expect_bits(const float *got, const float *expected, const char *what, uint64_t seed)
{
    int i = 0; /* each assertion is a message to the runner's process: one is enough */
    while (i < COUNT && gw_float_bits(got[i]) == gw_float_bits(expected[i]))
        i++;
    ck_assert_msg(i == COUNT, "%s: element %d is %.9g, expected %.9g; seed %llu: tests/test_shard",
                  what, i, (double)got[i % COUNT], (double)expected[i % COUNT],
                  (unsigned long long)seed);
}

START_TEST(bits_do_not_depend_on_threads_and_order)
{
    static float got[COUNT], expected[COUNT];
    char what[160];
    const struct shard_terms terms = { .push = pushes[_i % PUSHES],
                                       .aggregator = aggregators[_i / PUSHES],
                                       .optimizer = optimizers[_i % OPTIMIZERS] };
    snprintf(what, sizeof what, "%s, %s, %s", terms.push, terms.aggregator, terms.optimizer);
    for (int threads = 1; threads <= 4; threads++) {
        struct gw_error error = { 0 };
        struct world w = world_open(&terms);
        expect(gw_shard_set_threads(w.shard, threads, &error), "threads", &error);
        for (uint64_t round = 1; round <= 3; round++)
            play(&w, 7, round, round == 3, threads);
        shard_read(w.shard, threads == 1 ? expected : got);
        if (threads > 1)
            expect_bits(got, expected, what, 7);
        for (int i = 0; i < COUNT; i++)
            if (!gw_is_finite(expected[i]))
                ck_abort_msg("%s: element %d is %g", what, i, (double)expected[i]);
        world_close(&w);
    }
}
END_TEST

/* mean and sgd by hand, out of the public decoder. */
static void step_by_hand(struct world *w, uint64_t seed, uint64_t round, float *values)
{
    static float x[COUNT], one[COUNT], sum[COUNT];
    struct gw_blob *blobs[SHARD_PARTS_MAX];
    for (int i = 0; i < WORKERS; i++) {
        gradient(x, seed, round, (uint64_t)i);
        ck_assert_int_eq(pusher_encode(&w->pusher[i], x, false, blobs), GW_OK);
        float *at = one;
        for (size_t p = 0; p < gw_shard_parts(w->shard); p++) {
            size_t count = gw_shard_part(w->shard, p)->count;
            gw_payload_decode(w->pusher[i].codec[p], 0, count, blobs[p]->data, blobs[p]->bytes, at);
            at += count;
        }
        for (int k = 0; k < COUNT; k++)
            sum[k] = i == 0 ? one[k] : sum[k] + one[k];
        blobs_drop(blobs, gw_shard_parts(w->shard));
    }
    for (int k = 0; k < COUNT; k++)
        values[k] -= 0.25f * (sum[k] / WORKERS);
}

START_TEST(a_mean_is_what_was_decoded)
{
    static float got[COUNT], expected[COUNT];
    const struct shard_terms terms = { .push = pushes[_i], .optimizer = "sgd:lr=0.25" };
    struct world w = world_open(&terms), hand = world_open(&terms);
    memset(expected, 0, sizeof expected);
    for (uint64_t round = 1; round <= 4; round++) {
        play(&w, 11, round, false, 1);
        step_by_hand(&hand, 11, round, expected);
    }
    shard_read(w.shard, got);
    expect_bits(got, expected, pushes[_i], 11);
    world_close(&w);
    world_close(&hand);
}
END_TEST

/* How tensors are cut into parts changes nothing; lamb's norms are of the tensor, whose sums are
 * then grouped in another way. */
START_TEST(cuts_into_parts_do_not_matter)
{
    static float got[COUNT], expected[COUNT];
    struct shard_terms terms = { .push = "raw", .optimizer = optimizers[_i], .part_count = 5000 };
    struct world whole = world_open(&terms);
    terms.part_count = 500;
    struct world cut = world_open(&terms);
    ck_assert_uint_gt(gw_shard_parts(cut.shard), gw_shard_parts(whole.shard));
    for (uint64_t round = 1; round <= 5; round++) {
        play(&whole, 31, round, false, 1);
        play(&cut, 31, round, false, 1);
    }
    shard_read(whole.shard, expected);
    shard_read(cut.shard, got);
    if (strcmp(optimizers[_i], "lamb") != 0) {
        expect_bits(got, expected, optimizers[_i], 31);
    } else {
        double most = sqrt(squared_distance(got, expected, COUNT));
        ck_assert_msg(most <= 1e-6 * sqrt(sum_squares_of(expected, COUNT)), "lamb: %g apart", most);
    }
    world_close(&whole);
    world_close(&cut);
}
END_TEST

/* What the vote gives, by counting signs of what was decoded; 3 workers have no ties. */
START_TEST(a_vote_is_a_count_of_signs)
{
    static const char *const specs[] = { "vote", "raw", "fp16", "qsgd:bits=8,rounding=nearest" };
    static float x[WORKERS][COUNT], got[COUNT];
    const struct shard_terms terms = { .push = specs[_i],
                                       .aggregator = "vote",
                                       .optimizer = "none" };
    struct world w = world_open(&terms);
    play(&w, 5, 1, true, 1);
    for (uint64_t i = 0; i < WORKERS; i++)
        gradient(x[i], 5, 1, i);
    shard_read(w.shard, got);
    for (int k = 0; k < COUNT; k++) {
        int sum = 0;
        float least = 10;
        for (int i = 0; i < WORKERS; i++) {
            sum += signbit(x[i][k]) ? -1 : 1;
            least = fminf(least, fabsf(x[i][k]));
        }
        if (least > 0.05f) /* smaller ones may be rounded to a zero, whose sign is plus */
            ck_assert_msg(got[k] == (sum > 0 ? 1 : -1), "%s: element %d: sum %d, got %g", specs[_i],
                          k, sum, (double)got[k]);
    }
    world_close(&w);
}
END_TEST

/* Two voters that never agree: coins of the round, or what `ties` says. */
static void split_vote(const char *aggregator, const char *push, uint64_t round, float *out)
{
    static float x[COUNT];
    const struct shard_terms terms = { .push = push,
                                       .aggregator = aggregator,
                                       .optimizer = "none" };
    struct world w = world_open(&terms);
    struct gw_blob *blobs[2][SHARD_PARTS_MAX];
    struct gw_error error;
    struct gw_push_view views[2];
    for (int i = 0; i < 2; i++) {
        gradient(x, 3, 1, 0);
        for (int k = 0; k < COUNT && i; k++)
            x[k] = -x[k];
        expect(pusher_encode(&w.pusher[i], x, false, blobs[i]), "encode", &error);
        views[i] = (struct gw_push_view){ (uint32_t)i, false, blobs[i] };
    }
    expect(shard_work(gw_shard_apply(w.shard, views, 2, NAN, round), 1, 1, &error), "work", &error);
    shard_read(w.shard, out);
    blobs_drop(blobs[0], gw_shard_parts(w.shard));
    blobs_drop(blobs[1], gw_shard_parts(w.shard));
    world_close(&w);
}

START_TEST(ties_fall_as_asked)
{
    static float a[COUNT], b[COUNT], next[COUNT];
    split_vote("vote:ties=coin", "raw", 5, a);
    split_vote("vote:ties=coin", "vote", 5, b);
    split_vote("vote:ties=coin", "vote", 6, next);
    expect_bits(a, b, "votes, or signs of floats", 3);
    int heads = 0, same = 0;
    for (int k = 0; k < COUNT; k++) {
        ck_assert(a[k] == 1 || a[k] == -1);
        heads += a[k] > 0;
        same += a[k] == next[k];
    }
    ck_assert_msg(abs(2 * heads - COUNT) < 5 * 52, "%d heads of %d", heads, COUNT);
    ck_assert_msg(abs(2 * same - COUNT) < 5 * 52, "%d coins of %d as before", same, COUNT);
    split_vote("vote:ties=zero", "vote", 5, a);
    split_vote("vote:ties=plus", "raw", 5, b);
    for (int k = 0; k < COUNT; k++)
        ck_assert(a[k] == 0 && b[k] == 1);
}
END_TEST

/* Multiples of 2^-10 below 1: sums of thousands of them are exact, in any grouping. */
START_TEST(a_ledger_of_dyadic_gradients_is_exact)
{
    static float x[COUNT], got[COUNT];
    static double given[COUNT];
    const struct shard_terms terms = { .push = "raw",
                                       .aggregator = "sum",
                                       .optimizer = "sgd:lr=1" };
    struct world w = world_open(&terms);
    struct gw_error error;
    uint64_t drawn = 0;
    memset(given, 0, sizeof given);
    for (uint64_t round = 1; round <= 200; round++) {
        struct gw_blob *blobs[WORKERS][SHARD_PARTS_MAX];
        struct gw_push_view views[WORKERS];
        size_t n = 1 + gw_mix64(round) % WORKERS;
        for (size_t i = 0; i < n; i++) {
            for (int k = 0; k < COUNT; k++) {
                x[k] = (float)((int)(gw_mix64(++drawn) % 2048) - 1024) / 1024;
                given[k] += (double)x[k];
            }
            expect(pusher_encode(&w.pusher[i], x, round % 2, blobs[i]), "encode", &error);
            views[i] = (struct gw_push_view){ (uint32_t)i, round % 2, blobs[i] };
        }
        struct gw_work *work = gw_shard_apply(w.shard, views, n, NAN, round);
        expect(shard_work(work, 1, round, &error), "apply", &error);
        for (size_t i = 0; i < n; i++)
            blobs_drop(blobs[i], gw_shard_parts(w.shard));
    }
    shard_read(w.shard, got);
    for (int k = 0; k < COUNT; k++)
        ck_assert_msg((double)got[k] == -given[k], "element %d: %g, expected %g", k, (double)got[k],
                      -given[k]);
    world_close(&w);
}
END_TEST

/* Stopped after `first` of `all` rounds, saved, and gone on with in another shard. */
static void run_saved(const struct shard_terms *terms, uint64_t first, uint64_t all, float *out)
{
    struct world w = world_open(terms);
    struct gw_error error;
    for (uint64_t round = 1; round <= all; round++) {
        play(&w, 21, round, false, 1);
        if (round != first)
            continue;
        size_t bytes = gw_shard_state_bytes(w.shard);
        uint8_t *state = malloc(bytes);
        struct gw_shard *other;
        ck_assert_ptr_nonnull(state);
        gw_shard_save(w.shard, state);
        expect(shard_open(&other, terms, &error), "open", &error);
        expect(gw_shard_load(other, state, bytes, &error), "load", &error);
        ck_assert_uint_eq(gw_shard_version(other, 0), 0);
        gw_shard_close(w.shard);
        w.shard = other;
        free(state);
    }
    shard_read(w.shard, out);
    world_close(&w);
}

START_TEST(saved_state_goes_on_as_if_unbroken)
{
    static float got[COUNT], expected[COUNT];
    const struct shard_terms terms = { .push = "ef+qsgd", .optimizer = optimizers[_i] };
    run_saved(&terms, 0, 16, expected);
    run_saved(&terms, 6, 16, got);
    expect_bits(got, expected, optimizers[_i], 21);
}
END_TEST

START_TEST(wrong_state_is_refused_and_changes_nothing)
{
    static float before[COUNT], after[COUNT];
    const struct shard_terms terms = { .push = "raw", .optimizer = "momentum" };
    const struct shard_terms other_terms = { .push = "raw", .optimizer = "nesterov" };
    struct world w = world_open(&terms), other = world_open(&other_terms);
    struct gw_error error;
    play(&w, 1, 1, false, 1);
    play(&other, 1, 1, false, 1);
    size_t bytes = gw_shard_state_bytes(w.shard);
    uint8_t *state = malloc(bytes);
    ck_assert_ptr_nonnull(state);
    shard_read(w.shard, before);
    gw_shard_save(other.shard, state);
    ck_assert_int_eq(gw_shard_load(w.shard, state, bytes, &error), GW_EPAYLOAD);
    gw_shard_save(w.shard, state);
    for (size_t cut = 0; cut < bytes; cut += 1 + bytes / 50)
        ck_assert_int_eq(gw_shard_load(w.shard, state, cut, &error), GW_EPAYLOAD);
    gw_put_f32(state + bytes - 4, NAN);
    ck_assert_int_eq(gw_shard_load(w.shard, state, bytes, &error), GW_EPAYLOAD);
    gw_put_f32(state + bytes - 4, 0);
    gw_put_u64(state + 32 + 8, 1); /* where the first part begins */
    ck_assert_int_eq(gw_shard_load(w.shard, state, bytes, &error), GW_EPAYLOAD);
    shard_read(w.shard, after);
    expect_bits(after, before, "after refusals", 1);
    free(state);
    world_close(&w);
    world_close(&other);
}
END_TEST

/* Bits flipped in a payload are found; what is too long is not looked at. */
START_TEST(wrong_pushes_are_refused)
{
    static float x[COUNT];
    const struct shard_terms terms = { .push = pushes[_i] };
    struct world w = world_open(&terms);
    struct gw_blob *blobs[SHARD_PARTS_MAX];
    struct gw_error error;
    gradient(x, 2, 1, 0);
    expect(pusher_encode(&w.pusher[0], x, false, blobs), "encode", &error);
    struct gw_blob *b = blobs[0];
    for (size_t bit = 0; bit < 8 * b->bytes; bit += 1 + b->bytes / 40) {
        b->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(gw_shard_check(w.shard, 0, false, b->data, b->bytes, &error), GW_EPAYLOAD);
        b->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_int_eq(gw_shard_check(w.shard, 0, false, b->data, b->bytes - 1, &error), GW_EPAYLOAD);
    ck_assert_int_eq(gw_shard_check(w.shard, 0, false, b->data, SIZE_MAX, &error), GW_EPAYLOAD);
    ck_assert_int_eq(gw_shard_check(w.shard, 0, false, b->data, b->bytes, &error), GW_OK);
    if (strcmp(pushes[_i], "raw") != 0)
        ck_assert_int_eq(gw_shard_check(w.shard, 0, true, b->data, b->bytes, &error), GW_EPAYLOAD);
    blobs_drop(blobs, gw_shard_parts(w.shard));
    world_close(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard");
    TCase *tests = tcase_create("apply");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, bits_do_not_depend_on_threads_and_order, 0, PUSHES * AGGREGATORS);
    tcase_add_loop_test(tests, a_mean_is_what_was_decoded, 0, PUSHES);
    tcase_add_loop_test(tests, cuts_into_parts_do_not_matter, 0, OPTIMIZERS);
    tcase_add_loop_test(tests, a_vote_is_a_count_of_signs, 0, 4);
    tcase_add_test(tests, ties_fall_as_asked);
    tcase_add_test(tests, a_ledger_of_dyadic_gradients_is_exact);
    tcase_add_loop_test(tests, saved_state_goes_on_as_if_unbroken, 0, OPTIMIZERS);
    tcase_add_test(tests, wrong_state_is_refused_and_changes_nothing);
    tcase_add_loop_test(tests, wrong_pushes_are_refused, 0, PUSHES);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
