/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The executor: runs any step list. It holds the only state machine of the collectives.
 *
 * Steps that are ready wait in queues: messages and whole units for the executor alone, pieces of
 * work for whoever is free, itself or a thread of the pool. What works on data that has just come
 * goes first, because it is in cache; encoding goes in list order, so that the first message leaves
 * early. The bits do not depend on who does what when.
 *
 * A step that fails fails the run, not the list: later work is skipped, and every message still to
 * be sent carries the failure instead of a payload. So all ranks hear of it, every send still meets
 * its receive, and the next run starts clean. Only silence (a deadline) or a transport's own error
 * leaves the list half done; then the comm is broken. */
#include "collectives/gate.h"
#include "collectives/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMED_ELEMENTS = 1024, /* shorter steps take less time than looking at the clock is worth */
    SHARED_ELEMENTS = 4096 /* shorter steps are done before another thread has woken up */
};

/* ---- failures -------------------------------------------------------------------------------- */

/* Of several failures the one of the earliest step is told, as long as none has been told. */
void gw_plan_fail(struct gw_plan *plan, int i, const struct gw_error *error)
{
    char words[GW_ERROR_TEXT];
    if (plan->failure.status && (plan->abort_out || i >= plan->failed_step))
        return;
    plan->failure = *error;
    plan->failed_step = i;
    if (error->status == GW_EPEER)
        snprintf(words, sizeof words, "%s", error->text);
    else
        snprintf(words, sizeof words, "rank %d: %.*s", plan->problem.rank, GW_ERROR_TEXT - 32,
                 error->text);
    plan->abort_bytes = gw_payload_abort(plan->abort, sizeof plan->abort, error->status, words);
}

gw_status gw_plan_injected(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    if (!plan->fault || plan->committed || step->kind == GW_STEP_COMMIT)
        return GW_OK;
    gw_status s = plan->fault(plan->fault_context, step);
    return s ? gw_fail(error, s, "failure put into %s", gw_step_name(step->kind)) : GW_OK;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void enqueue(struct gw_plan *plan, int i)
{
    switch (gw_step_class(plan->list.steps[i].kind)) {
    case GW_CLASS_INPUT:
        plan->ready[plan->ready_end++] = i;
        break;
    case GW_CLASS_ARRIVED:
        plan->ready[--plan->arrived] = i;
        break;
    default:
        plan->own[plan->own_end++] = i;
        return;
    }
    if (plan->pool)
        gw_pool_offer(plan->pool, &plan->job);
}

/* A step of work that is ready, or -1. */
static int take_work(struct gw_plan *plan)
{
    if (plan->arrived < plan->list.count)
        return plan->ready[plan->arrived++];
    return plan->ready_first < plan->ready_end ? plan->ready[plan->ready_first++] : -1;
}

void gw_plan_finish(struct gw_plan *plan, int i)
{
    const struct gw_graph *g = &plan->graph;
    plan->status[i] = GW_STEP_DONE;
    plan->left--;
    for (int f = g->start[i]; f < g->start[i + 1]; f++)
        if (--plan->waits[g->follower[f]] == 0)
            enqueue(plan, g->follower[f]);
}

void gw_plan_release(struct gw_plan *plan, int i)
{
    if (i >= 0 && --plan->waits[i] == 0)
        enqueue(plan, i);
}

/* ---- one step of work ------------------------------------------------------------------------ */

static size_t elements(const struct gw_plan *plan, const struct gw_step *step)
{
    if (step->piece >= 0)
        return plan->layout.pieces[step->piece].count;
    bool everything = step->kind == GW_STEP_PREPARE || gw_step_class(step->kind) >= GW_CLASS_INPUT;
    return everything ? plan->layout.count : 0;
}

void gw_plan_account(struct gw_plan *plan, const struct gw_step *step, int64_t ns, bool own)
{
    double seconds = (double)ns * 1e-9;
    double bytes = (double)(elements(plan, step) * gw_type_bytes(plan->type));
    switch (step->kind) {
    case GW_STEP_ENCODE:
    case GW_STEP_REENCODE:
    case GW_STEP_CARRY:
        plan->stats.encoded_bytes += bytes;
        plan->stats.encode_s += seconds;
        break;
    case GW_STEP_PREPARE:
    case GW_STEP_PROPOSE:
        plan->stats.encode_s += seconds;
        break;
    case GW_STEP_DECODE:
    case GW_STEP_ADD:
    case GW_STEP_DELIVER:
        plan->stats.decoded_bytes += bytes;
        plan->stats.decode_s += seconds;
        break;
    default:
        plan->stats.decode_s += seconds;
        break;
    }
    if (own)
        plan->own_work_s += seconds;
}

/* Do step i, which is ready; the lock is let go of meanwhile. */
static void work(struct gw_plan *plan, int i, int scratch)
{
    const struct gw_step *step = &plan->list.steps[i];
    if (!plan->failure.status) {
        struct gw_error error;
        error.status = GW_OK;
        gw_status s = gw_plan_injected(plan, step, &error);
        bool timed = elements(plan, step) >= TIMED_ELEMENTS || plan->trace;
        gw_plan_unlock(plan);
        int64_t before = timed ? gw_now_ns() : 0;
        if (!s)
            s = gw_plan_work(plan, step, &plan->scratch[scratch], &error);
        int64_t after = timed ? gw_now_ns() : 0;
        gw_plan_lock(plan);
        if (timed)
            gw_plan_account(plan, step, after - before, scratch == 0);
        if (plan->trace)
            gw_trace_work(plan, i, before, after, scratch != 0);
        if (s)
            gw_plan_fail(plan, i, &error);
    }
    gw_plan_finish(plan, i);
}

bool gw_plan_pool_step(struct gw_pool_job *self)
{
    struct gw_plan *plan = (struct gw_plan *)((char *)self - offsetof(struct gw_plan, job));
    if (plan->stops || plan->busy + 1 >= plan->threads)
        return false;
    int i = take_work(plan);
    if (i < 0)
        return false;
    int scratch = plan->free_scratch[plan->busy++];
    work(plan, i, scratch);
    plan->free_scratch[--plan->busy] = scratch;
    return true;
}

/* ---- moving forward -------------------------------------------------------------------------- */

static void begin_polled(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    struct gw_error error;
    if (!plan->failure.status && gw_plan_injected(plan, step, &error))
        gw_plan_fail(plan, i, &error);
    plan->abort_out |= plan->failure.status != GW_OK;
    if (gw_plan_begin(plan, step, &error))
        gw_plan_fail(plan, i, &error);
    plan->status[i] = GW_STEP_UNDER_WAY;
    if (plan->trace)
        gw_trace_begin(plan, i);
    plan->polled[plan->polled_count++] = i;
    plan->comm->polled++;
}

/* Start what only the executor may start. */
static bool start_own(struct gw_plan *plan)
{
    bool moved = false;
    while (plan->own_first < plan->own_end) {
        int i = plan->own[plan->own_first++];
        switch (gw_step_class(plan->list.steps[i].kind)) {
        case GW_CLASS_MESSAGE:
            gw_plan_start_message(plan, i);
            break;
        case GW_CLASS_POLLED:
            begin_polled(plan, i);
            break;
        default:
            work(plan, i, 0);
            moved = true;
        }
    }
    return moved;
}

/* Look at the polled steps; a run that has failed looks at them too, since others go on. */
static bool poll_steps(struct gw_plan *plan)
{
    bool moved = false;
    for (int k = 0; k < plan->polled_count;) {
        int i = plan->polled[k];
        struct gw_error error;
        error.status = GW_OK;
        gw_status s = gw_plan_poll(plan, &plan->list.steps[i], &error);
        if (s == GW_PENDING) {
            k++;
            continue;
        }
        plan->polled[k] = plan->polled[--plan->polled_count];
        plan->comm->polled--;
        plan->comm->idle = 0;
        if (plan->trace)
            gw_trace_end(plan, i, 0);
        if (s)
            gw_plan_fail(plan, i, &error);
        gw_plan_finish(plan, i);
        moved = true;
    }
    return moved;
}

/* Work until a step was long enough for messages to have come meanwhile. */
static bool do_work(struct gw_plan *plan)
{
    bool moved = false;
    for (int i; (i = take_work(plan)) >= 0;) {
        work(plan, i, 0);
        start_own(plan);
        moved = true;
        if (elements(plan, &plan->list.steps[i]) >= SHARED_ELEMENTS)
            break;
    }
    return moved;
}

static bool move(struct gw_plan *plan)
{
    bool ever = false;
    for (bool moved = true; plan->left && moved && !gw_comm_wanted(plan->comm); ever |= moved) {
        int left = plan->left;
        moved = start_own(plan);
        moved |= poll_steps(plan);
        moved |= gw_plan_poll_messages(plan);
        moved |= do_work(plan);
        moved |= plan->left != left; /* threads of the pool */
    }
    return ever;
}

bool gw_plan_progress(struct gw_runnable *self)
{
    struct gw_plan *plan = (struct gw_plan *)self;
    if (plan->state != GW_PLAN_RUNNING)
        return false;
    gw_plan_lock(plan);
    if (plan->comm->broken.status && plan->left) {
        char words[GW_ERROR_TEXT];
        snprintf(words, sizeof words, "%s", plan->comm->broken.text);
        gw_plan_end_broken(plan, GW_EBROKEN, words);
    }
    bool moved = move(plan);
    if (moved)
        atomic_store_explicit(&plan->last_progress_ns, gw_now_ns(), memory_order_relaxed);
    if (plan->left == 0)
        gw_plan_end_run(plan);
    gw_plan_unlock(plan);
    return moved;
}

/* ---- begin and end of a run ------------------------------------------------------------------ */

void gw_plan_reset_run(struct gw_plan *plan)
{
    const struct gw_graph *g = &plan->graph;
    size_t steps = (size_t)plan->list.count;
    memcpy(plan->waits, g->waits, steps * sizeof *plan->waits);
    memcpy(plan->lanes, g->lanes, (size_t)g->lanes_count * sizeof *plan->lanes);
    memset(plan->status, GW_STEP_WAITS, steps * sizeof *plan->status);
    plan->left = plan->arrived = plan->list.count;
    plan->own_first = plan->own_end = plan->ready_first = plan->ready_end = 0;
    plan->held_first = plan->held_end = plan->sending = 0;
    plan->polled_count = plan->native_at = 0;
    plan->committed = plan->abort_out = plan->stops = false;
    gw_error_clear(&plan->failure);
    plan->own_work_s = 0;
    struct gw_stats kept = { .runs = plan->stats.runs, .failed_runs = plan->stats.failed_runs };
    plan->stats = kept;
    for (int i = 0; i < g->roots_count; i++)
        enqueue(plan, g->roots[i]);
}

/* Nobody begins a step of this run any more, and nobody is in one. */
static void stop_work(struct gw_plan *plan)
{
    plan->stops = true;
    while (plan->busy > 0)
        gw_pool_wait(plan->pool, gw_now_ns() + 1000000000);
    plan->ready_first = plan->ready_end = plan->own_first = plan->own_end = 0;
    plan->arrived = plan->list.count;
    plan->comm->polled -= plan->polled_count;
    plan->polled_count = 0;
}

void gw_plan_end_broken(struct gw_plan *plan, gw_status status, const char *words)
{
    bool touched = false;
    stop_work(plan);
    for (int i = 0; i < plan->list.count; i++) {
        if (!plan->ops[i])
            continue;
        gw_comm *comm = plan->list.steps[i].kind == GW_STEP_NATIVE ? plan->native : plan->comm;
        touched |= !gw_comm_cancel(comm, plan->ops[i]);
        plan->ops[i] = NULL;
    }
    if (touched) {
        gw_comm_keep(plan->comm, plan->arena);
        gw_comm_keep(plan->comm, plan->sum);
        plan->arena = plan->sum = NULL;
    }
    gw_comm_break(plan->comm, status, words);
    if (plan->native)
        gw_comm_break(plan->native, status, words);
    gw_fail(&plan->failure, status, "%s", words);
    plan->left = 0;
}

static void roll_back(struct gw_plan *plan)
{
    for (int t = 0; t < plan->tensors_count; t++)
        gw_codec_rollback(plan->tensors[t].codec);
    for (int i = 0; i < plan->owners_count; i++)
        if (plan->owners[i])
            gw_codec_rollback(plan->owners[i]);
    gw_gate_rollback(plan);
}

void gw_plan_end_run(struct gw_plan *plan)
{
    if (plan->pool)
        gw_pool_withdraw(plan->pool, &plan->job);
    gw_comm_remove_runnable(plan->comm, &plan->runnable);
    int64_t now = gw_now_ns();
    plan->stats.total_s = (double)(now - plan->started_ns) * 1e-9;
    if (plan->trace)
        gw_trace_run(plan, now);
    double waited = plan->stats.total_s - plan->own_work_s;
    plan->stats.wait_s = waited > 0 ? waited : 0; /* sums of roundings */
    if (!plan->failure.status) {
        plan->stats.runs++;
        if (plan->algorithm == &gw_native) /* the transport does not tell: a lower bound */
            plan->stats.sent_bytes += (uint64_t)(2.0 * (plan->problem.size - 1) /
                                                 plan->problem.size * plan->problem.raw_bytes);
    } else {
        plan->stats.failed_runs++;
        if (!plan->committed)
            roll_back(plan);
    }
    if (plan->threaded)
        gw_progress_end();
    gw_comm_announce(plan->comm, &plan->state, GW_PLAN_ENDED);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Two pieces at least, and long enough ones, are worth a second thread. */
static bool worth_sharing(const struct gw_plan *plan)
{
    int pieces = 0;
    for (int i = 0; i < plan->layout.pieces_count; i++)
        pieces += plan->layout.pieces[i].count >= SHARED_ELEMENTS;
    return pieces > 1;
}

static bool open_scratch(struct gw_scratch *scratch, size_t ranks)
{
    scratch->from = calloc(ranks, sizeof *scratch->from);
    scratch->bytes = calloc(ranks, sizeof *scratch->bytes);
    scratch->at = calloc(ranks, sizeof *scratch->at);
    return scratch->from && scratch->bytes && scratch->at;
}

static bool open_threads(struct gw_plan *plan)
{
    size_t threads = (size_t)plan->threads;
    plan->scratch = calloc(threads, sizeof *plan->scratch);
    plan->free_scratch = calloc(threads, sizeof *plan->free_scratch);
    if (!plan->scratch || !plan->free_scratch)
        return false;
    for (int t = 0; t < plan->threads; t++) {
        plan->free_scratch[t] = t + 1;
        if (!open_scratch(&plan->scratch[t], (size_t)plan->problem.size))
            return false;
    }
    return true;
}

static bool open_queues(struct gw_plan *plan)
{
    size_t steps = (size_t)plan->list.count + 1, tensors = (size_t)plan->tensors_count + 1;
    plan->ops = calloc(steps, sizeof *plan->ops);
    plan->waits = calloc(steps, sizeof *plan->waits);
    plan->own = calloc(steps, sizeof *plan->own);
    plan->held = calloc(steps, sizeof *plan->held);
    plan->ready = calloc(steps, sizeof *plan->ready);
    plan->polled = calloc(steps, sizeof *plan->polled);
    plan->lanes = calloc((size_t)plan->graph.lanes_count + 1, sizeof *plan->lanes);
    plan->status = calloc(steps, sizeof *plan->status);
    plan->in = calloc(tensors, sizeof *plan->in);
    plan->out = calloc(tensors, sizeof *plan->out);
    plan->side = calloc(plan->side_floats + 1, sizeof *plan->side);
    return plan->ops && plan->waits && plan->own && plan->held && plan->ready && plan->polled &&
           plan->lanes && plan->status && plan->in && plan->out && plan->side;
}

gw_status gw_plan_open_run(struct gw_plan *plan, struct gw_error *error)
{
    if (!worth_sharing(plan))
        plan->threads = 1;
    if (!open_queues(plan) || !open_threads(plan))
        return gw_fail(error, GW_ENOMEM, "not enough memory for a plan of %d steps",
                       plan->list.count);
    gw_status s = plan->threads > 1 ? gw_pool_join(plan->comm, plan->threads, error) : GW_OK;
    if (!s)
        plan->pool = plan->threads > 1 ? plan->comm->pool : NULL;
    if (!s && plan->threaded) {
        s = gw_progress_join(plan->comm, error);
        plan->joined = !s;
    }
    return s;
}

void gw_plan_close_run(struct gw_plan *plan)
{
    if (plan->joined)
        gw_progress_leave(plan->comm);
    if (plan->pool)
        gw_pool_leave(plan->comm);
    for (int t = 0; plan->scratch && t < plan->threads; t++) {
        free(plan->scratch[t].from);
        free(plan->scratch[t].bytes);
        free(plan->scratch[t].at);
    }
    free(plan->scratch);
    free(plan->free_scratch);
    free(plan->side);
    free(plan->in);
    free(plan->out);
    free(plan->ops);
    free(plan->lanes);
    free(plan->own);
    free(plan->held);
    free(plan->ready);
    free(plan->polled);
    free(plan->waits);
    free(plan->status);
}
