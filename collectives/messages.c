/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Steps that the transport does. Messages of one peer and direction arrive in the order they were
 * started in, so of each such chain only the first that is under way is tested.
 *
 * Over a network only as many payloads are under way as there are peers; the others are held in the
 * order that they became ready in. A rank that hands everything over at once has its bytes to all
 * peers mixed by the transport, and many then crowd into the link of one receiver while others
 * wait. */
#include "collectives/plan.h"
#include "collectives/trace.h"

#include <stdio.h>

enum {
    TIMED_BYTES = 4096, /* shorter ones take less time than looking at the clock is worth */
    SENDS_LEAST = 2     /* under way: one travels while the next is arranged */
};

/* Is step i one of those that go a few at a time? */
static bool is_paced(const struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    return step->kind == GW_STEP_SEND && plan->list.slots[step->slot].piece >= 0 &&
           plan->comm->nodes[step->peer] != plan->comm->nodes[plan->comm->rank];
}

static bool may_start(struct gw_plan *plan, int i)
{
    if (!is_paced(plan, i))
        return true;
    if (plan->sending >= plan->problem.size - 1 && plan->sending >= SENDS_LEAST) {
        plan->held[plan->held_end++] = i;
        return false;
    }
    plan->sending++;
    return true;
}

static gw_status start_native(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    const struct gw_segment *segment = &plan->layout.segments[plan->native_at];
    const struct gw_piece *piece = &plan->layout.pieces[step->piece];
    gw_operation sums = plan->operation == GW_MEAN ? GW_SUM : plan->operation;
    /* What was refused has no codec's input; nobody will look at the sum then. */
    const uint8_t *raw = plan->in[segment->tensor];
    const void *from = plan->failure.status ? raw + segment->first * gw_type_bytes(plan->type)
                                            : gw_plan_input(plan, segment);
    return plan->native->row->native(plan->native, from, gw_plan_sum(plan, piece, segment),
                                     segment->count, plan->type, sums, &plan->ops[i]);
}

static gw_status send(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    const struct gw_plan_slot *slot = &plan->slots[step->slot];
    const uint8_t *message = plan->arena + slot->offset;
    size_t bytes = slot->length;
    if (plan->failure.status) {
        message = plan->abort;
        bytes = plan->abort_bytes;
        plan->abort_out = true;
    }
    plan->stats.sent_bytes += bytes;
    gw_plan_unlock(plan);
    gw_status s =
        gw_comm_send(plan->comm, step->peer, plan->channel, message, bytes, &plan->ops[i]);
    gw_plan_lock(plan);
    return s;
}

static gw_status receive(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    const struct gw_plan_slot *slot = &plan->slots[step->slot];
    return gw_comm_recv(plan->comm, step->peer, plan->channel, plan->arena + slot->offset,
                        slot->capacity, &plan->ops[i]);
}

static gw_status hand_over(struct gw_plan *plan, int i)
{
    switch (plan->list.steps[i].kind) {
    case GW_STEP_NATIVE:
        return start_native(plan, i);
    case GW_STEP_SEND:
        return send(plan, i);
    default:
        return receive(plan, i);
    }
}

static void fail_transport(struct gw_plan *plan, int i, gw_status status)
{
    const struct gw_step *step = &plan->list.steps[i];
    char words[GW_ERROR_TEXT];
    snprintf(words, sizeof words, "%s to or from rank %d: %s", gw_step_name(step->kind), step->peer,
             gw_status_text(status));
    gw_plan_end_broken(plan, GW_ETRANSPORT, words);
}

/* Step i, the first of its chain, is done: the next one is now. */
static void done(struct gw_plan *plan, int lane, int i)
{
    bool paced = is_paced(plan, i);
    plan->lanes[lane] = plan->graph.next_send[i];
    gw_plan_finish(plan, i);
    plan->sending -= paced;
    if (paced && plan->held_first < plan->held_end)
        gw_plan_start_message(plan, plan->held[plan->held_first++]);
}

void gw_plan_start_message(struct gw_plan *plan, int i)
{
    const struct gw_step *step = &plan->list.steps[i];
    if (!may_start(plan, i))
        return;
    if (step->kind == GW_STEP_SEND && !plan->failure.status) {
        struct gw_error error;
        error.status = GW_OK;
        if (gw_plan_injected(plan, step, &error))
            gw_plan_fail(plan, i, &error);
    }
    plan->status[i] = GW_STEP_UNDER_WAY;
    if (plan->trace)
        gw_trace_begin(plan, i);
    bool nothing = step->kind == GW_STEP_NATIVE && plan->layout.segments_count == 0;
    gw_status s = nothing ? GW_OK : hand_over(plan, i);
    if (s)
        fail_transport(plan, i, s);
    else
        gw_plan_release(plan, plan->graph.next_send[i]);
}

/* A message has come: look at it, without the lock. */
static gw_status look_at(struct gw_plan *plan, const struct gw_step *step, size_t bytes,
                         gw_status status, struct gw_error *error)
{
    if (status == GW_ECAPACITY)
        return gw_fail(error, GW_EPAYLOAD, "from rank %d: a message longer than %zu bytes",
                       step->peer, plan->slots[step->slot].capacity);
    bool timed = bytes >= TIMED_BYTES || plan->trace;
    gw_plan_unlock(plan);
    int64_t before = timed ? gw_now_ns() : 0;
    gw_status s = gw_plan_accept(plan, step, bytes, error);
    int64_t after = timed ? gw_now_ns() : 0;
    gw_plan_lock(plan);
    gw_plan_account(plan, step, after - before, true);
    if (plan->trace)
        gw_trace_work(plan, (int)(step - plan->list.steps), before, after, false);
    return s;
}

static void arrived(struct gw_plan *plan, int i, size_t bytes, gw_status status)
{
    const struct gw_step *step = &plan->list.steps[i];
    struct gw_error error;
    error.status = GW_OK;
    plan->stats.received_bytes += bytes;
    gw_status s = plan->failure.status ? GW_OK : gw_plan_injected(plan, step, &error);
    if (!s)
        s = look_at(plan, step, bytes, status, &error);
    if (s)
        gw_plan_fail(plan, i, &error);
}

/* Test the first message of a chain; GW_PENDING, or it is done. */
static gw_status test(struct gw_plan *plan, int lane)
{
    int i = plan->lanes[lane];
    const struct gw_step *step = &plan->list.steps[i];
    bool native = step->kind == GW_STEP_NATIVE;
    size_t bytes = 0;
    gw_status s = GW_OK;
    if (plan->ops[i]) {
        gw_plan_unlock(plan);
        s = gw_comm_test(native ? plan->native : plan->comm, plan->ops[i], &bytes);
        gw_plan_lock(plan);
        if (s == GW_PENDING)
            return s;
        plan->ops[i] = NULL;
        if (plan->trace)
            gw_trace_end(plan, i, bytes);
    }
    if (s && s != GW_ECAPACITY) {
        fail_transport(plan, i, s);
        return GW_OK;
    }
    if (native && ++plan->native_at < plan->layout.segments_count) {
        s = start_native(plan, i);
        if (s)
            fail_transport(plan, i, s);
        return s ? GW_OK : GW_PENDING;
    }
    if (step->kind == GW_STEP_RECV)
        arrived(plan, i, bytes, s);
    done(plan, lane, i);
    return GW_OK;
}

bool gw_plan_poll_messages(struct gw_plan *plan)
{
    bool moved = false;
    for (int lane = 0; lane < plan->graph.lanes_count; lane++) {
        while (plan->left && plan->lanes[lane] >= 0 &&
               plan->status[plan->lanes[lane]] == GW_STEP_UNDER_WAY && test(plan, lane) == GW_OK)
            moved = true;
    }
    return moved;
}
