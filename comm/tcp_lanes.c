/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Lanes: where the messages of one context and channel meet the receives that they are for, first
 * come first served. All under the engine's lock. Lanes that are empty are kept for the next, so
 * that ranks that ran once need no memory again. */
#include <stdlib.h>
#include <string.h>

#include "comm/tcp.h"

/* ---- queues ---------------------------------------------------------------------------------- */

static void push(struct tcp_queue *queue, struct tcp_op *op)
{
    op->next = NULL;
    if (queue->first)
        queue->last->next = op;
    else
        queue->first = op;
    queue->last = op;
}

void gw_tcp_queue_push_front(struct tcp_queue *queue, struct tcp_op *op)
{
    op->next = queue->first;
    if (!queue->first)
        queue->last = op;
    queue->first = op;
}

struct tcp_op *gw_tcp_queue_pop(struct tcp_queue *queue)
{
    struct tcp_op *op = queue->first;
    if (op)
        queue->first = op->next;
    return op;
}

bool gw_tcp_queue_remove(struct tcp_queue *queue, struct tcp_op *op)
{
    struct tcp_op *before = NULL, *at = queue->first;
    while (at && at != op) {
        before = at;
        at = at->next;
    }
    if (!at)
        return false;
    if (before)
        before->next = op->next;
    else
        queue->first = op->next;
    if (queue->last == op)
        queue->last = before;
    return true;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static size_t chain_of(uint64_t context, uint32_t channel)
{
    return (size_t)((context ^ (context >> 32)) * 31 + channel) % GW_TCP_LANES;
}

struct tcp_lane *gw_tcp_lane_find(const struct tcp_peer *peer, uint64_t context, uint32_t channel)
{
    struct tcp_lane *lane = peer->lanes[chain_of(context, channel)];
    while (lane && (lane->context != context || lane->channel != channel))
        lane = lane->next;
    return lane;
}

struct tcp_lane *gw_tcp_lane_get(struct tcp_peer *peer, uint64_t context, uint32_t channel)
{
    struct tcp_lane *lane = gw_tcp_lane_find(peer, context, channel);
    if (lane)
        return lane;
    lane = peer->spare;
    if (lane)
        peer->spare = lane->next;
    else if (!(lane = malloc(sizeof *lane)))
        return NULL;
    struct tcp_lane **chain = &peer->lanes[chain_of(context, channel)];
    *lane = (struct tcp_lane){ .next = *chain, .context = context, .channel = channel };
    *chain = lane;
    peer->lanes_count++;
    return lane;
}

void gw_tcp_lane_rest(struct tcp_peer *peer, struct tcp_lane *lane)
{
    if (lane->spare || lane->sends.first || lane->receives.first || lane->first || lane->into ||
        lane->drops || lane->cut || lane->allowed || lane->asks || lane->waits)
        return;
    struct tcp_lane **at = &peer->lanes[chain_of(lane->context, lane->channel)];
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    lane->spare = true;
    lane->next = peer->spare;
    peer->spare = lane;
    peer->lanes_count--;
}

void gw_tcp_lanes_each(struct tcp_peer *peer, const uint64_t *context,
                       void (*call)(struct tcp_peer *peer, struct tcp_lane *lane))
{
    for (int i = 0; i < GW_TCP_LANES; i++) {
        for (struct tcp_lane *next, *lane = peer->lanes[i]; lane; lane = next) {
            next = lane->next;
            if (context && lane->context != *context)
                continue;
            call(peer, lane);
            gw_tcp_lane_rest(peer, lane);
        }
    }
}

void gw_tcp_lane_turn(struct tcp_peer *peer, struct tcp_lane *lane)
{
    bool may = lane->cut || (lane->sends.first && (!peer->held || lane->allowed));
    if (lane->waits || !may)
        return;
    lane->waits = true;
    lane->turn = NULL;
    if (peer->turn_first)
        peer->turn_last->turn = lane;
    else
        peer->turn_first = lane;
    peer->turn_last = lane;
    gw_tcp_news(peer);
}

/* ---- messages that are kept ------------------------------------------------------------------ */

void gw_tcp_kept_free(struct tcp_kept *kept)
{
    for (struct tcp_chunk *next, *at = kept->first; at; at = next) {
        next = at->next;
        free(at->payload);
        free(at);
    }
    free(kept);
}

void gw_tcp_kept_move(struct tcp_kept *kept, struct tcp_op *op)
{
    for (struct tcp_chunk *at = kept->first; at; at = at->next)
        gw_tcp_op_receive(op, at->payload, at->bytes);
    gw_tcp_kept_free(kept);
}

static void no_asks(struct tcp_peer *peer, struct tcp_lane *lane)
{
    (void)peer;
    lane->asks = 0;
}

void gw_tcp_kept_less(struct tcp_peer *peer, size_t bytes)
{
    peer->kept -= bytes;
    if (!peer->holds || peer->kept > peer->engine->kept_max / 2)
        return;
    peer->holds = peer->asks = false;
    gw_tcp_lanes_each(peer, NULL, no_asks);
    gw_tcp_news(peer);
}

struct tcp_kept *gw_tcp_kept_growing(const struct tcp_lane *lane)
{
    return lane->last && !lane->last->whole ? lane->last : NULL;
}

void gw_tcp_kept_push(struct tcp_lane *lane, struct tcp_kept *kept)
{
    if (lane->last)
        lane->last->next = kept;
    else
        lane->first = kept;
    lane->last = kept;
}

struct tcp_kept *gw_tcp_kept_take(struct tcp_lane *lane, struct tcp_kept *kept)
{
    struct tcp_kept *before = NULL, *at = lane->first;
    while (at != kept) {
        before = at;
        at = at->next;
    }
    if (before)
        before->next = kept->next;
    else
        lane->first = kept->next;
    if (lane->last == kept)
        lane->last = before;
    return kept;
}

/* ---- operations ------------------------------------------------------------------------------ */

void gw_tcp_op_finish(struct tcp_op *op, gw_status status)
{
    struct tcp_engine *engine = op->peer->engine;
    if (op->orphan) {
        free(op);
        return;
    }
    op->status = status;
    atomic_store_explicit(&op->done, 1, memory_order_release);
    gw_tcp_ring(engine);
}

void gw_tcp_op_receive(struct tcp_op *op, const uint8_t *bytes, size_t count)
{
    if (op->overflow || count > op->bytes - op->offset) {
        op->overflow = true;
        return;
    }
    if (bytes && count > 0)
        memcpy(op->buffer + op->offset, bytes, count);
    op->offset += count;
}

static bool is_gone(const struct tcp_peer *peer, uint64_t context)
{
    return peer->rank != peer->engine->group.rank &&
           (peer->state != TCP_READY || gw_tcp_context_gone(peer, context));
}

static void meet_oneself(struct tcp_op *send, struct tcp_op *receive)
{
    gw_tcp_op_receive(receive, send->buffer, send->bytes);
    send->offset = send->bytes;
    gw_tcp_op_finish(send, GW_OK);
    gw_tcp_op_finish(receive, receive->overflow ? GW_ECAPACITY : GW_OK);
}

static gw_status keep_own(struct tcp_lane *lane, struct tcp_op *op)
{
    struct tcp_kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        return GW_ENOMEM;
    kept->op = op;
    kept->whole = true;
    op->self = kept;
    gw_tcp_kept_push(lane, kept);
    return GW_OK;
}

gw_status gw_tcp_post_send(struct tcp_op *op, uint64_t context, uint32_t channel)
{
    struct tcp_peer *peer = op->peer;
    if (is_gone(peer, context)) {
        gw_tcp_op_finish(op, GW_ETRANSPORT);
        return GW_OK;
    }
    struct tcp_lane *lane = gw_tcp_lane_get(peer, context, channel);
    if (!lane)
        return GW_ENOMEM;
    op->lane = lane;
    if (peer->rank != peer->engine->group.rank) {
        push(&lane->sends, op);
        gw_tcp_lane_turn(peer, lane);
        return GW_OK;
    }
    struct tcp_op *receive = gw_tcp_queue_pop(&lane->receives);
    gw_status s = GW_OK;
    if (receive)
        meet_oneself(op, receive);
    else
        s = keep_own(lane, op);
    gw_tcp_lane_rest(peer, lane);
    return s;
}

/* The receive meets the first of the messages that came before it. */
static void take_first(struct tcp_op *op, struct tcp_kept **came)
{
    struct tcp_peer *peer = op->peer;
    struct tcp_lane *lane = op->lane;
    struct tcp_kept *kept = gw_tcp_kept_take(lane, lane->first);
    if (kept->op) {
        meet_oneself(kept->op, op);
        free(kept);
        return;
    }
    size_t bytes = kept->bytes + GW_TCP_OVERHEAD;
    if (kept->whole) {
        *came = kept;
    } else {
        lane->into = op;
        gw_tcp_kept_move(kept, op);
    }
    gw_tcp_kept_less(peer, bytes);
}

gw_status gw_tcp_post_recv(struct tcp_op *op, uint64_t context, uint32_t channel,
                           struct tcp_kept **came)
{
    struct tcp_peer *peer = op->peer;
    struct tcp_lane *lane = gw_tcp_lane_get(peer, context, channel);
    if (!lane)
        return GW_ENOMEM;
    op->lane = lane;
    bool whole = lane->first && lane->first->whole;
    if (!whole && is_gone(peer, context))
        gw_tcp_op_finish(op, GW_ETRANSPORT);
    else if (lane->first)
        take_first(op, came);
    else
        push(&lane->receives, op);
    if (peer->holds && !whole) {
        lane->asks++;
        peer->asks = true;
        gw_tcp_news(peer);
    }
    gw_tcp_lane_rest(peer, lane);
    return GW_OK;
}

/* ---- taking back ----------------------------------------------------------------------------- */

static bool withdraw_send(struct tcp_op *op)
{
    struct tcp_lane *lane = op->lane;
    if (op->self) {
        gw_tcp_kept_free(gw_tcp_kept_take(lane, op->self));
        return true;
    }
    if (op->pieces > 0) {
        op->given_up = true;
        return false;
    }
    (void)gw_tcp_queue_remove(&lane->sends, op);
    lane->cut |= op->offset > 0;
    gw_tcp_lane_turn(op->peer, lane);
    return true;
}

static bool withdraw_receive(struct tcp_op *op)
{
    struct tcp_lane *lane = op->lane;
    if (lane->into != op) {
        (void)gw_tcp_queue_remove(&lane->receives, op);
        return true;
    }
    if (op->placing) {
        op->given_up = true;
        return false;
    }
    lane->into = NULL;
    lane->drops = true; /* the rest of the message that it had met */
    return true;
}

bool gw_tcp_withdraw(struct tcp_op *op)
{
    if (atomic_load_explicit(&op->done, memory_order_acquire))
        return true;
    struct tcp_peer *peer = op->peer;
    struct tcp_lane *lane = op->lane;
    bool ours = op->sends ? withdraw_send(op) : withdraw_receive(op);
    if (ours)
        gw_tcp_lane_rest(peer, lane);
    return ours;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* What is whole stays: it may be received yet. */
static void fail_receives(struct tcp_peer *peer, struct tcp_lane *lane)
{
    struct tcp_op *op;
    if (lane->into)
        gw_tcp_op_finish(lane->into, GW_ETRANSPORT);
    lane->into = NULL;
    lane->drops = false;
    while ((op = gw_tcp_queue_pop(&lane->receives)))
        gw_tcp_op_finish(op, GW_ETRANSPORT);
    struct tcp_kept *part = gw_tcp_kept_growing(lane);
    if (part) {
        peer->kept -= part->bytes + GW_TCP_OVERHEAD;
        gw_tcp_kept_free(gw_tcp_kept_take(lane, part));
    }
    lane->asks = 0;
}

static void fail_both(struct tcp_peer *peer, struct tcp_lane *lane)
{
    struct tcp_op *op;
    while ((op = gw_tcp_queue_pop(&lane->sends))) {
        op->failed = true; /* while the session has a part of it the buffer is not free */
        if (op->pieces == 0)
            gw_tcp_op_finish(op, GW_ETRANSPORT);
    }
    lane->cut = false;
    lane->allowed = 0;
    fail_receives(peer, lane);
}

void gw_tcp_lanes_fail(struct tcp_peer *peer, const uint64_t *context)
{
    /* What is sent to a context that the peer has left is dropped there. */
    gw_tcp_lanes_each(peer, context, context ? fail_receives : fail_both);
    gw_tcp_kept_less(peer, 0);
}

/* Its operations are over. */
static void purge(struct tcp_peer *peer, struct tcp_lane *lane)
{
    while (lane->first) {
        struct tcp_kept *kept = gw_tcp_kept_take(lane, lane->first);
        peer->kept -= kept->bytes + GW_TCP_OVERHEAD;
        gw_tcp_kept_free(kept);
    }
    lane->drops = lane->cut = false;
    lane->asks = lane->allowed = 0;
}

void gw_tcp_lanes_purge(struct tcp_peer *peer, const uint64_t *context)
{
    gw_tcp_lanes_each(peer, context, purge);
    gw_tcp_kept_less(peer, 0);
}

static void free_lanes(struct tcp_lane *lane)
{
    for (struct tcp_lane *next; lane; lane = next) {
        next = lane->next;
        free(lane);
    }
}

void gw_tcp_lanes_free(struct tcp_peer *peer)
{
    gw_tcp_lanes_purge(peer, NULL);
    for (int i = 0; i < GW_TCP_LANES; i++)
        free_lanes(peer->lanes[i]);
    free_lanes(peer->spare);
}
