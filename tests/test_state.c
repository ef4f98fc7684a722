/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A state outlives the plan that wrote it: other pieces, another algorithm. All values are dyadic,
 * so that every sum here is exact. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "collectives/plan.h"
#include "collectives/records.h"
#include "tests/ranks.h"

enum { RANKS = 4, TENSORS = 3, ELEMENTS = 5000 + 37 + 2600, RUNS = 3 };

static const size_t counts[TENSORS] = { 5000, 37, 2600 };
static const char *const names[TENSORS] = { "a", "b", "c" };

struct kind {
    const char *algorithm;
    size_t piece_count;
    gw_operation operation;
};

struct scene {
    const char *spec;
    struct kind old, now;
    unsigned long long out[RANKS]; /* digests of the last results */
    void *states[RANKS];
    size_t bytes[RANKS];
    double kept[2][RANKS][ELEMENTS]; /* of the result, by what a rank keeps: before, after */
};

static gw_plan *open_plan(gw_comm *comm, const char *spec, const struct kind *kind)
{
    gw_tensor tensors[TENSORS];
    gw_plan *plan = NULL;
    gw_options options = { .codec = spec,
                           .algorithm = kind->algorithm,
                           .piece_count = kind->piece_count,
                           .gate = GW_GATE_OFF };
    for (int t = 0; t < TENSORS; t++)
        tensors[t] = (gw_tensor){ .name = names[t], .count = counts[t] };
    expect(
        !gw_plan_allreduce_list(&plan, comm, tensors, TENSORS, GW_F32, kind->operation, &options),
        "%s %s: %s", spec, kind->algorithm, gw_comm_error(comm));
    return plan;
}

static unsigned long long run_once(gw_plan *plan, int me, int run)
{
    static _Thread_local float in[ELEMENTS], out[ELEMENTS];
    const void *from[TENSORS];
    void *to[TENSORS];
    size_t at = 0;
    for (int i = 0; i < ELEMENTS; i++)
        in[i] = (float)((i * 37 + me * 101 + run * 59) % 255 - 127) / 8;
    for (int t = 0; t < TENSORS; at += counts[t++]) {
        from[t] = in + at;
        to[t] = out + at;
    }
    gw_status s = gw_start_list(plan, from, to);
    s = s ? s : gw_wait(plan);
    expect(!s, "run %d: %s", run, gw_plan_error(plan));
    return digest(out, sizeof out);
}

static void collect(double *kept, const gw_plan *plan)
{
    double share = plan->operation == GW_MEAN ? 1.0 / plan->problem.size : 1;
    size_t starts[TENSORS] = { 0, counts[0], counts[0] + counts[1] };
    memset(kept, 0, ELEMENTS * sizeof *kept);
    for (int i = 0; i < plan->tensors_count + plan->owners_count; i++) {
        int s = i - plan->tensors_count, segments = plan->layout.segments_count;
        const struct gw_codec *c = s < 0 ? plan->tensors[i].codec : plan->owners[s];
        int t = s < 0 ? i : plan->layout.segments[s % segments].tensor;
        for (size_t k = 0; c && c->state && k < c->site.count; k++)
            kept[starts[t] + c->site.first + k] +=
                (double)c->state[k] * (c->site.stage == 1 ? 1 : share);
    }
}

static void *save(const gw_plan *plan, size_t *bytes)
{
    size_t capacity = gw_plan_state_bytes(plan);
    void *state = malloc(capacity);
    expect(state && !gw_plan_save(plan, state, capacity, bytes), "save");
    return state;
}

static void write_body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm);
    gw_plan *plan = open_plan(comm, scene->spec, &scene->old);
    for (int run = 0; plan && run < RUNS; run++)
        run_once(plan, me, run);
    if (plan) {
        scene->states[me] = save(plan, &scene->bytes[me]);
        collect(scene->kept[0][me], plan);
    }
    gw_plan_close(plan);
}

static void forget(struct scene *scene)
{
    for (int r = 0; r < RANKS; r++)
        free(scene->states[r]);
    free(scene);
}

static struct scene *make_scene(const char *spec, struct kind old, struct kind now)
{
    struct scene *scene = calloc(1, sizeof *scene);
    ck_assert_ptr_nonnull(scene);
    scene->spec = spec;
    scene->old = old;
    scene->now = now;
    run_ranks_on(2, "", RANKS, write_body, scene);
    ck_assert_int_eq(failures(), 0);
    return scene;
}

/* ---- the same algorithm -----------------------------------------------------------------------*/

static void expect_same(const struct scene *scene, gw_plan *plan, int me, const char *how)
{
    size_t bytes = 0;
    void *again = save(plan, &bytes);
    expect(bytes == scene->bytes[me] && memcmp(again, scene->states[me], bytes) == 0,
           "%s, pieces of %zu, %s: rank %d does not write what it read", scene->spec,
           scene->now.piece_count, how, me);
    free(again);
}

/* Through other pieces and back: the bytes are those of the start. */
static void pieces_body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm);
    const void *const *states = (const void *const *)scene->states;
    gw_plan *other = open_plan(comm, scene->spec, &scene->now);
    gw_plan *back = open_plan(comm, scene->spec, &scene->old);
    if (!other || !back)
        return;
    expect(!gw_plan_load(other, scene->states[me], scene->bytes[me]), "load: %s",
           gw_plan_error(other));
    collect(scene->kept[1][me], other);
    size_t bytes = 0;
    void *between = save(other, &bytes);
    expect(other->layout.pieces_count != back->layout.pieces_count, "the same pieces");
    expect(!gw_plan_load(back, between, bytes), "back: %s", gw_plan_error(back));
    expect_same(scene, back, me, "loaded");
    expect(!gw_plan_load_folded(other, states, scene->bytes, RANKS, GW_FOLD_SUM), "fold: %s",
           gw_plan_error(other));
    size_t folded_bytes = 0;
    void *folded = save(other, &folded_bytes);
    expect(folded_bytes == bytes && memcmp(folded, between, bytes) == 0,
           "%s: rank %d: folded among as many ranks it has other bits than loaded", scene->spec,
           me);
    run_once(other, me, RUNS);
    free(folded);
    free(between);
    gw_plan_close(other);
    gw_plan_close(back);
}

static const struct {
    const char *spec, *algorithm;
} same[] = {
    { "ef+topk:ratio=0.05", "direct" },    { "ef+qsgd:bits=4,bucket=64", "direct" },
    { "qsgd:bits=4,bucket=64", "direct" }, { "momentum+ef+topk:ratio=0.05", "direct" },
    { "ef+randomk:ratio=0.1", "linear" },  { "momentum+vote", "linear" },
    { "ef+topk:ratio=0.05", "hierarchy" }, { "momentum+ef+topk:ratio=0.05", "hierarchy" },
    { "ef+sign:bucket=64", "gather" },     { "momentum+vote:ties=previous", "linear" },
};
enum { SAME = sizeof same / sizeof *same };

START_TEST(pieces_may_change)
{
    static const size_t pieces[] = { 64, 300, 1024, 1 << 20 };
    for (int i = 0; i < 4; i++) {
        struct kind old = { same[_i].algorithm, pieces[i], GW_SUM };
        struct kind now = { same[_i].algorithm, pieces[(i + 1 + _i % 3) % 4], GW_SUM };
        struct scene *scene = make_scene(same[_i].spec, old, now);
        run_ranks_on(2, "", RANKS, pieces_body, scene);
        ck_assert_int_eq(failures(), 0);
        ck_assert_msg(memcmp(scene->kept[0], scene->kept[1], sizeof scene->kept[0]) == 0,
                      "%s: pieces of %zu to %zu: some rank keeps something else", scene->spec,
                      old.piece_count, now.piece_count);
        forget(scene);
    }
}
END_TEST

/* ---- another algorithm ------------------------------------------------------------------------*/

static void other_body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm);
    const void *const *states = (const void *const *)scene->states;
    gw_plan *plan = open_plan(comm, scene->spec, &scene->now);
    if (!plan)
        return;
    run_once(plan, me, 17);
    size_t bytes = 0, bytes_after = 0;
    void *before = save(plan, &bytes);
    gw_status s = gw_plan_load(plan, scene->states[me], scene->bytes[me]);
    const char *words = gw_plan_error(plan);
    expect(s == GW_EMISMATCH && strstr(words, "GRADWIRE_PINS") && strstr(words, "algorithm") &&
               strstr(words, "gw_plan_load_folded") && strstr(words, scene->now.algorithm),
           "%s to %s: expected GW_EMISMATCH and what to do, got %s: '%s'", scene->old.algorithm,
           scene->now.algorithm, gw_status_name(s), words);
    void *after = save(plan, &bytes_after);
    expect(bytes == bytes_after && memcmp(before, after, bytes) == 0, "a refusal changed a state");
    free(after);
    free(before);
    expect(!gw_plan_load_folded(plan, states, scene->bytes, RANKS, GW_FOLD_SUM), "fold: %s",
           gw_plan_error(plan));
    collect(scene->kept[1][me], plan);
    for (int i = 0; i < plan->owners_count; i++)
        expect(!plan->owners[i] || plan->owners[i]->run == RUNS, "an owner is at another run");
    scene->out[me] = run_once(plan, me, RUNS);
    gw_plan_close(plan);
}

static const char *const ways[][2] = {
    { "direct", "gather" },    { "gather", "direct" },    { "direct", "hierarchy" },
    { "hierarchy", "direct" }, { "hierarchy", "gather" }, { "gather", "hierarchy" },
};
enum { WAYS = sizeof ways / sizeof *ways };

static void check_kept(const struct scene *scene, int ranks)
{
    for (int e = 0; e < ELEMENTS; e++) {
        double kept[2] = { 0, 0 };
        for (int r = 0; r < RANKS; r++)
            for (int k = 0; k < 2; k++)
                kept[k] += scene->kept[k][r][e];
        ck_assert_msg(kept[0] == kept[1], "%s to %s on %d ranks, element %d: kept %.17g, now %.17g",
                      scene->old.algorithm, scene->now.algorithm, ranks, e, kept[0], kept[1]);
    }
}

START_TEST(algorithms_may_change)
{
    for (int mean = 0; mean < 2; mean++) {
        gw_operation operation = mean ? GW_MEAN : GW_SUM;
        struct kind old = { ways[_i][0], 300, operation }, now = { ways[_i][1], 64, operation };
        struct scene *scene = make_scene("ef+topk:ratio=0.05", old, now);
        run_ranks_on(2, "", RANKS, other_body, scene);
        ck_assert_int_eq(failures(), 0);
        check_kept(scene, RANKS);
        forget(scene);
    }
}
END_TEST

/* Who merges only what it owns does not remember the rest: then all would settle ties apart. */
START_TEST(memories_of_parts_are_not_taken_for_whole)
{
    struct kind old = { "linear", 300, GW_SUM }, now = { "gather", 300, GW_SUM };
    struct scene *scene = make_scene("momentum+vote:ties=previous", old, now);
    run_ranks_on(2, "", RANKS, other_body, scene);
    ck_assert_int_eq(failures(), 0);
    for (int r = 0; r < RANKS; r++)
        ck_assert_msg(scene->out[r] == scene->out[0], "ranks 0 and %d have other results", r);
    forget(scene);
}
END_TEST

static void fewer_body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    const void *const *states = (const void *const *)scene->states;
    gw_plan *plan = open_plan(comm, scene->spec, &scene->now);
    expect(plan && !gw_plan_load_folded(plan, states, scene->bytes, RANKS, GW_FOLD_SUM), "fold: %s",
           gw_plan_error(plan));
    if (plan)
        collect(scene->kept[1][gw_comm_rank(comm)], plan);
    gw_plan_close(plan);
}

START_TEST(algorithm_and_ranks_may_change)
{
    for (int i = 0; i < 2; i++) {
        struct kind old = { ways[i][0], 300, GW_MEAN }, now = { ways[i][1], 64, GW_MEAN };
        struct scene *scene = make_scene("ef+topk:ratio=0.05", old, now);
        run_ranks(2, fewer_body, scene);
        ck_assert_int_eq(failures(), 0);
        check_kept(scene, 2);
        forget(scene);
    }
}
END_TEST

/* ---- what does not fit together ---------------------------------------------------------------*/

static void refuse_body(gw_comm *comm, void *context)
{
    struct scene *scene = context;
    int me = gw_comm_rank(comm);
    uint8_t *state = scene->states[me];
    size_t bytes = scene->bytes[me], at = GW_STATE_HEADER, last = at, records = 0;
    gw_plan *plan = open_plan(comm, scene->spec, &scene->now);
    if (!plan)
        return;
    for (struct gw_record r; at < bytes && !gw_record_read(&r, state, bytes, &at, NULL); records++)
        if (at < bytes)
            last = at;
    gw_put_u64(state + last + 40, RUNS + 1);
    gw_state_seal(state, bytes, RANKS, me, records);
    gw_status s = gw_plan_load(plan, state, bytes);
    expect(s == GW_EMISMATCH && strstr(gw_plan_error(plan), "run"), "two runs: got %s: %s",
           gw_status_name(s), gw_plan_error(plan));
    gw_state_seal(state, last, RANKS, me, records - 1);
    s = gw_plan_load(plan, state, last);
    expect(s == GW_EMISMATCH, "a part is missing: got %s", gw_status_name(s));
    gw_plan *codec = open_plan(comm, "ef+qsgd:bits=4", &scene->now);
    const void *const *states = (const void *const *)scene->states;
    s = gw_plan_load(codec, state, last);
    expect(s == GW_EMISMATCH && strstr(gw_plan_error(codec), "codec"), "codec: got %s",
           gw_plan_error(codec));
    expect(!gw_barrier(comm), "barrier");
    scene->bytes[me] = last;
    expect(!gw_barrier(comm), "barrier");
    s = gw_plan_load_folded(codec, states, scene->bytes, RANKS, GW_FOLD_SUM);
    expect(s == GW_EMISMATCH && strstr(gw_plan_error(codec), "codec"), "folded: got %s",
           gw_plan_error(codec));
    gw_plan_close(codec);
    gw_plan_close(plan);
}

START_TEST(what_does_not_fit_is_refused)
{
    struct kind old = { "direct", 300, GW_SUM }, now = { "direct", 1024, GW_SUM };
    struct scene *scene = make_scene("ef+topk:ratio=0.05", old, now);
    run_ranks_on(2, "", RANKS, refuse_body, scene);
    ck_assert_int_eq(failures(), 0);
    forget(scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *tests = tcase_create("state");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, pieces_may_change, 0, SAME);
    tcase_add_loop_test(tests, algorithms_may_change, 0, WAYS);
    tcase_add_test(tests, memories_of_parts_are_not_taken_for_whole);
    tcase_add_test(tests, algorithm_and_ranks_may_change);
    tcase_add_test(tests, what_does_not_fit_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
