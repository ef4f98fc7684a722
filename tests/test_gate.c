/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The gate: all ranks decide alike and in words, a slow link gets codes and a fast one raw, nothing
 * is lost when the way changes, and what a caller insists on is obeyed. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "collectives/gate.h"
#include "collectives/trial.h"
#include "tests/ranks.h"

enum { RANKS = 3, SLOW_COUNT = 100000, FAST_COUNT = 400000 };

#define SLOW "shaped:rate=10mbit,latency=10us/"
#define FAST "shaped:rate=10000gbit,latency=1us/"

static gw_plan *open_plan(gw_comm *comm, size_t count, gw_operation operation,
                          const gw_options *options)
{
    gw_plan *plan = NULL;
    gw_status s = gw_plan_allreduce(&plan, comm, count, GW_F32, operation, options);
    expect(s == GW_OK, "%s: %s: %s", options->codec, gw_status_name(s), gw_comm_error(comm));
    return plan;
}

static gw_status run(gw_plan *plan, const float *in, float *out)
{
    gw_status s = gw_start(plan, in, out);
    return s ? s : gw_wait(plan);
}

/* Same words on all ranks; the words of rank 0 go to `reason`. */
static void expect_one_reason(gw_comm *comm, const gw_plan *plan, char *reason)
{
    char all[RANKS][GW_ERROR_TEXT], mine[GW_ERROR_TEXT];
    memset(mine, 0, sizeof mine);
    snprintf(mine, sizeof mine, "%s", gw_plan_reason(plan));
    if (!expect(gw_control_allgather(comm, mine, sizeof mine, all, &comm->error) == GW_OK, "%s",
                gw_comm_error(comm)))
        return;
    for (int r = 1; r < RANKS; r++)
        expect(strcmp(all[0], all[r]) == 0, "rank 0 says '%s', rank %d '%s'", all[0], r, all[r]);
    if (gw_comm_rank(comm) == 0)
        memcpy(reason, all[0], sizeof all[0]);
}

/* ---- which way --------------------------------------------------------------------------------*/

struct question {
    const char *spec;
    size_t count;
    char reason[GW_ERROR_TEXT], printed[1 << 17];
};

static void ask(gw_comm *comm, void *context)
{
    struct question *q = context;
    const gw_options options = { .codec = q->spec, .gate = GW_GATE_AUTO };
    gw_plan *plan = open_plan(comm, q->count, GW_MEAN, &options);
    if (!plan)
        return;
    expect_one_reason(comm, plan, q->reason);
    if (gw_comm_rank(comm) == 0) {
        FILE *stream = fmemopen(q->printed, sizeof q->printed, "w");
        expect(gw_plan_print(plan, stream) == GW_OK, "gw_plan_print");
        fclose(stream);
    }
    gw_plan_close(plan);
}

START_TEST(a_slow_link_gets_codes_and_a_fast_one_raw)
{
    struct question slow = { .spec = "ef+qsgd:bits=4", .count = SLOW_COUNT };
    struct question fast = { .spec = "ef+topk:ratio=0.3", .count = FAST_COUNT };
    run_ranks_behind(SLOW, RANKS, ask, &slow);
    run_ranks_behind(FAST, RANKS, ask, &fast);
    ck_assert_msg(failures() == 0, "see above");
    ck_assert_msg(strstr(slow.reason, "sends codes by"), "slow: %s", slow.reason);
    ck_assert_msg(strstr(fast.reason, "sends raw by"), "fast: %s", fast.reason);
    ck_assert_msg(strstr(slow.printed, slow.reason), "not printed: %s", slow.printed);
    ck_assert_msg(strstr(fast.printed, fast.reason), "not printed: %s", fast.printed);
}
END_TEST

START_TEST(ranks_decide_alike_where_the_model_is_not_sure)
{
    static const char *const links[] = { "", "shaped:rate=1gbit,latency=50us/",
                                         "shaped:rate=5gbit,latency=10us/",
                                         "shaped:rate=20gbit,latency=5us/" };
    static const size_t counts[] = { 1, 1000, 50000 };
    for (size_t l = 0; l < 4; l++) {
        for (size_t c = 0; c < 3; c++) {
            struct question q = { .spec = "ef+qsgd:bits=4", .count = counts[c] };
            run_ranks_behind(links[l], RANKS, ask, &q);
            ck_assert_msg(failures() == 0, "link '%s', %zu elements: see above", links[l],
                          counts[c]);
        }
    }
}
END_TEST

/* A trial by itself, whatever the model says: the slower codec loses. */
static void try_both(gw_comm *comm, void *context)
{
    const gw_options options = { .codec = "ef+qsgd:bits=4", .gate = GW_GATE_LIVE };
    const struct gw_request request = { .collective = GW_ALLREDUCE, .options = &options };
    struct gw_contender c[2];
    struct gw_error error = { 0 };
    gw_plan *plan = open_plan(comm, SLOW_COUNT, GW_SUM, &options);
    (void)context;
    if (!plan)
        return;
    for (int i = 0; i < 2; i++)
        c[i] = (struct gw_contender){ .algorithm = &gw_direct, .raw = i == 1, .seconds = 1e-3 };
    expect(gw_trial_elements(plan, c, 2) == SLOW_COUNT, "%zu elements, expected %d",
           gw_trial_elements(plan, c, 2), SLOW_COUNT);
    expect(gw_trial_run(plan, &request, c, 2, SLOW_COUNT / 2, &error) == GW_OK, "%s", error.text);
    expect(c[0].seconds < c[1].seconds, "4 bits %g s, 32 bits %g s at 10 Mbit/s", c[0].seconds,
           c[1].seconds);
    double mine[2] = { c[0].seconds, c[1].seconds }, all[2 * RANKS];
    expect(gw_control_allgather(comm, mine, sizeof mine, all, &error) == GW_OK, "%s", error.text);
    for (int r = 0; r < RANKS; r++)
        expect(memcmp(all + 2 * r, mine, sizeof mine) == 0, "rank %d has other times", r);
    gw_plan_close(plan);
}

START_TEST(a_trial_measures)
{
    run_ranks_behind(SLOW, RANKS, try_both, NULL);
    ck_assert_msg(failures() == 0, "see above");
}
END_TEST

/* ---- who is not asked -------------------------------------------------------------------------*/

static void insist(gw_comm *comm, void *context)
{
    static const struct {
        gw_options options;
        const char *words;
    } cases[] = {
        { { .codec = "qsgd", .gate = GW_GATE_OFF }, "cheapest" },
        { { .codec = "qsgd", .gate = GW_GATE_AUTO, .algorithm = "gather" }, "asked for" },
        { { .codec = "momentum+vote", .gate = GW_GATE_AUTO }, "a vote is not a sum" },
        { { .codec = "ef+clip+qsgd", .gate = GW_GATE_AUTO }, "only its codec knows" },
    };
    (void)context;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gw_plan *plan = open_plan(comm, 1000, GW_SUM, &cases[i].options);
        if (!plan)
            return;
        expect(!plan->gate && strstr(gw_plan_reason(plan), cases[i].words), "%s: '%s' lacks '%s'",
               cases[i].options.codec, gw_plan_reason(plan), cases[i].words);
        gw_plan_close(plan);
    }
    const gw_options raw = { .codec = "raw", .gate = GW_GATE_AUTO };
    gw_plan *plan = open_plan(comm, 1000, GW_SUM, &raw);
    expect(plan && !plan->gate, "raw has a gate");
    gw_plan_close(plan);
    /* One call obeys: a value between two levels of qsgd does not arrive as it is. */
    static const float in[3] = { 0.123f, 1, -1 };
    float out[3];
    const gw_options coarse = { .codec = "qsgd:bits=2", .gate = GW_GATE_AUTO };
    expect(gw_allreduce(comm, in, out, 3, GW_F32, GW_SUM, &coarse) == GW_OK, "%s",
           gw_comm_error(comm));
    expect(fabsf(out[0] - 0.123f * RANKS) > 1e-3f, "one call sent raw: %g", (double)out[0]);
    const gw_options wrong = { .codec = "qsgd", .gate = (gw_gate)9 };
    expect(gw_plan_allreduce(&plan, comm, 3, GW_F32, GW_SUM, &wrong) == GW_EINVAL, "gate 9");
}

START_TEST(callers_who_insist_are_obeyed)
{
    run_ranks_behind(FAST, RANKS, insist, NULL);
    ck_assert_msg(failures() == 0, "see above");
}
END_TEST

/* ---- what a gated plan does -------------------------------------------------------------------*/

enum { COUNT = 900, RUNS = 60 };

struct scene {
    const char *spec;
    gw_operation operation;
    double given[RANKS][COUNT], delivered[COUNT], kept[RANKS][COUNT];
};

static void fill(float *x, int rank, int run)
{
    struct gw_random_key key = gw_random_key(13, 0, (uint64_t)run, rank, 0);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (float)((int)(gw_random_u32(key, i) % 17) - 8) / 16;
}

static gw_status fail_add(void *context, const struct gw_step *step)
{
    (void)context;
    return step->kind == GW_STEP_ENCODE || step->kind == GW_STEP_LOAD || step->kind == GW_STEP_SHARE
               ? GW_EINVAL
               : GW_OK;
}

/* Steer by hand: the live gate's looks are of no use here. */
static void steer(gw_plan *plan, int raw)
{
    plan->gate->live.chosen = raw;
    plan->gate->live.probing = false;
    plan->gate->live.window = UINT32_MAX;
}

static void fault(gw_plan *plan, int on)
{
    plan->fault = plan->gate->twin->fault = on ? fail_add : NULL;
}

static void keep(struct scene *scene, const gw_plan *plan, int me)
{
    double share = scene->operation == GW_MEAN ? RANKS : 1;
    const struct gw_codec *c = plan->tensors[0].codec;
    for (int i = 0; i < COUNT; i++)
        scene->kept[me][i] = (double)c->state[i];
    for (int s = 0; s < plan->layout.segments_count; s++) {
        const struct gw_codec *o = plan->owners[s];
        for (size_t i = 0; o && o->state && i < o->site.count; i++)
            scene->kept[me][o->site.first + i] += share * (double)o->state[i];
    }
}

/* The state travels through bytes now and then, to an ungated plan of the same codec and back. */
static void reload(gw_plan **plan, gw_comm *comm, const struct scene *scene, gw_gate gate)
{
    gw_options options = { .codec = scene->spec, .gate = gate, .name = "x" };
    size_t bytes = gw_plan_state_bytes(*plan), written;
    void *state = malloc(bytes);
    expect(state && gw_plan_save(*plan, state, bytes, &written) == GW_OK, "gw_plan_save");
    gw_plan_close(*plan);
    *plan = open_plan(comm, COUNT, scene->operation, &options);
    if (*plan)
        expect(gw_plan_load(*plan, state, bytes) == GW_OK, "gw_plan_load: %s",
               gw_plan_error(*plan));
    free(state);
}

static void switch_often(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm);
    float in[COUNT], out[COUNT];
    const gw_options options = { .codec = scene->spec, .gate = GW_GATE_LIVE, .name = "x" };
    gw_plan *plan = open_plan(comm, COUNT, scene->operation, &options);
    for (int k = 0; k < RUNS && plan; k++) {
        bool gated = k % 20 != 13;
        if (k % 20 == 13)
            reload(&plan, comm, scene, GW_GATE_OFF);
        else if (k % 20 == 14)
            reload(&plan, comm, scene, GW_GATE_LIVE);
        if (!plan)
            return;
        if (gated) {
            steer(plan, (k * 2654435761u >> 7) & 1);
            fault(plan, k % 7 == 3 && me == k % RANKS);
        }
        fill(in, me, k);
        gw_status s = run(plan, in, out);
        expect((s == GW_OK) == !(gated && k % 7 == 3), "run %d: %s: %s", k, gw_status_name(s),
               gw_plan_error(plan));
        for (int i = 0; i < COUNT && !s; i++) {
            scene->given[me][i] += (double)in[i];
            if (me == 0)
                scene->delivered[i] += (double)out[i] * (scene->operation == GW_MEAN ? RANKS : 1);
        }
    }
    if (!plan)
        return;
    gw_stats stats = { 0 };
    expect(gw_plan_stats(plan, &stats) == GW_OK && stats.runs + stats.failed_runs == 6,
           "%llu runs and %llu failed since the last load, expected 6",
           (unsigned long long)stats.runs, (unsigned long long)stats.failed_runs);
    keep(scene, plan, me);
    gw_plan_close(plan);
}

static struct scene scenes[] = { { .spec = "ef+topk:ratio=0.05" },
                                 { .spec = "ef+qsgd:bits=4,bucket=64", .operation = GW_MEAN },
                                 { .spec = "ef+sign:bucket=64" },
                                 { .spec = "ef+terngrad", .operation = GW_MEAN },
                                 { .spec = "ef+randomk:ratio=0.1,scale=biased" } };
enum { SCENES = sizeof scenes / sizeof *scenes };

START_TEST(nothing_is_lost_when_the_way_changes)
{
    struct scene *scene = &scenes[_i];
    run_ranks(RANKS, switch_often, scene);
    ck_assert_msg(failures() == 0, "%s: see above", scene->spec);
    for (int i = 0; i < COUNT; i++) {
        double given = 0, kept = 0;
        for (int r = 0; r < RANKS; r++) {
            given += scene->given[r][i];
            kept += scene->kept[r][i];
        }
        ck_assert_msg(fabs(given - scene->delivered[i] - kept) < 1e-4,
                      "%s element %d: given %.9g, delivered %.9g + kept %.9g", scene->spec, i,
                      given, scene->delivered[i], kept);
    }
}
END_TEST

/* Raw under a gate is raw: bit for bit, and a saved state is one of the codec asked for. */
static void compare_raw(gw_comm *comm, void *context)
{
    static float in[RANKS][FAST_COUNT], gated[RANKS][FAST_COUNT], plain[RANKS][FAST_COUNT];
    int me = gw_comm_rank(comm);
    const gw_options ours = { .codec = "clip:sigma=100+ef+topk:ratio=0.3", .gate = GW_GATE_AUTO };
    (void)context;
    gw_plan *a = open_plan(comm, FAST_COUNT, GW_MEAN, &ours);
    const gw_options theirs = { .codec = "raw", .algorithm = a ? gw_plan_algorithm(a) : NULL };
    gw_plan *b = open_plan(comm, FAST_COUNT, GW_MEAN, &theirs);
    if (!a || !b || !expect(a->gate->raw, "%s", gw_plan_reason(a)))
        return;
    fill_input(in[me], FAST_COUNT, me);
    gw_stats stats = { 0 }, raw = { 0 };
    expect(run(a, in[me], gated[me]) == GW_OK && run(b, in[me], plain[me]) == GW_OK, "run");
    expect(memcmp(gated[me], plain[me], sizeof plain[me]) == 0, "rank %d: other bits than raw", me);
    expect(gw_plan_stats(a, &stats) == GW_OK && gw_plan_stats(b, &raw) == GW_OK, "stats");
    expect(stats.sent_bytes == raw.sent_bytes && stats.runs == 1, "sent %llu, raw %llu",
           (unsigned long long)stats.sent_bytes, (unsigned long long)raw.sent_bytes);
    /* Refused as ever, although a clip would have made it finite. */
    in[me][5] = me == 1 ? INFINITY : 0;
    gw_status s = run(a, in[me], gated[me]);
    expect(s == (me == 1 ? GW_ENONFINITE : GW_EPEER) && strstr(gw_plan_error(a), "element 5"),
           "rank %d: %s: %s", me, gw_status_name(s), gw_plan_error(a));
    expect(gw_wait(a) == GW_ESTATE, "no run is under way");
    gw_plan_close(a);
    gw_plan_close(b);
}

START_TEST(raw_under_a_gate_is_raw)
{
    run_ranks_behind(FAST, RANKS, compare_raw, NULL);
    ck_assert_msg(failures() == 0, "see above");
}
END_TEST

/* ---- live -------------------------------------------------------------------------------------*/

/* Begins with the wrong choice, and finds out. */
static void find_out(gw_comm *comm, void *context)
{
    static float in[RANKS][SLOW_COUNT], out[RANKS][SLOW_COUNT];
    int me = gw_comm_rank(comm), *wrong = context;
    const gw_options options = { .codec = "qsgd:bits=4", .gate = GW_GATE_LIVE, .gate_every = 3 };
    gw_plan *plan = open_plan(comm, SLOW_COUNT / 8, GW_SUM, &options);
    if (!plan)
        return;
    plan->gate->live.chosen = *wrong;
    for (int k = 0; k < 4; k++)
        expect(run(plan, in[me], out[me]) == GW_OK, "%s", gw_plan_error(plan));
    expect(plan->gate->live.chosen != *wrong, "still %s: %s", *wrong ? "raw" : "codes",
           gw_plan_reason(plan));
    char reason[GW_ERROR_TEXT];
    expect_one_reason(comm, plan, reason);
    gw_plan_close(plan);
}

START_TEST(a_live_gate_finds_out)
{
    int raw = 1;
    run_ranks_behind(SLOW, RANKS, find_out, &raw);
    ck_assert_msg(failures() == 0, "see above");
}
END_TEST

/* Plans that look at the same time, started and waited for in an order that differs by rank. */
static void cross(gw_comm *comm, void *context)
{
    enum { PLANS = 3, SMALL = 500 };
    static float in[RANKS][SMALL], out[RANKS][PLANS][SMALL];
    int me = gw_comm_rank(comm);
    gw_plan *plans[PLANS];
    (void)context;
    for (int p = 0; p < PLANS; p++) {
        const gw_options options = { .codec = "ef+sign", .gate = GW_GATE_LIVE, .gate_every = 2 };
        if (!(plans[p] = open_plan(comm, SMALL, GW_SUM, &options)))
            return;
    }
    for (int k = 0; k < 20; k++) {
        for (int p = 0; p < PLANS; p++) {
            gw_plan *plan = plans[(p + me) % PLANS];
            expect(gw_start(plan, in[me], out[me][(p + me) % PLANS]) == GW_OK, "start");
        }
        for (int p = PLANS; p-- > 0;)
            expect(gw_wait(plans[(p + me) % PLANS]) == GW_OK, "wait");
    }
    for (int p = 0; p < PLANS; p++)
        gw_plan_close(plans[p]);
}

START_TEST(live_plans_run_in_any_order)
{
    run_ranks(RANKS, cross, NULL);
    ck_assert_msg(failures() == 0, "see above");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tests = tcase_create("gate");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_slow_link_gets_codes_and_a_fast_one_raw);
    tcase_add_test(tests, ranks_decide_alike_where_the_model_is_not_sure);
    tcase_add_test(tests, a_trial_measures);
    tcase_add_test(tests, callers_who_insist_are_obeyed);
    tcase_add_loop_test(tests, nothing_is_lost_when_the_way_changes, 0, SCENES);
    tcase_add_test(tests, raw_under_a_gate_is_raw);
    tcase_add_test(tests, a_live_gate_finds_out);
    tcase_add_test(tests, live_plans_run_in_any_order);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
