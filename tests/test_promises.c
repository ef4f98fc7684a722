/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Promises of plans: refusal of bad input, agreement, deadlines, saved state, errors that help. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collectives/plan.h"
#include "tests/ranks.h"

/* ---- non-finite input
 * --------------------------------------------------------------------------*/

static void refuse_body(gw_comm *comm, void *context)
{
    const char *spec = context;
    enum { COUNT = 2000 };
    int me = gw_comm_rank(comm), n = gw_comm_size(comm);
    float in[COUNT], out[COUNT], again[COUNT];
    gw_plan *plan;
    gw_options options = { .codec = spec, .name = "layer7" };
    if (!expect(!gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_MEAN, &options), "%s",
                gw_comm_error(comm)))
        return;
    fill_input(in, COUNT, me);
    expect(!gw_start(plan, in, out) && !gw_wait(plan), "%s", gw_plan_error(plan));
    size_t bytes = gw_plan_state_bytes(plan), written;
    uint8_t *before = malloc(bytes), *after = malloc(bytes);
    expect(!gw_plan_save(plan, before, bytes, &written), "save");
    if (me == n - 1) {
        in[17] = NAN;
        in[1999] = -INFINITY;
    }
    memset(again, 0x55, sizeof again);
    memcpy(out, again, sizeof out);
    gw_status s = gw_start(plan, in, out);
    if (!s)
        s = gw_wait(plan);
    expect(s == (me == n - 1 ? GW_ENONFINITE : GW_EPEER), "%s rank %d: %s", spec, me,
           gw_status_name(s));
    const char *words = gw_plan_error(plan);
    expect(strstr(words, "layer7") && strstr(words, "17") && strstr(words, "2"),
           "%s rank %d: words lack tensor, index or count: %s", spec, me, words);
    char rank[32];
    snprintf(rank, sizeof rank, "rank %d", n - 1);
    expect(me == n - 1 || strstr(words, rank), "rank %d: words do not name %s: %s", me, rank,
           words);
    expect(memcmp(out, again, sizeof out) == 0, "%s: output changed", spec);
    expect(!gw_plan_save(plan, after, bytes, &written) && memcmp(before, after, bytes) == 0,
           "%s: state changed", spec);
    fill_input(in, COUNT, me);
    s = gw_start(plan, in, out);
    if (!s)
        s = gw_wait(plan);
    expect(s == GW_OK, "%s: the next run: %s", spec, gw_plan_error(plan));
    free(before);
    free(after);
    gw_plan_close(plan);
}

static const char *const refuse_specs[] = {
    "raw", "fp16",    "ef+qsgd", "ef+sign",  "vote",
    "int", "ef+topk", "randomk", "terngrad", "momentum+vote"
};
enum { REFUSE_SPECS = sizeof refuse_specs / sizeof *refuse_specs };

START_TEST(nonfinite_input_is_refused_everywhere)
{
    run_ranks(3, refuse_body, (void *)(uintptr_t)refuse_specs[_i]);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

static void policy_body(gw_comm *comm, void *context)
{
    (void)context;
    float in[100], out[100];
    int me = gw_comm_rank(comm);
    for (int i = 0; i < 100; i++)
        in[i] = 1;
    in[5] = me == 0 ? NAN : 1;
    gw_status s = gw_allreduce(comm, in, out, 100, GW_F32, GW_SUM,
                               &(gw_options){ .nonfinite = GW_NONFINITE_ZERO });
    expect(s == GW_OK && out[5] == (float)(gw_comm_size(comm) - 1) && out[6] > out[5],
           "zero: %s, element 5 is %g", gw_comm_error(comm), (double)out[5]);
    s = gw_allreduce(comm, in, out, 100, GW_F32, GW_SUM,
                     &(gw_options){ .nonfinite = GW_NONFINITE_PASS });
    expect(s == GW_OK && isnan(out[5]) && out[6] == (float)gw_comm_size(comm),
           "pass: %s, element 5 is %g", gw_comm_error(comm), (double)out[5]);
}

START_TEST(nonfinite_policies)
{
    run_ranks(2, policy_body, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- agreement --------------------------------------------------------------------------------*/

struct request {
    size_t count;
    gw_type type;
    gw_operation operation;
    gw_options options;
    const char *words[2]; /* what the error must name, of both sides */
    int broadcast;
};

static gw_status make(gw_plan **plan, gw_comm *comm, const struct request *r)
{
    if (r->broadcast)
        return gw_plan_broadcast(plan, comm, r->count, r->type, &r->options);
    return gw_plan_allreduce(plan, comm, r->count, r->type, r->operation, &r->options);
}

static const struct request usual = { .count = 100, .options = { .codec = "qsgd", .name = "w" } };

static const struct request others[] = {
    { 101, 0, 0, { .codec = "qsgd", .name = "w" }, { "100 elements", "101 elements" }, 0 },
    { 100, GW_F64, 0, { .codec = "raw", .name = "w" }, { "f32", "f64" }, 0 },
    { 100, 0, GW_MEAN, { .codec = "qsgd", .name = "w" }, { "sum", "mean" }, 0 },
    { 100, 0, 0, { .codec = "qsgd:bits=5", .name = "w" }, { "bits=4", "bits=5" }, 0 },
    { 100, 0, 0, { .codec = "sign", .name = "w" }, { "qsgd", "sign" }, 0 },
    { 100, 0, 0, { .codec = "qsgd", .name = "v" }, { "'w'", "'v'" }, 0 },
    { 100, 0, 0, { .codec = "qsgd", .name = "w", .seed = 5 }, { "seed 1", "seed 5" }, 0 },
    { 100,
      0,
      0,
      { .codec = "qsgd", .name = "w", .algorithm = "gather" },
      { "algorithm direct", "algorithm gather" },
      0 },
    { 100, 0, 0, { .codec = "qsgd", .name = "w", .piece_count = 10 }, { "pieces 1", "pieces" }, 0 },
    { 100,
      0,
      0,
      { .codec = "qsgd", .name = "w", .nonfinite = GW_NONFINITE_ZERO },
      { "refuse", "zero" },
      0 },
    { 100, 0, 0, { .codec = "qsgd", .name = "w", .one_sided_ef = 1 }, { "ef 0", "ef 1" }, 0 },
    { 100, 0, 0, { .codec = "qsgd", .name = "w" }, { "allreduce", "broadcast" }, 1 },
};
enum { OTHERS = sizeof others / sizeof *others };

struct odd {
    const struct request *other;
    int rank;
};

/* The rank's transport, with an eye on what is sent for plans. */
static _Thread_local const struct gw_transport_row *watched;
static _Thread_local int plan_messages;

static gw_status watched_send(gw_comm *comm, int peer, unsigned channel, const void *buffer,
                              size_t bytes, struct gw_op **op)
{
    plan_messages += channel != GW_CHANNEL_CONTROL;
    return watched->send(comm, peer, channel, buffer, bytes, op);
}

static void mismatch_body(gw_comm *comm, void *context)
{
    const struct odd *odd = context;
    struct gw_transport_row watching = *comm->row;
    watched = comm->row;
    watching.send = watched_send;
    comm->row = &watching;
    plan_messages = 0;
    struct request mine = gw_comm_rank(comm) == odd->rank ? *odd->other : usual;
    if (!mine.options.algorithm && !mine.broadcast && mine.type == GW_F32)
        mine.options.algorithm = "direct";
    gw_plan *plan = NULL;
    gw_status s = make(&plan, comm, &mine);
    const char *words = gw_comm_error(comm);
    expect(s == GW_EMISMATCH && !plan, "rank %d: got %s: %s", gw_comm_rank(comm), gw_status_name(s),
           words);
    expect(strstr(words, odd->other->words[0]) && strstr(words, odd->other->words[1]),
           "words do not name '%s' and '%s': %s", odd->other->words[0], odd->other->words[1],
           words);
    expect(plan_messages == 0, "%d messages of a plan that ranks disagree about", plan_messages);
    s = make(&plan, comm, &usual);
    expect(s == GW_OK, "the next plan: %s", gw_comm_error(comm));
    float x[100] = { 0 };
    if (!s)
        s = gw_start(plan, x, x);
    if (!s)
        s = gw_wait(plan);
    expect(s == GW_OK && plan_messages > 0, "its run: %s, %d messages", gw_plan_error(plan),
           plan_messages);
    gw_plan_close(plan);
    comm->row = watched;
}

START_TEST(every_difference_is_an_error_on_every_rank)
{
    for (int rank = 0; rank < 3; rank++) {
        struct odd odd = { &others[_i], rank };
        run_ranks(3, mismatch_body, &odd);
        ck_assert_msg(failures() == 0, "difference %d on rank %d", _i, rank);
    }
}
END_TEST

static void bad_spec_body(gw_comm *comm, void *context)
{
    (void)context;
    gw_plan *plan = NULL;
    gw_options options = { .codec = gw_comm_rank(comm) == 1 ? "qsgd:bit=4" : "qsgd:bits=4" };
    gw_status s = gw_plan_allreduce(&plan, comm, 10, GW_F32, GW_SUM, &options);
    expect(s == (gw_comm_rank(comm) == 1 ? GW_ESPEC : GW_EPEER) &&
               strstr(gw_comm_error(comm), "bits"),
           "rank %d: %s: %s", gw_comm_rank(comm), gw_status_name(s), gw_comm_error(comm));
}

START_TEST(one_rank_with_a_bad_spec)
{
    run_ranks(3, bad_spec_body, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- deadlines --------------------------------------------------------------------------------*/

static void silent_body(gw_comm *comm, void *context)
{
    (void)context;
    gw_plan *plan;
    float x[1000] = { 0 };
    int me = gw_comm_rank(comm);
    gw_options options = { .codec = "qsgd", .algorithm = "direct", .timeout_s = 0.3 };
    expect(!gw_plan_allreduce(&plan, comm, 1000, GW_F32, GW_SUM, &options), "%s",
           gw_comm_error(comm));
    if (me == 1) { /* there, but silent, until the others have given up */
        nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
    } else {
        gw_status s = gw_start(plan, x, x);
        if (!s)
            s = gw_wait(plan);
        expect(s == GW_ETIMEOUT && strstr(gw_plan_error(plan), "rank 1 "), "rank %d: %s: %s", me,
               gw_status_name(s), gw_plan_error(plan));
        s = gw_start(plan, x, x);
        expect(s == GW_EBROKEN, "after a deadline: %s", gw_status_name(s));
        /* Who closes first is gone for the others, and is named as such. */
        nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
    }
    gw_plan_close(plan);
}

START_TEST(the_silent_rank_is_named)
{
    run_ranks(4, silent_body, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- state ------------------------------------------------------------------------------------*/

enum { STATE_COUNT = 3000, STATE_RUNS = 6 };

static const char *const state_specs[] = { "ef+qsgd:bits=4",     "ef+sign",
                                           "ef+topk:ratio=0.01", "momentum:beta=0.9+vote",
                                           "momentum+ef+onebit", "vote:ties=previous" };
enum { STATE_SPECS = sizeof state_specs / sizeof *state_specs };

static void run_once(gw_plan *plan, float *x, int me, int run)
{
    fill_input(x, STATE_COUNT, me + 50 * run);
    gw_status s = gw_start(plan, x, x);
    if (!s)
        s = gw_wait(plan);
    expect(s == GW_OK, "run %d: %s", run, gw_plan_error(plan));
}

static void state_body(gw_comm *comm, void *context)
{
    gw_options options = { .codec = context };
    float x[STATE_COUNT], y[STATE_COUNT];
    int me = gw_comm_rank(comm);
    gw_plan *whole, *first, *second;
    expect(!gw_plan_allreduce(&whole, comm, STATE_COUNT, GW_F32, GW_MEAN, &options) &&
               !gw_plan_allreduce(&first, comm, STATE_COUNT, GW_F32, GW_MEAN, &options) &&
               !gw_plan_allreduce(&second, comm, STATE_COUNT, GW_F32, GW_MEAN, &options),
           "%s", gw_comm_error(comm));
    for (int run = 0; run < STATE_RUNS; run++)
        run_once(whole, x, me, run);
    for (int run = 0; run < STATE_RUNS / 2; run++)
        run_once(first, y, me, run);
    size_t bytes = gw_plan_state_bytes(first), written;
    uint8_t *saved = malloc(bytes + 1), *odd = saved + 1; /* at any address */
    expect(gw_plan_save(first, odd, bytes - 1, &written) == GW_ECAPACITY, "short buffer");
    expect(!gw_plan_save(first, odd, bytes, &written) && written == bytes, "save");
    expect(gw_plan_load(second, odd, bytes - 1) == GW_EPAYLOAD, "cut short");
    odd[bytes / 2] ^= 1;
    expect(gw_plan_load(second, odd, bytes) == GW_EPAYLOAD, "damaged");
    odd[bytes / 2] ^= 1;
    expect(!gw_plan_load(second, odd, bytes), "load: %s", gw_plan_error(second));
    for (int run = STATE_RUNS / 2; run < STATE_RUNS; run++)
        run_once(second, y, me, run);
    expect(memcmp(x, y, sizeof x) == 0, "%s: resumed run ends with other bits", options.codec);
    free(saved);
    gw_plan_close(whole);
    gw_plan_close(first);
    gw_plan_close(second);
}

START_TEST(saved_and_loaded_is_never_stopped)
{
    run_ranks(3, state_body, (void *)(uintptr_t)state_specs[_i]);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

struct fold {
    void *states[4];
    size_t bytes[4];
    double kept[2][STATE_COUNT]; /* not sent yet, per element of the mean: before and after */
};

static double mean_kept(const gw_plan *plan, int element)
{
    double kept = 0;
    kept += (double)plan->tensors[0].codec->state[element] / plan->problem.size;
    for (int s = 0; s < plan->layout.segments_count; s++) {
        const struct gw_codec *o = plan->owners[s];
        size_t i = o ? (size_t)element - o->site.first : 0;
        if (o && (size_t)element >= o->site.first && i < o->site.count)
            kept += (double)o->state[i];
    }
    return kept;
}

static void save_body(gw_comm *comm, void *context)
{
    struct fold *fold = context;
    int me = gw_comm_rank(comm);
    float x[STATE_COUNT];
    gw_plan *plan;
    gw_options options = { .codec = "ef+topk:ratio=0.02", .algorithm = "direct" };
    expect(!gw_plan_allreduce(&plan, comm, STATE_COUNT, GW_F32, GW_MEAN, &options), "plan");
    for (int run = 0; run < 3; run++)
        run_once(plan, x, me, run);
    fold->bytes[me] = gw_plan_state_bytes(plan);
    fold->states[me] = malloc(fold->bytes[me]);
    size_t written;
    expect(!gw_plan_save(plan, fold->states[me], fold->bytes[me], &written), "save");
    for (int r = 0; r < gw_comm_size(comm); r++) {
        for (int i = 0; r == me && i < STATE_COUNT; i++)
            fold->kept[0][i] += mean_kept(plan, i);
        expect(!gw_barrier(comm), "barrier");
    }
    gw_plan_close(plan);
}

static void fold_body(gw_comm *comm, void *context)
{
    struct fold *fold = context;
    int me = gw_comm_rank(comm);
    gw_plan *plan;
    gw_options options = { .codec = "ef+topk:ratio=0.02", .algorithm = "direct" };
    expect(!gw_plan_allreduce(&plan, comm, STATE_COUNT, GW_F32, GW_MEAN, &options), "plan");
    const void *const *states = (const void *const *)fold->states;
    expect(gw_plan_load_folded(plan, states, fold->bytes, 4, GW_FOLD_REFUSE) == GW_EMISMATCH,
           "refuse");
    expect(!gw_plan_load_folded(plan, states, fold->bytes, 4, GW_FOLD_SUM), "fold: %s",
           gw_plan_error(plan));
    for (int r = 0; r < gw_comm_size(comm); r++) {
        for (int i = 0; r == me && i < STATE_COUNT; i++)
            fold->kept[1][i] += mean_kept(plan, i);
        expect(!gw_barrier(comm), "barrier");
    }
    expect(!gw_plan_load_folded(plan, states, fold->bytes, 4, GW_FOLD_DROP), "drop: %s",
           gw_plan_error(plan));
    expect(mean_kept(plan, 1) == 0, "drop keeps %g", mean_kept(plan, 1));
    float x[STATE_COUNT];
    run_once(plan, x, me, 9);
    gw_plan_close(plan);
}

START_TEST(folding_keeps_what_was_not_sent)
{
    for (int n = 1; n <= 3; n++) {
        struct fold fold = { 0 };
        run_ranks(4, save_body, &fold);
        run_ranks(n, fold_body, &fold);
        ck_assert_int_eq(failures(), 0);
        for (int i = 0; i < STATE_COUNT; i++)
            ck_assert_msg(fabs(fold.kept[0][i] - fold.kept[1][i]) <= 1e-6,
                          "4 to %d ranks, element %d: kept %g before, %g after", n, i,
                          fold.kept[0][i], fold.kept[1][i]);
        for (int r = 0; r < 4; r++)
            free(fold.states[r]);
    }
}
END_TEST

static void rescale_body(gw_comm *comm, void *context)
{
    (void)context;
    float x[STATE_COUNT];
    gw_plan *plan;
    gw_options options = { .codec = "ef+sign" };
    gw_stats before = { 0 }, after = { 0 };
    expect(!gw_plan_allreduce(&plan, comm, STATE_COUNT, GW_F32, GW_MEAN, &options), "plan");
    run_once(plan, x, gw_comm_rank(comm), 0);
    expect(!gw_plan_stats(plan, &before) && before.error_norm > 0, "error norm %g",
           before.error_norm);
    expect(!gw_plan_rescale(plan, 0.5) && !gw_plan_stats(plan, &after), "rescale");
    expect(after.error_norm == 0.5 * before.error_norm, "error norm %g, expected half of %g",
           after.error_norm, before.error_norm);
    expect(gw_plan_rescale(plan, INFINITY) == GW_EINVAL, "infinite factor");
    gw_plan_close(plan);
}

START_TEST(residuals_follow_the_learning_rate)
{
    run_ranks(2, rescale_body, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- use --------------------------------------------------------------------------------------*/

START_TEST(wrong_use_is_an_error)
{
    gw_comm *comm;
    gw_plan *plan = NULL;
    float x[10] = { 0 };
    ck_assert_int_eq(gw_comm_open(&comm, "self:"), GW_OK);
    gw_options ef = { .codec = "ef+sign" };
    ck_assert_int_eq(gw_allreduce(comm, x, x, 10, GW_F32, GW_SUM, &ef), GW_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(gw_comm_error(comm), "plan"));
    gw_options lossy = { .codec = "qsgd" };
    ck_assert_int_eq(gw_allreduce(comm, x, x, 10, GW_F32, GW_MAX, &lossy), GW_ENOTSUP);
    ck_assert_int_eq(gw_allreduce(comm, x, x, 10, GW_I32, GW_MEAN, NULL), GW_ENOTSUP);
    ck_assert_int_eq(gw_plan_allreduce(&plan, comm, 10, GW_F32, GW_SUM, NULL), GW_OK);
    ck_assert_int_eq(gw_wait(plan), GW_ESTATE);
    ck_assert_int_eq(gw_start(plan, NULL, x), GW_EINVAL);
    ck_assert_int_eq(gw_start(plan, x, x), GW_OK);
    ck_assert_int_eq(gw_start(plan, x, x), GW_ESTATE);
    ck_assert_int_eq(gw_wait(plan), GW_OK);
    FILE *file = tmpfile();
    ck_assert_int_eq(gw_plan_print(plan, file), GW_OK);
    ck_assert_int_gt(ftell(file), 100);
    fclose(file);
    gw_plan_close(plan);
    gw_plan_close(NULL);
    gw_comm_close(comm);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promises");
    TCase *tests = tcase_create("plans");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, nonfinite_input_is_refused_everywhere, 0, REFUSE_SPECS);
    tcase_add_test(tests, nonfinite_policies);
    tcase_add_loop_test(tests, every_difference_is_an_error_on_every_rank, 0, OTHERS);
    tcase_add_test(tests, one_rank_with_a_bad_spec);
    tcase_add_test(tests, the_silent_rank_is_named);
    tcase_add_loop_test(tests, saved_and_loaded_is_never_stopped, 0, STATE_SPECS);
    tcase_add_test(tests, folding_keeps_what_was_not_sent);
    tcase_add_test(tests, residuals_follow_the_learning_rate);
    tcase_add_test(tests, wrong_use_is_an_error);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
