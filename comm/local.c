/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport "local:": ranks are threads of this process.
 *
 * A send and a receive meet in the receiver's mailbox, in the lane of their sender, by channel,
 * first come first served. The second to come copies straight from the sender's buffer to the
 * receiver's, outside of the lock, so a send is done when it was received: nothing is in between,
 * and a rank may close as soon as its own operations are done. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/local.h"

enum state { QUEUED, COPYING, FINISHED };

struct local_op {
    struct gw_op base;
    struct local_op *next; /* in a queue */
    struct local_member *box;
    struct local_lane *lane;
    int owner;
    unsigned channel;
    bool sends;
    void *buffer;
    size_t bytes; /* of the message or the room for it; then moved */
    gw_status status;
    atomic_int state; /* FINISHED is the other rank's last touch */
};

struct local_impl {
    struct local_group *group;
    struct gw_op_book ops;
    uint64_t seen; /* of this rank's bell */
};

/* ---- queues ---------------------------------------------------------------------------------- */

static void push(struct local_queue *queue, struct local_op *op)
{
    op->next = NULL;
    if (queue->first)
        queue->last->next = op;
    else
        queue->first = op;
    queue->last = op;
}

static void take_off(struct local_queue *queue, struct local_op *op)
{
    struct local_op *before = NULL;
    for (struct local_op *at = queue->first; at != op; at = at->next)
        before = at;
    if (before)
        before->next = op->next;
    else
        queue->first = op->next;
    if (queue->last == op)
        queue->last = before;
}

static struct local_op *take_channel(struct local_queue *queue, unsigned channel)
{
    struct local_op *op = queue->first;
    while (op && op->channel != channel)
        op = op->next;
    if (op)
        take_off(queue, op);
    return op;
}

/* ---- meeting of a send and a receive --------------------------------------------------------- */

static void ring(struct local_group *group, int rank)
{
    struct local_member *member = &group->members[rank];
    pthread_mutex_lock(&member->bell);
    member->events++;
    pthread_cond_signal(&member->rung);
    pthread_mutex_unlock(&member->bell);
}

/* The op may be gone as soon as this returns: its owner sees FINISHED. */
static void finish(struct local_group *group, struct local_op *op, gw_status status, size_t bytes)
{
    int owner = op->owner;
    op->status = status;
    op->bytes = bytes;
    atomic_store_explicit(&op->state, FINISHED, memory_order_release);
    ring(group, owner);
}

static void deliver(struct local_group *group, struct local_op *send, struct local_op *receive)
{
    size_t bytes = send->bytes;
    bool fits = bytes <= receive->bytes;
    if (fits && bytes > 0)
        memcpy(receive->buffer, send->buffer, bytes);
    finish(group, send, GW_OK, bytes);
    finish(group, receive, fits ? GW_OK : GW_ECAPACITY, fits ? bytes : 0);
}

static void start(struct local_group *group, struct local_op *op)
{
    struct local_lane *lane = op->lane;
    pthread_mutex_lock(&op->box->box);
    struct local_op *other = take_channel(op->sends ? &lane->receives : &lane->sends, op->channel);
    bool gone = !other && lane->gone;
    if (other)
        atomic_store_explicit(&other->state, COPYING, memory_order_relaxed);
    else if (!gone)
        push(op->sends ? &lane->sends : &lane->receives, op);
    pthread_mutex_unlock(&op->box->box);
    if (other)
        deliver(group, op->sends ? op : other, op->sends ? other : op);
    else if (gone)
        finish(group, op, GW_ETRANSPORT, 0);
}

static gw_status begin(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t bytes,
                       bool sends, struct gw_op **out)
{
    struct local_impl *impl = comm->impl;
    struct local_op *op = gw_op_take(&impl->ops, sizeof *op, peer);
    if (!op)
        return GW_ENOMEM;
    int receiver = sends ? peer : comm->rank;
    int sender = sends ? comm->rank : peer;
    op->owner = comm->rank;
    op->box = &impl->group->members[receiver];
    op->lane = &op->box->lanes[sender];
    op->channel = channel;
    op->sends = sends;
    op->buffer = buffer;
    op->bytes = bytes;
    start(impl->group, op);
    *out = &op->base;
    return GW_OK;
}

gw_status gw_local_send(gw_comm *comm, int peer, unsigned channel, const void *buffer, size_t bytes,
                        struct gw_op **op)
{
    return begin(comm, peer, channel, (void *)(uintptr_t)buffer, bytes, true, op);
}

gw_status gw_local_recv(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t capacity,
                        struct gw_op **op)
{
    return begin(comm, peer, channel, buffer, capacity, false, op);
}

gw_status gw_local_test(gw_comm *comm, struct gw_op *base, size_t *bytes)
{
    struct local_impl *impl = comm->impl;
    struct local_op *op = (struct local_op *)base;
    if (atomic_load_explicit(&op->state, memory_order_acquire) != FINISHED)
        return GW_PENDING;
    gw_status s = op->status;
    if (s == GW_OK)
        *bytes = op->bytes;
    if (s == GW_ETRANSPORT)
        (void)gw_comm_break(comm, s, "local: a rank has closed its comm while others need it");
    gw_op_return(&impl->ops, base);
    return s;
}

bool gw_local_cancel(gw_comm *comm, struct gw_op *base)
{
    struct local_impl *impl = comm->impl;
    struct local_op *op = (struct local_op *)base;
    pthread_mutex_lock(&op->box->box);
    bool queued = atomic_load_explicit(&op->state, memory_order_acquire) == QUEUED;
    if (queued)
        take_off(op->sends ? &op->lane->sends : &op->lane->receives, op);
    pthread_mutex_unlock(&op->box->box);
    while (!queued && atomic_load_explicit(&op->state, memory_order_acquire) != FINISHED)
        sched_yield(); /* the other rank is copying */
    gw_op_return(&impl->ops, base);
    return true;
}

void gw_local_pause(gw_comm *comm, int64_t until_ns)
{
    struct local_impl *impl = comm->impl;
    struct local_member *member = &impl->group->members[comm->rank];
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
                              .tv_nsec = (long)(until_ns % 1000000000) };
    pthread_mutex_lock(&member->bell);
    if (member->events == impl->seen)
        (void)pthread_cond_timedwait(&member->rung, &member->bell, &until);
    impl->seen = member->events;
    pthread_mutex_unlock(&member->bell);
}

/* ---- open and close -------------------------------------------------------------------------- */

void gw_local_join(gw_comm *comm, struct local_impl *impl, struct local_group *group, int rank)
{
    impl->group = group;
    comm->impl = impl;
    comm->rank = rank;
    comm->size = group->size;
}

struct local_impl *gw_local_impl_new(struct gw_error *error)
{
    struct local_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        (void)gw_fail(error, GW_ENOMEM, "local: out of memory for a comm");
    return impl;
}

/* Whoever still waits in this lane, for a partner that will not come. */
static void shut_lane(struct local_group *group, struct local_member *box, int sender)
{
    struct local_lane *lane = &box->lanes[sender];
    pthread_mutex_lock(&box->box);
    lane->gone = true;
    struct local_op *orphans[2] = { lane->sends.first, lane->receives.first };
    lane->sends = lane->receives = (struct local_queue){ 0 };
    for (int i = 0; i < 2; i++) {
        for (struct local_op *next, *op = orphans[i]; op; op = next) {
            next = op->next;
            finish(group, op, GW_ETRANSPORT, 0);
        }
    }
    pthread_mutex_unlock(&box->box);
}

void gw_local_close(gw_comm *comm)
{
    struct local_impl *impl = comm->impl;
    struct local_group *group = impl->group;
    while (impl->ops.newest)
        (void)gw_local_cancel(comm, impl->ops.newest);
    for (int r = 0; r < group->size; r++) {
        shut_lane(group, &group->members[r], comm->rank);
        shut_lane(group, &group->members[comm->rank], r);
    }
    gw_op_book_clear(&impl->ops);
    gw_local_group_release(group);
    free(impl);
}

/* ---- the row --------------------------------------------------------------------------------- */

enum { RANKS, RANK, NAME, NODES };

static const gw_param params[] = {
    { "ranks", GW_PARAM_INTEGER, "", 1, GW_LOCAL_RANKS_MAX, NULL, "", "ranks of the group" },
    { "rank", GW_PARAM_INTEGER, "", 0, GW_LOCAL_RANKS_MAX - 1, NULL, "", "which one this is" },
    { "name", GW_PARAM_TEXT, "job", 0, 0, NULL, "", "those that give the same name meet" },
    { "nodes", GW_PARAM_INTEGER, "1", 1, GW_LOCAL_RANKS_MAX, NULL, "",
      "as if the ranks, in order, were on so many nodes" },
    { 0 }
};

/* Memory first: a rank that has met the others does not fail them. */
static gw_status meet(gw_comm *comm, const char *name, int rank, int size, struct gw_error *error)
{
    struct local_group *group;
    struct local_impl *impl = gw_local_impl_new(error);
    if (!impl)
        return GW_ENOMEM;
    gw_status s = gw_local_meet(&group, name, rank, size, comm->timeout_ns, error);
    if (s)
        free(impl);
    else
        gw_local_join(comm, impl, group, rank);
    return s;
}

static gw_status open_local(gw_comm *comm, const struct gw_values *values, const char *rest,
                            struct gw_error *error)
{
    char name[GW_LOCAL_NAME];
    (void)rest;
    int size = (int)values->number[RANKS], rank = (int)values->number[RANK];
    size_t length = values->text_length[NAME];
    if (!(values->given & 1u << RANKS) || !(values->given & 1u << RANK))
        return gw_fail(error, GW_ESPEC,
                       "local: needs ranks= and rank=, as in local:ranks=4,rank=0");
    if (rank >= size)
        return gw_fail(error, GW_ESPEC, "local: rank=%d is not below ranks=%d", rank, size);
    if (values->number[NODES] > size)
        return gw_fail(error, GW_ESPEC, "local: nodes=%d is above ranks=%d",
                       (int)values->number[NODES], size);
    if (length == 0 || length >= sizeof name)
        return gw_fail(error, GW_ESPEC, "local: name= takes 1 to %zu characters", sizeof name - 1);
    if (*values->text[NAME] == '/')
        return gw_fail(error, GW_ESPEC, "local: name= may not begin with '/'");
    memcpy(name, values->text[NAME], length);
    name[length] = '\0';
    comm->simulated = (values->given & 1u << NODES) != 0;
    comm->island = rank * (int)values->number[NODES] / size;
    return meet(comm, name, rank, size, error);
}

/* The members meet under a name that no spec may hold. */
static gw_status split_local(gw_comm *out, gw_comm *comm, int colour, unsigned serial,
                             struct gw_error *error)
{
    const struct local_impl *impl = comm->impl;
    char name[GW_LOCAL_NAME];
    if (out->size == 0)
        return GW_OK;
    snprintf(name, sizeof name, "/%llu/%u/%d", (unsigned long long)impl->group->id, serial, colour);
    return meet(out, name, out->rank, out->size, error);
}

const struct gw_transport_row gw_local_row = {
    .info = { "local", "ranks are threads of one process", params },
    .open = open_local,
    .close = gw_local_close,
    .split = split_local,
    .send = gw_local_send,
    .recv = gw_local_recv,
    .test = gw_local_test,
    .cancel = gw_local_cancel,
    .pause = gw_local_pause,
};
