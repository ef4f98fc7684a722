/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Traces: valid JSON of all ranks with a span for every step of every run, rows without overlaps,
 * what was sent is what came, clocks that agree, and something to read even of a broken comm.
 * Repeat one failure with CK_RUN_CASE=trace tests/test_trace. */
#include "collectives/plan.h"
#include "collectives/trace_file.h"
#include "tests/ranks.h"

#include <check.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RANKS_MOST = 4 };

static char folder[] = "trace-XXXXXX", prefix[64];

static void setup(void)
{
    strcpy(folder, "trace-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(prefix, sizeof prefix, "%s/t", folder);
    setenv("GRADWIRE_TRACE", prefix, 1);
}

static int files_there(void)
{
    char pattern[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    int n = glob(pattern, 0, NULL, &found) ? 0 : (int)found.gl_pathc;
    globfree(&found);
    return n;
}

static void teardown(void)
{
    char pattern[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlink(found.gl_pathv[i]);
    globfree(&found);
    rmdir(folder);
    unsetenv("GRADWIRE_TRACE");
    unsetenv("GRADWIRE_THREADS");
}

static json_t *load(const char *suffix)
{
    char path[96];
    json_error_t error;
    snprintf(path, sizeof path, "%s%s.json", prefix, suffix);
    json_t *trace = json_load_file(path, 0, &error);
    ck_assert_msg(trace != NULL, "%s, line %d: %s", path, error.line, error.text);
    return trace;
}

/* ---- runs to look at ------------------------------------------------------------------------- */

struct job {
    const char *spec, *algorithm, *name;
    int ranks, runs, plans;
    size_t count, piece;
    int kinds[RANKS_MOST][GW_STEP_KIND_COUNT]; /* steps that must have spans */
};

static void run_job(gw_comm *comm, void *context)
{
    struct job *job = context;
    int rank = gw_comm_rank(comm);
    float *x = malloc(job->count * sizeof *x);
    const gw_options options = { .codec = job->spec,
                                 .algorithm = job->algorithm,
                                 .name = job->name,
                                 .piece_count = job->piece };
    if (!x) {
        expect(0, "out of memory");
        return;
    }
    fill_input(x, job->count, rank);
    for (int p = 0; p < job->plans; p++) {
        gw_plan *plan = NULL;
        gw_status s = gw_plan_allreduce(&plan, comm, job->count, GW_F32, GW_MEAN, &options);
        if (!expect(s == GW_OK, "plan: %s", gw_comm_error(comm)))
            break;
        for (int i = 0; i < job->runs && !s; i++) {
            s = gw_start(plan, x, x);
            s = s ? s : gw_wait(plan);
            expect(s == GW_OK, "run %d: %s", i, gw_plan_error(plan));
        }
        for (int i = 0; i < plan->list.count; i++)
            job->kinds[rank][plan->list.steps[i].kind] += job->runs;
        gw_plan_close(plan);
    }
    free(x);
}

static int kind_of(const char *name)
{
    for (int k = 0; k < GW_STEP_KIND_COUNT; k++)
        if (strcmp(name, gw_step_name((enum gw_step_kind)k)) == 0)
            return k;
    return -1;
}

static double number(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    ck_assert_msg(json_is_number(value), "an event has no number %s", key);
    return json_number_value(value);
}

static int is_span(const json_t *event)
{
    return strcmp(json_string_value(json_object_get(event, "ph")), "X") == 0;
}

/* ---- what must hold of any trace ------------------------------------------------------------- */

static void every_step_has_a_span(const json_t *events, const struct job *job)
{
    int found[RANKS_MOST][GW_STEP_KIND_COUNT] = { { 0 } };
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        const char *name = json_string_value(json_object_get(event, "name"));
        int rank = (int)number(event, "pid"), kind = kind_of(name);
        ck_assert(rank >= 0 && rank < job->ranks);
        if (is_span(event) && kind >= 0)
            found[rank][kind]++;
    }
    for (int r = 0; r < job->ranks; r++)
        for (int k = 0; k < GW_STEP_KIND_COUNT; k++)
            ck_assert_msg(found[r][k] == job->kinds[r][k], "rank %d: %d spans of %s, expected %d",
                          r, found[r][k], gw_step_name((enum gw_step_kind)k), job->kinds[r][k]);
}

struct times {
    double start, end;
    int rank, row;
};

static int by_row(const void *a, const void *b)
{
    const struct times *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank - y->rank;
    if (x->row != y->row)
        return x->row - y->row;
    return (x->start > y->start) - (x->start < y->start);
}

static void rows_do_not_overlap(const json_t *events)
{
    size_t count = 0, i;
    json_t *event;
    struct times *all = malloc((json_array_size(events) + 1) * sizeof *all);
    ck_assert_ptr_nonnull(all);
    json_array_foreach(events, i, event)
    {
        if (!is_span(event))
            continue;
        double start = number(event, "ts"), duration = number(event, "dur");
        ck_assert_msg(duration >= 0, "a span of %g us", duration);
        all[count++] = (struct times){ start, start + duration, (int)number(event, "pid"),
                                       (int)number(event, "tid") };
    }
    qsort(all, count, sizeof *all, by_row);
    for (i = 1; i < count; i++) {
        const struct times *a = &all[i - 1], *b = &all[i];
        ck_assert_msg(a->rank != b->rank || a->row != b->row || b->start > a->end - 0.0015,
                      "rank %d, row %d: a span from %.3f, one before it ends at %.3f", a->rank,
                      a->row, b->start, a->end);
    }
    free(all);
}

struct wire {
    double bytes;
    int messages;
    double first; /* us: sends begin, receives end */
};

/* Peers, bytes; and nothing comes before it was sent. */
static void messages_match(const json_t *events, const struct job *job)
{
    struct wire sent[RANKS_MOST][RANKS_MOST] = { { { 0 } } },
                came[RANKS_MOST][RANKS_MOST] = { { { 0 } } };
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        const char *name = json_string_value(json_object_get(event, "name"));
        int out = strcmp(name, "SEND") == 0;
        if (!is_span(event) || (!out && strcmp(name, "RECV") != 0))
            continue;
        const json_t *args = json_object_get(event, "args");
        int rank = (int)number(event, "pid"), peer = (int)number(args, "peer");
        ck_assert_msg(peer >= 0 && peer < job->ranks && peer != rank, "rank %d, %s: peer %d", rank,
                      name, peer);
        double when = number(event, "ts") + (out ? 0 : number(event, "dur"));
        struct wire *wire = out ? &sent[rank][peer] : &came[peer][rank];
        wire->first = wire->messages && wire->first < when ? wire->first : when;
        wire->messages++;
        wire->bytes += number(args, "bytes");
        ck_assert(number(args, "bytes") > 0);
        ck_assert(json_is_string(json_object_get(args, "tensor")));
    }
    for (int a = 0; a < job->ranks; a++)
        for (int b = 0; b < job->ranks; b++) {
            const struct wire *s = &sent[a][b], *c = &came[a][b];
            ck_assert_msg(s->messages == c->messages && s->bytes == c->bytes,
                          "%d to %d: %d messages of %.0f bytes sent, %d of %.0f came", a, b,
                          s->messages, s->bytes, c->messages, c->bytes);
            ck_assert_msg(!s->messages || c->first > s->first - 0.0015,
                          "%d to %d: the first message left at %.3f, came at %.3f", a, b, s->first,
                          c->first);
        }
}

static struct job jobs[] = {
    { .spec = "raw", .algorithm = "ring", .ranks = 3, .count = 5000 },
    { .spec = "raw", .algorithm = "doubling", .ranks = 4, .count = 900 },
    { .spec = "ef+qsgd:bits=4", .algorithm = "direct", .ranks = 4, .count = 70000, .piece = 4096 },
    { .spec = "int", .algorithm = "linear", .ranks = 2, .count = 3000 },
    { .spec = "topk", .algorithm = "gather", .ranks = 3, .count = 40000, .piece = 10000 },
    { .spec = "raw", .algorithm = "shared", .ranks = 2, .count = 20000 },
};

enum { JOBS = sizeof jobs / sizeof jobs[0] };

START_TEST(all_of_it)
{
    struct job *job = &jobs[_i % JOBS];
    setenv("GRADWIRE_THREADS", _i < JOBS ? "1" : "3", 1);
    job->runs = 3;
    job->plans = 2;
    job->name = "layer \"1\\w\"\n\xc3\xa9";
    run_ranks(job->ranks, run_job, job);
    ck_assert_int_eq(failures(), 0);
    json_t *trace = load("");
    const json_t *events = json_object_get(trace, "traceEvents");
    ck_assert(json_array_size(events) > 0);
    ck_assert_ptr_null(json_object_get(json_object_get(trace, "otherData"), "incomplete"));
    every_step_has_a_span(events, job);
    rows_do_not_overlap(events);
    messages_match(events, job);
    ck_assert_int_eq(files_there(), 1);
    json_decref(trace);
}
END_TEST

/* ---- off, full, broken, not to be written ---------------------------------------------------- */

START_TEST(off)
{
    struct job job = { .spec = "raw", .ranks = 2, .runs = 1, .plans = 1, .count = 100 };
    unsetenv("GRADWIRE_TRACE");
    run_ranks(2, run_job, &job);
    ck_assert_int_eq(failures(), 0);
    ck_assert_int_eq(files_there(), 0);
}
END_TEST

START_TEST(full)
{
    struct job job = { .spec = "raw", .algorithm = "doubling", .ranks = 2, .plans = 2 };
    job.count = 8;
    job.runs = 6000;
    run_ranks(2, run_job, &job);
    ck_assert_int_eq(failures(), 0);
    json_t *trace = load("");
    size_t i;
    int labels = 0;
    json_t *event;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, event)
    {
        const char *name = json_string_value(json_object_get(event, "name"));
        labels += strcmp(name, "process_labels") == 0;
    }
    ck_assert_msg(labels == 2, "%d ranks say that their trace is full, expected 2", labels);
    json_decref(trace);
}
END_TEST

static void run_and_break(gw_comm *comm, void *context)
{
    run_job(comm, context);
    (void)gw_comm_break(comm, GW_ETIMEOUT, "the test \"broke\" it");
}

START_TEST(broken)
{
    struct job job = { .spec = "raw", .ranks = 3, .runs = 1, .plans = 1, .count = 100 };
    run_ranks(3, run_and_break, &job);
    ck_assert_int_eq(failures(), 0);
    ck_assert_int_eq(files_there(), 3);
    for (int r = 0; r < 3; r++) {
        static const char *const suffixes[] = { "", ".1", ".2" };
        json_t *trace = load(suffixes[r]);
        const json_t *other = json_object_get(trace, "otherData");
        const char *why = json_string_value(json_object_get(other, "incomplete"));
        ck_assert_msg(why && strstr(why, "the test"), "rank %d: incomplete because '%s'", r,
                      why ? why : "(none)");
        const json_t *events = json_object_get(trace, "traceEvents");
        rows_do_not_overlap(events);
        ck_assert_int_eq((int)number(json_array_get(events, 0), "pid"), r);
        json_decref(trace);
    }
}
END_TEST

static void expect_no_plan(gw_comm *comm, void *context)
{
    gw_plan *plan = context;
    gw_status s = gw_plan_allreduce(&plan, comm, 10, GW_F32, GW_SUM, NULL);
    expect(s == (gw_comm_rank(comm) ? GW_EPEER : GW_EIO) &&
               strstr(gw_comm_error(comm), "/nowhere.json"),
           "%s: %s", gw_status_name(s), gw_comm_error(comm));
}

START_TEST(not_to_be_written)
{
    setenv("GRADWIRE_TRACE", "no such folder/nowhere", 1);
    run_ranks(2, expect_no_plan, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

static void run_in_halves(gw_comm *comm, void *context)
{
    gw_comm *half = NULL;
    gw_status s = gw_comm_split(&half, comm, gw_comm_rank(comm) % 2, 0);
    if (!expect(s == GW_OK, "split: %s", gw_comm_error(comm)))
        return;
    struct job job = *(struct job *)context;
    run_job(half, &job);
    gw_comm_close(half);
}

START_TEST(of_splits)
{
    struct job job = { .spec = "raw", .ranks = 4, .runs = 1, .plans = 1, .count = 100 };
    run_ranks(4, run_in_halves, &job);
    ck_assert_int_eq(failures(), 0);
    ck_assert_int_eq(files_there(), 2);
    json_decref(load("-0.0"));
    json_decref(load("-0.1"));
}
END_TEST

/* ---- clocks ---------------------------------------------------------------------------------- */

/* A clock that is 5 s behind and gains 100 us in the 10 s between the two looks at it. */
START_TEST(clocks)
{
    char *tensors[] = { "all" };
    const struct gw_trace_label label = { .title = "t", .tensors = tensors, .tensors_count = 1 };
    const struct gw_trace_clock clock = {
        .at_ns = { 1000000000, 11000000000 },
        .offset_ns = { 5000000000, 4999900000 },
        .base_ns = 6000000000,
    };
    static const int64_t at[] = { 1000000000, 6000000000, 11000000000 };
    static const double expected[] = { 0, 4999950, 9999900 };
    struct gw_trace_span spans[3];
    for (int i = 0; i < 3; i++)
        spans[i] = (struct gw_trace_span){
            .start_ns = at[i], .end_ns = at[i] + 1234, .label = &label, .piece = -1, .peer = -1
        };
    char *text = gw_trace_events(spans, 3, 0, 2, 0, &clock);
    ck_assert_ptr_nonnull(text);
    char path[96];
    snprintf(path, sizeof path, "%s.json", prefix);
    FILE *file = fopen(path, "w");
    ck_assert(file && gw_trace_write(file, &text, 1, NULL) == GW_OK && fclose(file) == 0);
    json_t *trace = load("");
    size_t i;
    int found = 0;
    json_t *event;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, event)
    {
        if (!is_span(event))
            continue;
        ck_assert_msg(found < 3, "a fourth span");
        double ts = number(event, "ts"), duration = number(event, "dur");
        ck_assert_msg(ts > expected[found] - 0.002 && ts < expected[found] + 0.002,
                      "span %d starts at %.3f us, expected %.3f", found, ts, expected[found]);
        ck_assert(duration > 1.2 && duration < 1.25);
        found++;
    }
    ck_assert_int_eq(found, 3);
    json_decref(trace);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tcase = tcase_create("trace");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, all_of_it, 0, 2 * JOBS);
    tcase_add_test(tcase, off);
    tcase_add_test(tcase, full);
    tcase_add_test(tcase, broken);
    tcase_add_test(tcase, not_to_be_written);
    tcase_add_test(tcase, of_splits);
    tcase_add_test(tcase, clocks);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
