/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Conservation and transaction: over a thousand runs with failures put into every kind of step,
 * what was delivered plus the residuals is what was given; failed runs change nothing on any rank.
 *
 * Inputs are small whole multiples of a power of two and the codecs send at most a few of their
 * bits (topk sends values as they are, int with a power-of-two step), so all sums are exact and the
 * comparison is bit for bit. For qsgd the allowance is stated at its use. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "collectives/plan.h"
#include "tests/ranks.h"

#if defined __SANITIZE_THREAD__
enum { RUNS = 240 };
#else
enum { RUNS = 1000 };
#endif
enum { COUNT = 700, RANKS = 3 };

struct fault {
    int rank, kind, skip; /* fail at the skip-th step of this kind on this rank; kind -1: never */
    int struck;
};

struct scene {
    const char *spec, *algorithm;
    double allowed; /* relative to the sum of |given| */
    double given[RANKS][COUNT], delivered[COUNT], residual[RANKS][COUNT], owned[COUNT];
    int faults_by_kind[GW_STEP_KIND_COUNT];
};

static int is_sign(const gw_plan *plan, const struct gw_step *step)
{
    return step->slot >= 0 && plan->list.slots[step->slot].kind == GW_SLOT_SIGN;
}

/* A signature says how things stood before the first of them: nothing can fail after it. */
static int first_sign(const gw_plan *plan)
{
    int slot = 0;
    while (plan->list.slots[slot].kind != GW_SLOT_SIGN)
        slot++;
    return slot;
}

struct striking {
    struct fault *fault;
    gw_plan *plan;
};

/* A corrupt signature is a broken transport, not a failed run: the promise's other branch. */
static gw_status strike(void *context, const struct gw_step *step)
{
    struct striking *s = context;
    if ((int)step->kind != s->fault->kind || s->fault->struck ||
        (step->kind != GW_STEP_SIGN && is_sign(s->plan, step)) ||
        (step->kind == GW_STEP_SIGN && step->slot != first_sign(s->plan)))
        return GW_OK;
    if (s->fault->skip-- > 0)
        return GW_OK;
    s->fault->struck = 1;
    return GW_EINVAL;
}

static void fill(float *x, int rank, int run)
{
    struct gw_random_key key = gw_random_key(11, 0, (uint64_t)run, rank, 0);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (float)((int)(gw_random_u32(key, i) % 17) - 8) / 16;
}

static const int kinds[] = { GW_STEP_PREPARE,  GW_STEP_PROPOSE, GW_STEP_ADOPT, GW_STEP_ENCODE,
                             GW_STEP_REENCODE, GW_STEP_MERGE,   GW_STEP_LOAD,  GW_STEP_DECODE,
                             GW_STEP_ADD,      GW_STEP_DIVIDE,  GW_STEP_SEND,  GW_STEP_RECV,
                             GW_STEP_SIGN };
enum { KINDS = sizeof kinds / sizeof *kinds };

static void collect(struct scene *scene, const gw_plan *plan, int me)
{
    const struct gw_codec *c = plan->tensors[0].codec;
    for (int i = 0; c->state && i < COUNT; i++)
        scene->residual[me][i] = (double)c->state[i];
    for (int s = 0; s < plan->layout.segments_count; s++) {
        const struct gw_codec *o = plan->owners[s];
        for (size_t i = 0; o && o->state && i < o->site.count; i++)
            scene->owned[o->site.first + i] = (double)o->state[i];
    }
}

static void body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm);
    float in[COUNT], out[COUNT], before[COUNT];
    gw_plan *plan;
    gw_options options = { .codec = scene->spec, .algorithm = scene->algorithm };
    if (!expect(gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options) == GW_OK, "%s",
                gw_comm_error(comm)))
        return;
    for (int run = 0; run < RUNS; run++) {
        struct fault fault = { .rank = run / 3 % RANKS,
                               .kind = run % 3 == 1 ? kinds[run / 9 % KINDS] : -1,
                               .skip = run / 7 % 3 };
        struct striking striking = { &fault, plan };
        plan->fault = fault.rank == me ? strike : NULL;
        plan->fault_context = &striking;
        fill(in, me, run);
        for (int i = 0; i < COUNT; i++)
            before[i] = out[i] = -99;
        gw_status s = gw_start(plan, in, out);
        if (!s)
            s = gw_wait(plan);
        if (s) {
            expect(s == (fault.rank == me && fault.struck ? GW_EINVAL : GW_EPEER),
                   "run %d rank %d: %s: %s", run, me, gw_status_name(s), gw_plan_error(plan));
            expect(memcmp(out, before, sizeof out) == 0,
                   "run %d rank %d: failed, yet changed the "
                   "output",
                   run, me);
            if (fault.struck)
                scene->faults_by_kind[fault.kind]++;
            continue;
        }
        for (int i = 0; i < COUNT; i++) {
            scene->given[me][i] += (double)in[i];
            if (me == 0)
                scene->delivered[i] += (double)out[i];
        }
        expect(!fault.struck, "run %d: a failure was put in, yet the run succeeded", run);
    }
    collect(scene, plan, me);
    gw_plan_close(plan);
}

static struct scene scenes[] = {
    { .spec = "ef+topk:ratio=0.05", .algorithm = "direct" },
    { .spec = "ef+topk:ratio=0.05", .algorithm = "gather" },
    { .spec = "ef+randomk:ratio=0.1,scale=biased", .algorithm = "linear" },
    { .spec = "ef+qsgd:bits=4,bucket=64", .algorithm = "direct", .allowed = 1e-5 },
    { .spec = "ef+sign:bucket=64", .algorithm = "direct", .allowed = 1e-5 },
    { .spec = "ef+terngrad", .algorithm = "linear", .allowed = 1e-5 },
    { .spec = "raw", .algorithm = "ring" },
    { .spec = "raw", .algorithm = "doubling" },
};
enum { SCENES = sizeof scenes / sizeof *scenes };

START_TEST(what_was_given_was_sent_or_is_kept)
{
    struct scene *scene = &scenes[_i];
    run_ranks(RANKS, body, scene);
    ck_assert_msg(failures() == 0, "%s by %s: see above", scene->spec, scene->algorithm);
    for (int i = 0; i < COUNT; i++) {
        double given = 0, kept = scene->owned[i], size = 0;
        for (int r = 0; r < RANKS; r++) {
            given += scene->given[r][i];
            kept += scene->residual[r][i];
        }
        size = RUNS * RANKS * 0.5;
        ck_assert_msg(fabs(given - (scene->delivered[i] + kept)) <= scene->allowed * size,
                      "%s by %s element %d: given %.17g, delivered %.17g + kept %.17g, allowed "
                      "difference %g",
                      scene->spec, scene->algorithm, i, given, scene->delivered[i], kept,
                      scene->allowed * size);
    }
}
END_TEST

START_TEST(every_kind_was_struck)
{
    int total[GW_STEP_KIND_COUNT] = { 0 };
    for (int s = 0; s < SCENES; s++) {
        run_ranks(RANKS, body, &scenes[s]);
        ck_assert_int_eq(failures(), 0);
        for (int k = 0; k < GW_STEP_KIND_COUNT; k++)
            total[k] += scenes[s].faults_by_kind[k];
    }
    for (int k = 0; k < KINDS; k++)
        ck_assert_msg(kinds[k] == GW_STEP_DIVIDE || total[kinds[k]] > 0,
                      "no failure was put into %s", gw_step_name((enum gw_step_kind)kinds[k]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conservation");
    TCase *tests = tcase_create("runs");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, what_was_given_was_sent_or_is_kept, 0, SCENES);
    tcase_add_test(tests, every_kind_was_struck);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
