/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The executor: runs any step list. It holds the only state machine of the collectives.
 *
 * A step that fails fails the run, not the list: later work is skipped, and every message still to
 * be sent carries the failure instead of a payload. So all ranks hear of it, every send still meets
 * its receive, and the next run starts clean. Only silence (a deadline) or a transport's own error
 * leaves the list half done; then the comm is broken. */
#include "collectives/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail_run(struct gw_plan *plan, const struct gw_error *error)
{
    char words[GW_ERROR_TEXT];
    if (plan->failure.status)
        return;
    plan->failure = *error;
    if (error->status == GW_EPEER)
        snprintf(words, sizeof words, "%s", error->text);
    else
        snprintf(words, sizeof words, "rank %d: %.*s", plan->problem.rank, GW_ERROR_TEXT - 32,
                 error->text);
    plan->abort_bytes = gw_payload_abort(plan->abort, sizeof plan->abort, error->status, words);
}

static void finish(struct gw_plan *plan, int i)
{
    const struct gw_graph *g = &plan->graph;
    plan->status[i] = GW_STEP_DONE;
    plan->left--;
    plan->last_progress_ns = gw_now_ns();
    for (int f = g->start[i]; f < g->start[i + 1]; f++)
        plan->waits[g->follower[f]]--;
}

/* The run cannot be completed: nothing more comes over this comm. */
static void end_broken(struct gw_plan *plan, gw_status status, const char *words)
{
    bool touched = false;
    for (int i = 0; i < plan->list.count; i++) {
        bool meets = plan->list.steps[i].kind == GW_STEP_MEET;
        plan->comm->polled -= meets && plan->status[i] == GW_STEP_UNDER_WAY;
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

static void end_run(struct gw_plan *plan)
{
    gw_comm_remove_runnable(plan->comm, &plan->runnable);
    plan->state = GW_PLAN_ENDED;
    plan->stats.total_s = (double)(gw_now_ns() - plan->started_ns) * 1e-9;
    if (!plan->failure.status) {
        plan->stats.runs++;
        if (plan->algorithm == &gw_native) /* the transport does not tell: a lower bound */
            plan->stats.sent_bytes += (uint64_t)(2.0 * (plan->problem.size - 1) /
                                                 plan->problem.size * plan->problem.raw_bytes);
        return;
    }
    plan->stats.failed_runs++;
    if (plan->committed)
        return;
    for (int t = 0; t < plan->tensors_count; t++)
        gw_codec_rollback(plan->tensors[t].codec);
    for (int i = 0; i < plan->layout.segments_count; i++)
        if (plan->owners[i])
            gw_codec_rollback(plan->owners[i]);
}

static gw_status injected(struct gw_plan *plan, const struct gw_step *step, struct gw_error *error)
{
    if (!plan->fault || plan->committed || step->kind == GW_STEP_COMMIT)
        return GW_OK;
    gw_status s = plan->fault(plan->fault_context, step);
    return s ? gw_fail(error, s, "failure put into %s", gw_step_name(step->kind)) : GW_OK;
}

static gw_status hand_over(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    if (step->kind == GW_STEP_NATIVE) {
        const struct gw_segment *segment = &plan->layout.segments[plan->native_at];
        const struct gw_piece *piece = &plan->layout.pieces[step->piece];
        gw_operation sums = plan->operation == GW_MEAN ? GW_SUM : plan->operation;
        return plan->native->row->native(plan->native, gw_plan_input(plan, segment),
                                         gw_plan_sum(plan, piece, segment), segment->count,
                                         plan->type, sums, &plan->ops[i]);
    }
    struct gw_plan_slot *slot = &plan->slots[step->slot];
    uint8_t *message = plan->arena + slot->offset;
    if (step->kind == GW_STEP_RECV)
        return gw_comm_recv(plan->comm, step->peer, plan->channel, message, slot->capacity,
                            &plan->ops[i]);
    size_t bytes = slot->length;
    if (plan->failure.status) {
        message = plan->abort;
        bytes = plan->abort_bytes;
    }
    plan->stats.sent_bytes += bytes;
    return gw_comm_send(plan->comm, step->peer, plan->channel, message, bytes, &plan->ops[i]);
}

static void start_message(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    struct gw_error error = { 0 };
    if (step->kind == GW_STEP_NATIVE &&
        (plan->failure.status || plan->layout.segments_count == 0)) {
        finish(plan, i);
        return;
    }
    bool tells = step->kind == GW_STEP_SEND || step->kind == GW_STEP_MEET;
    if (tells && !plan->failure.status && injected(plan, step, &error))
        fail_run(plan, &error);
    if (step->kind == GW_STEP_MEET) {
        gw_memory_raise(plan);
        plan->status[i] = GW_STEP_UNDER_WAY;
        plan->comm->polled++;
        return;
    }
    gw_status s = hand_over(plan, i);
    if (s) {
        char words[GW_ERROR_TEXT];
        snprintf(words, sizeof words, "%s to or from rank %d: %s", gw_step_name(step->kind),
                 step->peer, gw_status_text(s));
        end_broken(plan, GW_ETRANSPORT, words);
        return;
    }
    plan->status[i] = GW_STEP_UNDER_WAY;
    if (plan->graph.next_send[i] >= 0)
        plan->waits[plan->graph.next_send[i]]--;
}

static void account(struct gw_plan *plan, enum gw_step_kind kind, int64_t ns)
{
    bool encodes = kind == GW_STEP_PREPARE || kind == GW_STEP_PROPOSE || kind == GW_STEP_ENCODE ||
                   kind == GW_STEP_REENCODE;
    *(encodes ? &plan->stats.encode_s : &plan->stats.decode_s) += (double)ns * 1e-9;
}

static void work(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    struct gw_error error = { 0 };
    if (!plan->failure.status) {
        int64_t before = gw_now_ns();
        gw_status s = injected(plan, step, &error);
        if (!s)
            s = gw_plan_work(plan, step, &error);
        if (s)
            fail_run(plan, &error);
        account(plan, step->kind, gw_now_ns() - before);
    }
    finish(plan, i);
}

static bool is_message(enum gw_step_kind kind)
{
    return kind == GW_STEP_SEND || kind == GW_STEP_RECV || kind == GW_STEP_NATIVE ||
           kind == GW_STEP_MEET;
}

/* A message has arrived, or has been taken. */
static void complete(struct gw_plan *plan, int i, size_t bytes, gw_status status)
{
    const struct gw_step *step = &plan->list.steps[i];
    struct gw_error error = { 0 };
    plan->ops[i] = NULL;
    if (step->kind == GW_STEP_NATIVE && ++plan->native_at < plan->layout.segments_count) {
        start_message(plan, i);
        return;
    }
    if (step->kind == GW_STEP_RECV) {
        int64_t before = gw_now_ns();
        gw_status s = plan->failure.status ? GW_OK : injected(plan, step, &error);
        plan->stats.received_bytes += bytes;
        if (!s && status == GW_ECAPACITY)
            s = gw_fail(&error, GW_EPAYLOAD, "from rank %d: a message longer than %zu bytes",
                        step->peer, plan->slots[step->slot].capacity);
        else if (!s)
            s = gw_plan_accept(plan, step, bytes, &error);
        if (s)
            fail_run(plan, &error);
        account(plan, step->kind, gw_now_ns() - before);
    }
    finish(plan, i);
}

/* True if all ranks of the node have met. */
static bool poll_meeting(struct gw_plan *plan, int i)
{
    struct gw_error error = { 0 };
    gw_status s = gw_memory_look(plan, &error);
    if (s == GW_PENDING)
        return false;
    if (s)
        fail_run(plan, &error);
    plan->comm->polled--;
    plan->comm->idle = 0;
    finish(plan, i);
    return true;
}

static bool poll_messages(struct gw_plan *plan)
{
    bool moved = false;
    for (int i = plan->first_left; plan->left && i < plan->list.count; i++) {
        if (plan->status[i] != GW_STEP_UNDER_WAY)
            continue;
        if (plan->list.steps[i].kind == GW_STEP_MEET) {
            moved |= poll_meeting(plan, i);
            continue;
        }
        size_t bytes = 0;
        gw_comm *comm = plan->list.steps[i].kind == GW_STEP_NATIVE ? plan->native : plan->comm;
        gw_status s = gw_comm_test(comm, plan->ops[i], &bytes);
        if (s == GW_PENDING)
            continue;
        if (s && s != GW_ECAPACITY) {
            char words[GW_ERROR_TEXT];
            snprintf(words, sizeof words, "%s with rank %d: %s",
                     gw_step_name(plan->list.steps[i].kind), plan->list.steps[i].peer,
                     gw_status_text(s));
            plan->ops[i] = NULL;
            end_broken(plan, GW_ETRANSPORT, words);
            return true;
        }
        complete(plan, i, bytes, s);
        moved = true;
    }
    return moved;
}

static bool start_ready(struct gw_plan *plan)
{
    bool moved = false;
    for (int i = plan->first_left; plan->left && i < plan->list.count; i++) {
        if (plan->status[i] != GW_STEP_WAITS || plan->waits[i] > 0)
            continue;
        if (is_message(plan->list.steps[i].kind)) {
            start_message(plan, i);
        } else {
            work(plan, i);
            moved = true;
        }
    }
    while (plan->first_left < plan->list.count && plan->status[plan->first_left] == GW_STEP_DONE)
        plan->first_left++;
    return moved;
}

void gw_plan_progress(struct gw_runnable *self)
{
    struct gw_plan *plan = (struct gw_plan *)self;
    if (plan->state != GW_PLAN_RUNNING)
        return;
    if (plan->comm->broken.status && plan->left) {
        char words[GW_ERROR_TEXT];
        snprintf(words, sizeof words, "%s", plan->comm->broken.text);
        end_broken(plan, GW_EBROKEN, words);
    }
    for (bool moved = true; plan->left && moved;) {
        moved = start_ready(plan);
        moved |= poll_messages(plan);
    }
    if (plan->left == 0)
        end_run(plan);
}

/* ---- deadlines --------------------------------------------------------------------------------*/

static int earliest_phase(const struct gw_plan *plan)
{
    int phase = INT32_MAX;
    for (int i = 0; i < plan->list.count; i++)
        if (plan->status[i] == GW_STEP_UNDER_WAY && plan->list.steps[i].kind == GW_STEP_RECV &&
            plan->list.steps[i].phase < phase)
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
                      (phase == INT32_MAX || (step->kind == GW_STEP_RECV && step->phase == phase));
            if (!silent)
                continue;
            size_t used = strlen(out);
            snprintf(out + used, capacity - used, "%s%d", used ? ", " : "", r);
            break;
        }
    }
}

static void check_deadline(struct gw_plan *plan, int64_t since)
{
    int64_t now = gw_now_ns();
    if (since < plan->last_progress_ns)
        since = plan->last_progress_ns;
    if (plan->state != GW_PLAN_RUNNING || now - since < plan->timeout_ns)
        return;
    char ranks[GW_ERROR_TEXT / 2], words[GW_ERROR_TEXT];
    name_silent(plan, ranks, sizeof ranks);
    snprintf(words, sizeof words, "no answer from rank %s for %.3g s", *ranks ? ranks : "(any)",
             (double)plan->timeout_ns * 1e-9);
    end_broken(plan, GW_ETIMEOUT, words);
    end_run(plan);
}

/* ---- public -----------------------------------------------------------------------------------*/

static gw_status result(struct gw_plan *plan)
{
    plan->state = GW_PLAN_IDLE;
    plan->stats.wait_s = plan->stats.total_s - plan->stats.encode_s - plan->stats.decode_s;
    if (plan->failure.status)
        return gw_fail(&plan->error, plan->failure.status, "%s", plan->failure.text);
    return GW_OK;
}

gw_status gw_start_list(gw_plan *plan, const void *const *in, void *const *out)
{
    if (!plan || !in || !out)
        return plan ? gw_fail(&plan->error, GW_EINVAL, "gw_start: a buffer is NULL") : GW_EINVAL;
    gw_error_clear(&plan->error);
    if (plan->state != GW_PLAN_IDLE)
        return gw_fail(&plan->error, GW_ESTATE, "a run is under way: gw_wait first");
    gw_status s = gw_comm_check(plan->comm, &plan->error);
    if (s)
        return s;
    bool reads = plan->collective != GW_BROADCAST || plan->problem.rank == plan->root;
    for (int t = 0; t < plan->tensors_count; t++) {
        if (plan->tensors[t].count > 0 && ((reads && !in[t]) || !out[t]))
            return gw_fail(&plan->error, GW_EINVAL, "gw_start: buffer of tensor '%s' is NULL",
                           plan->tensors[t].name);
        plan->in[t] = in[t];
        plan->out[t] = out[t];
    }
    size_t steps = (size_t)plan->list.count;
    memcpy(plan->waits, plan->graph.waits, steps * sizeof *plan->waits);
    memset(plan->status, GW_STEP_WAITS, steps * sizeof *plan->status);
    plan->left = plan->list.count;
    plan->first_left = plan->native_at = 0;
    plan->committed = false;
    gw_error_clear(&plan->failure);
    struct gw_stats kept = { .runs = plan->stats.runs, .failed_runs = plan->stats.failed_runs };
    plan->stats = kept;
    plan->started_ns = plan->last_progress_ns = gw_now_ns();
    plan->state = GW_PLAN_RUNNING;
    gw_comm_add_runnable(plan->comm, &plan->runnable);
    gw_plan_progress(&plan->runnable);
    return GW_OK;
}

gw_status gw_start(gw_plan *plan, const void *in, void *out)
{
    if (plan && plan->tensors_count != 1)
        return gw_fail(&plan->error, GW_EINVAL, "gw_start is for one tensor, this plan has %d",
                       plan->tensors_count);
    return gw_start_list(plan, &in, &out);
}

gw_status gw_test(gw_plan *plan)
{
    if (!plan)
        return GW_EINVAL;
    if (plan->state == GW_PLAN_IDLE)
        return gw_fail(&plan->error, GW_ESTATE, "no run is under way: gw_start first");
    gw_comm_progress(plan->comm);
    check_deadline(plan, plan->last_progress_ns);
    return plan->state == GW_PLAN_RUNNING ? GW_PENDING : result(plan);
}

gw_status gw_wait(gw_plan *plan)
{
    if (!plan)
        return GW_EINVAL;
    if (plan->state == GW_PLAN_IDLE)
        return gw_fail(&plan->error, GW_ESTATE, "no run is under way: gw_start first");
    int64_t entered = gw_now_ns();
    for (;;) {
        int64_t before = plan->last_progress_ns;
        gw_comm_progress(plan->comm);
        check_deadline(plan, entered);
        if (plan->state != GW_PLAN_RUNNING)
            return result(plan);
        if (plan->last_progress_ns == before)
            gw_comm_pause(plan->comm, gw_now_ns() + plan->timeout_ns);
    }
}

void gw_plan_give_up(struct gw_plan *plan)
{
    if (plan->state != GW_PLAN_RUNNING)
        return;
    end_broken(plan, GW_EBROKEN, "a plan was closed during its run");
    end_run(plan);
}
