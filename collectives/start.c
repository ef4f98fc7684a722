/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Runs, as the caller sees them: start, test, wait, and the limit of every wait. */
#include "collectives/gate.h"
#include "collectives/memory.h"

#include <stdio.h>
#include <string.h>

enum { BUSY_PAUSE_NS = 20000 }; /* messages may come while threads of the pool compute */

/* ---- deadlines ------------------------------------------------------------------------------- */

static bool awaits(const struct gw_plan *plan, int i)
{
    enum gw_step_kind kind = plan->list.steps[i].kind;
    return plan->status[i] == GW_STEP_UNDER_WAY && kind == GW_STEP_RECV;
}

static int earliest_phase(const struct gw_plan *plan)
{
    int phase = INT32_MAX;
    for (int i = 0; i < plan->list.count; i++)
        if (awaits(plan, i) && plan->list.steps[i].phase < phase)
            phase = plan->list.steps[i].phase;
    return phase;
}

/* "2, 5": those that this rank waits for; peers of later phases may be held up themselves. */
static void name_silent(const struct gw_plan *plan, char *out, size_t capacity)
{
    int phase = earliest_phase(plan);
    *out = '\0';
    for (int r = 0; r < plan->problem.size; r++) {
        for (int i = 0; i < plan->list.count; i++) {
            const struct gw_step *step = &plan->list.steps[i];
            bool silent = plan->status[i] == GW_STEP_UNDER_WAY && step->kind == GW_STEP_MEET &&
                          gw_memory_waits_for(plan, r);
            silent |= plan->status[i] == GW_STEP_UNDER_WAY && step->peer == r &&
                      (phase == INT32_MAX || (awaits(plan, i) && step->phase == phase));
            if (!silent)
                continue;
            size_t used = strlen(out);
            snprintf(out + used, capacity - used, "%s%d", used ? ", " : "", r);
            break;
        }
    }
}

/* Of a wait that began at `since`: while a run makes progress it may go on. */
static int64_t deadline(const struct gw_plan *plan, int64_t since)
{
    int64_t last = atomic_load_explicit(&plan->last_progress_ns, memory_order_relaxed);
    return (since < last ? last : since) + plan->timeout_ns;
}

/* Threads that compute are no silence. */
static void check_deadline(struct gw_plan *plan, int64_t since)
{
    if (plan->state != GW_PLAN_RUNNING || gw_now_ns() < deadline(plan, since))
        return;
    gw_plan_lock(plan);
    if (plan->busy == 0) {
        char ranks[GW_ERROR_TEXT / 2], words[GW_ERROR_TEXT];
        name_silent(plan, ranks, sizeof ranks);
        snprintf(words, sizeof words, "no answer from rank %s for %.3g s", *ranks ? ranks : "(any)",
                 (double)plan->timeout_ns * 1e-9);
        gw_plan_end_broken(plan, GW_ETIMEOUT, words);
        gw_plan_end_run(plan);
    }
    gw_plan_unlock(plan);
}

/* ---- public ---------------------------------------------------------------------------------- */

static gw_status result(struct gw_plan *plan)
{
    atomic_store_explicit(&plan->state, GW_PLAN_IDLE, memory_order_relaxed);
    if (plan->failure.status)
        return gw_fail(&plan->error, plan->failure.status, "%s", plan->failure.text);
    return GW_OK;
}

static gw_status check_comm(gw_plan *plan)
{
    if (!gw_comm_is_broken(plan->comm))
        return GW_OK;
    gw_comm_enter(plan->comm);
    gw_status s = gw_comm_check(plan->comm, &plan->error);
    gw_comm_leave(plan->comm);
    return s;
}

static gw_status check_start(gw_plan *plan, const void *const *in, void *const *out)
{
    if (!in || !out)
        return gw_fail(&plan->error, GW_EINVAL, "gw_start: a buffer is NULL");
    gw_error_clear(&plan->error);
    if (gw_gate_current(plan)->state != GW_PLAN_IDLE)
        return gw_fail(&plan->error, GW_ESTATE, "a run is under way: gw_wait first");
    bool reads = plan->collective != GW_BROADCAST || plan->problem.rank == plan->root;
    for (int t = 0; t < plan->tensors_count; t++)
        if (plan->tensors[t].count > 0 && ((reads && !in[t]) || !out[t]))
            return gw_fail(&plan->error, GW_EINVAL, "gw_start: buffer of tensor '%s' is NULL",
                           plan->tensors[t].name);
    return check_comm(plan);
}

static void start(gw_plan *plan, const void *const *in, void *const *out)
{
    for (int t = 0; t < plan->tensors_count; t++) {
        plan->in[t] = in[t];
        plan->out[t] = out[t];
    }
    plan->started_ns = gw_now_ns();
    atomic_store_explicit(&plan->last_progress_ns, plan->started_ns, memory_order_relaxed);
    gw_plan_lock(plan);
    gw_plan_reset_run(plan);
    gw_plan_unlock(plan);
    atomic_store_explicit(&plan->state, GW_PLAN_RUNNING, memory_order_release);
    if (plan->threaded)
        gw_progress_begin();
    gw_comm_add_runnable(plan->comm, &plan->runnable);
    if (plan->threaded)
        return;
    gw_comm_enter(plan->comm);
    (void)gw_plan_progress(&plan->runnable);
    gw_comm_leave(plan->comm);
}

gw_status gw_start_list(gw_plan *plan, const void *const *in, void *const *out)
{
    if (!plan)
        return GW_EINVAL;
    int64_t since = gw_now_ns();
    gw_status s = check_start(plan, in, out);
    if (s)
        return s;
    start(gw_gate_next(plan), in, out);
    gw_gate_note(plan, since, GW_PENDING);
    return GW_OK;
}

gw_status gw_start(gw_plan *plan, const void *in, void *out)
{
    if (plan && plan->tensors_count != 1)
        return gw_fail(&plan->error, GW_EINVAL, "gw_start is for one tensor, this plan has %d",
                       plan->tensors_count);
    return gw_start_list(plan, &in, &out);
}

/* A gated plan makes the call that its twin's run needs. */
static gw_status speak_for(gw_plan *plan, gw_status (*call)(gw_plan *plan))
{
    int64_t since = gw_now_ns();
    gw_plan *runner = gw_gate_current(plan);
    gw_status s = call(runner);
    if (runner != plan)
        plan->error = runner->error;
    gw_gate_note(plan, since, s);
    return s;
}

/* Only the limit is looked at: what moves the run is the progress thread. */
static void look(struct gw_plan *plan, int64_t since)
{
    if (plan->state != GW_PLAN_RUNNING || gw_now_ns() < deadline(plan, since))
        return;
    gw_comm_enter(plan->comm);
    check_deadline(plan, since);
    gw_comm_leave(plan->comm);
}

static void advance(struct gw_plan *plan, int64_t since)
{
    if (plan->state != GW_PLAN_RUNNING)
        return;
    gw_comm_enter(plan->comm);
    if (!gw_comm_progress(plan->comm))
        check_deadline(plan, since);
    gw_comm_leave(plan->comm);
}

static gw_status test(gw_plan *plan)
{
    if (plan->state == GW_PLAN_IDLE)
        return gw_fail(&plan->error, GW_ESTATE, "no run is under way: gw_start first");
    if (plan->threaded)
        look(plan, plan->started_ns);
    else
        advance(plan, plan->started_ns);
    return plan->state == GW_PLAN_RUNNING ? GW_PENDING : result(plan);
}

gw_status gw_test(gw_plan *plan)
{
    return plan ? speak_for(plan, test) : GW_EINVAL;
}

/* Of a run that the progress thread moves. */
static void wait_for_thread(struct gw_plan *plan, int64_t entered)
{
    while (plan->state == GW_PLAN_RUNNING &&
           !gw_comm_await(plan->comm, &plan->state, GW_PLAN_RUNNING, deadline(plan, entered)))
        look(plan, entered);
}

/* Of a run that the caller moves. */
static void wait_for_run(struct gw_plan *plan, int64_t entered)
{
    gw_comm_enter(plan->comm);
    while (plan->state == GW_PLAN_RUNNING) {
        struct gw_pool *pool = plan->comm->pool;
        uint64_t steps = gw_pool_steps(pool);
        if (gw_comm_progress(plan->comm))
            continue;
        check_deadline(plan, entered);
        if (plan->state == GW_PLAN_RUNNING &&
            !gw_pool_rest(pool, steps, gw_now_ns() + BUSY_PAUSE_NS))
            gw_comm_pause(plan->comm, gw_now_ns() + plan->timeout_ns);
    }
    gw_comm_leave(plan->comm);
}

static gw_status wait(gw_plan *plan)
{
    if (plan->state == GW_PLAN_IDLE)
        return gw_fail(&plan->error, GW_ESTATE, "no run is under way: gw_start first");
    if (plan->state == GW_PLAN_RUNNING)
        (plan->threaded ? wait_for_thread : wait_for_run)(plan, gw_now_ns());
    return result(plan);
}

gw_status gw_wait(gw_plan *plan)
{
    return plan ? speak_for(plan, wait) : GW_EINVAL;
}

void gw_plan_give_up(struct gw_plan *plan)
{
    if (plan->state != GW_PLAN_RUNNING)
        return;
    gw_plan_lock(plan);
    gw_plan_end_broken(plan, GW_EBROKEN, "a plan was closed during its run");
    gw_plan_end_run(plan);
    gw_plan_unlock(plan);
}
