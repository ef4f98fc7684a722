/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* hierarchy on simulated nodes: every codec on several shapes; what was given was sent or is kept,
 * also over failures in every kind of step, over saving and loading, and with another number of
 * ranks; nodes of unequal size are refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "collectives/plan.h"
#include "tests/collective_bodies.h"
#include "tests/ranks.h"

static const struct {
    int nodes, ranks;
} shapes[] = { { 2, 4 }, { 2, 6 }, { 3, 6 } };
enum { SHAPES = sizeof shapes / sizeof *shapes, COUNT = 700, RUNS = 120, RANKS_MAX = 6 };

static void codec_body(gw_comm *comm, void *context)
{
    unsigned long long digests = 0;
    body_codec(comm, context, &digests);
}

START_TEST(codecs_on_nodes)
{
    struct codec_case c = codec_cases[_i];
    run_ranks_on(shapes[_i % SHAPES].nodes, "", shapes[_i % SHAPES].ranks, codec_body, &c);
    ck_assert_msg(failures() == 0, "%s on %d nodes with %d ranks: see above", c.spec,
                  shapes[_i % SHAPES].nodes, shapes[_i % SHAPES].ranks);
}
END_TEST

static void list_body(gw_comm *comm, void *context)
{
    unsigned long long *digests = context, mine = 0;
    body_types(comm, &mine);
    body_many(comm, &mine);
    if (gw_comm_rank(comm) == 0)
        *digests = mine;
}

START_TEST(bits_are_those_of_a_simulated_link)
{
    unsigned long long plain = 0, shaped = 1;
    run_ranks_on(2, "", 4, list_body, &plain);
    run_ranks_on(2, "shaped:rate=10gbit,latency=5us/", 4, list_body, &shaped);
    ck_assert_int_eq(failures(), 0);
    ck_assert_msg(plain == shaped, "got %llx, expected %llx", shaped, plain);
}
END_TEST

/* ---- conservation ---------------------------------------------------------------------------- */

static const enum gw_step_kind kinds[] = { GW_STEP_SHARE, GW_STEP_MEET, GW_STEP_REDUCE,
                                           GW_STEP_CARRY, GW_STEP_SEND, GW_STEP_DECODE,
                                           GW_STEP_ADD,   GW_STEP_SIGN, GW_STEP_REENCODE,
                                           GW_STEP_RECV };
enum { KINDS = sizeof kinds / sizeof *kinds };

struct scene {
    const char *spec;
    double allowed;
    double given[RANKS_MAX][COUNT], delivered[COUNT], kept[RANKS_MAX][COUNT];
    unsigned char *states[RANKS_MAX];
    size_t bytes[RANKS_MAX];
    int struck[KINDS];
};

/* Small whole multiples of a power of two: their sums are exact. */
static void fill(float *x, int rank, int run)
{
    struct gw_random_key key = gw_random_key(11, 0, (uint64_t)run, rank, 0);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (float)((int)(gw_random_u32(key, i) % 17) - 8) / 16;
}

struct fault {
    const gw_plan *plan;
    enum gw_step_kind kind;
    int struck;
};

static gw_status strike(void *context, const struct gw_step *step)
{
    struct fault *f = context;
    bool sign = step->slot >= 0 && f->plan->list.slots[step->slot].kind == GW_SLOT_SIGN;
    if (step->kind != f->kind || f->struck || sign != (f->kind == GW_STEP_SIGN))
        return GW_OK;
    f->struck = 1;
    return GW_EINVAL;
}

static void collect(double *kept, const gw_plan *plan)
{
    for (int i = 0; i < plan->owners_count; i++) {
        const struct gw_codec *c = plan->owners[i];
        for (size_t k = 0; c && c->state && k < c->site.count; k++)
            kept[c->site.first + k] += (double)c->state[k];
    }
}

static gw_plan *open_plan(gw_comm *comm, const char *spec)
{
    gw_plan *plan = NULL;
    gw_options options = { .codec = spec, .algorithm = "hierarchy", .piece_count = 64 };
    gw_status s = gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options);
    expect(s == GW_OK, "%s: %s", spec, gw_comm_error(comm));
    return plan;
}

static void run_one(struct scene *scene, gw_plan *plan, int run, int me)
{
    int kind = run % 2 ? run / 2 % KINDS : -1, n = plan->problem.size;
    struct fault fault = { .plan = plan, .kind = kind >= 0 ? kinds[kind] : GW_STEP_KIND_COUNT };
    float in[COUNT], out[COUNT];
    fill(in, me, run);
    for (int i = 0; i < COUNT; i++)
        out[i] = -99;
    plan->fault = run % n == me ? strike : NULL;
    plan->fault_context = &fault;
    gw_status s = gw_start(plan, in, out);
    s = s ? s : gw_wait(plan);
    if (fault.struck && run % n == me)
        scene->struck[kind]++;
    expect(!fault.struck || s == GW_EINVAL, "run %d rank %d: got %s", run, me, gw_status_name(s));
    expect(s == GW_OK || s == GW_EINVAL || s == GW_EPEER, "run %d rank %d: %s", run, me,
           gw_plan_error(plan));
    for (int i = 0; i < COUNT; i++) {
        if (!s)
            scene->given[me][i] += (double)in[i];
        if (!s && me == 0)
            scene->delivered[i] += (double)out[i];
        if (s && !expect(out[i] == -99, "run %d rank %d: failed, yet changed the output", run, me))
            break;
    }
}

static void body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm);
    gw_plan *plan = open_plan(comm, scene->spec);
    for (int run = 0; plan && run < RUNS; run++)
        run_one(scene, plan, run, me);
    if (plan) {
        collect(scene->kept[me], plan);
        scene->states[me] = malloc(gw_plan_state_bytes(plan));
        expect(gw_plan_save(plan, scene->states[me], gw_plan_state_bytes(plan),
                            &scene->bytes[me]) == GW_OK,
               "save");
    }
    gw_plan_close(plan);
}

static void check_conserved(struct scene *scene, const char *when, int ranks)
{
    for (int i = 0; i < COUNT; i++) {
        double given = 0, kept = 0;
        for (int r = 0; r < RANKS_MAX; r++)
            given += scene->given[r][i];
        for (int r = 0; r < ranks; r++)
            kept += scene->kept[r][i];
        ck_assert_msg(fabs(given - scene->delivered[i] - kept) <= scene->allowed * RUNS,
                      "%s %s, element %d: given %.17g, delivered %.17g + kept %.17g", scene->spec,
                      when, i, given, scene->delivered[i], kept);
    }
}

static void load_body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm), old = shapes[0].ranks;
    gw_plan *plan = open_plan(comm, scene->spec);
    const void *const *states = (const void *const *)scene->states;
    if (!plan)
        return;
    gw_status s = gw_comm_size(comm) == old
                      ? gw_plan_load(plan, scene->states[me], scene->bytes[me])
                      : gw_plan_load_folded(plan, states, scene->bytes, old, GW_FOLD_SUM);
    expect(s == GW_OK, "load: %s", gw_plan_error(plan));
    collect(scene->kept[me], plan);
    gw_plan_close(plan);
}

static const struct {
    const char *spec;
    double allowed;
} specs[] = { { "ef+topk:ratio=0.05", 0 },
              { "ef+qsgd:bits=4,bucket=64", 1e-5 },
              { "ef+sign:bucket=64", 1e-5 } };
enum { SPECS = sizeof specs / sizeof *specs };

START_TEST(what_was_given_was_sent_or_is_kept)
{
    static struct scene scene;
    scene = (struct scene){ .spec = specs[_i].spec, .allowed = specs[_i].allowed };
    run_ranks_on(shapes[0].nodes, "", shapes[0].ranks, body, &scene);
    ck_assert_int_eq(failures(), 0);
    check_conserved(&scene, "after its runs", RANKS_MAX);
    for (int k = 0; k < KINDS; k++)
        ck_assert_msg(scene.struck[k] > 0, "no failure was put into %s", gw_step_name(kinds[k]));
    for (int s = 0; s < SHAPES; s++) {
        memset(scene.kept, 0, sizeof scene.kept);
        run_ranks_on(shapes[s].nodes, "", shapes[s].ranks, load_body, &scene);
        ck_assert_int_eq(failures(), 0);
        check_conserved(&scene, "loaded", shapes[s].ranks);
    }
    for (int r = 0; r < shapes[0].ranks; r++)
        free(scene.states[r]);
}
END_TEST

/* Who shares a node with the silent rank names it; the others name whom it holds up there. */
static void silent_body(gw_comm *comm, void *context)
{
    float x[COUNT];
    int me = gw_comm_rank(comm);
    gw_plan *plan = open_plan(comm, context);
    for (int i = 0; i < COUNT; i++)
        x[i] = 1;
    if (me == 3) {
        usleep(800000);
    } else if (plan) {
        plan->timeout_ns = 200000000;
        gw_status s = gw_start(plan, x, x);
        s = s ? s : gw_wait(plan);
        const char *name = me == 2 ? "rank 3 for" : me == 1 ? "rank 3" : "rank 2";
        expect(s == GW_ETIMEOUT && strstr(gw_plan_error(plan), name) != NULL,
               "rank %d: got %s: '%s', expected '%s'", me, gw_status_name(s), gw_plan_error(plan),
               name);
        usleep(400000); /* a comm that is closed is another failure */
        for (int i = 0; i < COUNT; i++)
            if (!expect(x[i] == 1, "element %d was changed", i))
                break;
    }
    gw_plan_close(plan);
}

START_TEST(silence_is_a_deadline)
{
    static char spec[] = "ef+qsgd:bits=4";
    run_ranks_on(2, "", 4, silent_body, spec);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- where it does not apply ------------------------------------------------------------------*/

static void refused_body(gw_comm *comm, void *context)
{
    gw_plan *plan = NULL;
    gw_options options = { .codec = context, .algorithm = "hierarchy" };
    expect(gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options) == GW_ENOTSUP && !plan,
           "a hierarchy where there is none");
    expect(strstr(gw_comm_error(comm), "nodes have the same number of ranks") != NULL,
           "'%s' does not say what it needs", gw_comm_error(comm));
}

START_TEST(other_shapes_are_refused)
{
    run_ranks_on(2, "", 5, refused_body, "qsgd"); /* 3 and 2 ranks */
    run_ranks_on(3, "", 3, refused_body, "qsgd");
    run_ranks_on(1, "", 3, refused_body, "qsgd");
    run_ranks_on(2, "", 4, refused_body, "vote");
    ck_assert_int_eq(failures(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hierarchy");
    TCase *tests = tcase_create("nodes");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, codecs_on_nodes, 0, codec_cases_count);
    tcase_add_test(tests, bits_are_those_of_a_simulated_link);
    tcase_add_loop_test(tests, what_was_given_was_sent_or_is_kept, 0, SPECS);
    tcase_add_test(tests, silence_is_a_deadline);
    tcase_add_test(tests, other_shapes_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
