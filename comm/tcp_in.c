/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From frames to receives. Where the receive is known the session puts the payload straight into
 * its buffer; else the message is kept.
 *
 * A rank whose messages are not asked for would fill this one's memory. It is told to hold, and
 * then sends only what receives were posted for: to stop reading would hold up those too, and the
 * beats. */
#include <stdio.h>
#include <stdlib.h>

#include "comm/tcp.h"

/* ---- before the payload ---------------------------------------------------------------------- */

static gw_status check(const struct tcp_peer *peer, const struct gw_frame *frame,
                       struct gw_error *error)
{
    bool message = frame->type == GW_TCP_MESSAGE;
    if (frame->type > GW_TCP_LEAVE)
        return gw_fail(error, GW_EPAYLOAD, "tcp: a frame of type %d from rank %d", frame->type,
                       peer->rank);
    if (frame->length > (message ? GW_TCP_PIECE : 0) || (frame->flags & ~(message ? 3 : 0)) ||
        frame->flags == (GW_TCP_LAST | GW_TCP_CUT) ||
        (frame->flags == GW_TCP_CUT && frame->length > 0)) /* it would be put where nobody waits */
        return gw_fail(error, GW_EPAYLOAD,
                       "tcp: a frame of type %d with %u bytes and flags %d from rank %d",
                       frame->type, frame->length, frame->flags, peer->rank);
    if (frame->sequence != peer->in_sequence)
        return gw_fail(error, GW_EPAYLOAD, "tcp: frame %llu from rank %d, expected %llu",
                       (unsigned long long)frame->sequence, peer->rank,
                       (unsigned long long)peer->in_sequence);
    return GW_OK;
}

/* A message begins: does it meet a receive? */
static void meet(struct tcp_lane *lane)
{
    bool under_way = lane->into || lane->drops || gw_tcp_kept_growing(lane);
    if (!under_way)
        lane->into = gw_tcp_queue_pop(&lane->receives);
}

static gw_status place(struct tcp_peer *peer, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error)
{
    struct tcp_lane *lane = gw_tcp_lane_find(peer, frame->spec, frame->tensor);
    if (frame->flags == GW_TCP_CUT || gw_tcp_context_shut(peer, frame->spec))
        return GW_OK;
    if (lane)
        meet(lane);
    struct tcp_op *op = lane ? lane->into : NULL;
    if (op && frame->length > 0 && !op->overflow && frame->length <= op->bytes - op->offset) {
        *room = op->buffer + op->offset;
        op->placing = true;
    }
    if (!op && peer->kept / 4 > peer->engine->kept_max + GW_TCP_WINDOW)
        return gw_fail(error, GW_ECAPACITY,
                       "tcp: rank %d sends on although it was told to hold: %zu bytes wait",
                       peer->rank, peer->kept);
    return GW_OK;
}

gw_status gw_tcp_admit(void *user, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error)
{
    struct tcp_link *link = user;
    struct tcp_peer *peer = link->peer;
    if (!gw_tcp_link_is_ready(link))
        return gw_fail(error, GW_ESTATE, "tcp: a frame from a rank that is not connected");
    gw_tcp_lock(link->engine);
    gw_status s = check(peer, frame, error);
    if (!s) {
        peer->in_sequence++;
        if (frame->type == GW_TCP_MESSAGE)
            s = place(peer, frame, room, error);
    }
    gw_tcp_unlock(link->engine);
    return s;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void ask_for_posted(struct tcp_peer *peer, struct tcp_lane *lane)
{
    (void)peer;
    lane->asks = lane->into != NULL;
    for (const struct tcp_op *op = lane->receives.first; op; op = op->next)
        lane->asks++;
}

static void count_kept(struct tcp_peer *peer, size_t bytes)
{
    peer->kept += bytes;
    if (peer->holds || peer->kept <= peer->engine->kept_max)
        return;
    peer->holds = peer->asks = true;
    gw_tcp_lanes_each(peer, NULL, ask_for_posted);
    gw_tcp_news(peer);
}

static struct tcp_kept *grow(struct tcp_peer *peer, struct tcp_lane *lane)
{
    struct tcp_kept *kept = gw_tcp_kept_growing(lane);
    if (kept)
        return kept;
    kept = calloc(1, sizeof *kept);
    if (!kept)
        return NULL;
    gw_tcp_kept_push(lane, kept);
    count_kept(peer, GW_TCP_OVERHEAD);
    return kept;
}

static gw_status keep(struct tcp_peer *peer, struct tcp_lane *lane, struct gw_event *event)
{
    struct tcp_kept *kept = grow(peer, lane);
    if (!kept)
        return GW_ENOMEM;
    if (event->frame.length > 0) {
        struct tcp_chunk *chunk = malloc(sizeof *chunk);
        if (!chunk)
            return GW_ENOMEM;
        *chunk = (struct tcp_chunk){ .payload = event->payload, .bytes = event->frame.length };
        event->payload = NULL;
        if (kept->last)
            kept->last->next = chunk;
        else
            kept->first = chunk;
        kept->last = chunk;
        kept->bytes += chunk->bytes;
        count_kept(peer, chunk->bytes);
    }
    kept->whole = event->frame.flags & GW_TCP_LAST;
    return GW_OK;
}

static void receive(struct tcp_lane *lane, const struct gw_event *event)
{
    struct tcp_op *op = lane->into;
    bool last = event->frame.flags & GW_TCP_LAST;
    gw_tcp_op_receive(op, event->placed ? NULL : event->payload, event->frame.length);
    op->placing = false;
    if (!last && !op->given_up)
        return;
    lane->into = NULL;
    lane->drops = !last;
    gw_tcp_op_finish(op, op->overflow ? GW_ECAPACITY : GW_OK);
}

/* The sender has withdrawn what it sent of this message. */
static void cut(struct tcp_peer *peer, struct tcp_lane *lane)
{
    lane->drops = false;
    if (lane->into) {
        lane->into->offset = 0;
        lane->into->overflow = false;
        gw_tcp_queue_push_front(&lane->receives, lane->into);
        lane->into = NULL;
        return;
    }
    struct tcp_kept *gone = gw_tcp_kept_growing(lane);
    if (!gone)
        return;
    (void)gw_tcp_kept_take(lane, gone);
    gw_tcp_kept_less(peer, gone->bytes + GW_TCP_OVERHEAD);
    gw_tcp_kept_free(gone);
}

static gw_status take_message(struct tcp_peer *peer, struct gw_event *event)
{
    const struct gw_frame *frame = &event->frame;
    gw_status s = GW_OK;
    if (gw_tcp_context_shut(peer, frame->spec))
        return GW_OK;
    struct tcp_lane *lane = gw_tcp_lane_get(peer, frame->spec, frame->tensor);
    if (!lane)
        return GW_ENOMEM;
    if (frame->flags & GW_TCP_CUT)
        cut(peer, lane);
    else
        meet(lane);
    if (lane->into)
        receive(lane, event);
    else if (lane->drops)
        lane->drops = !(frame->flags & GW_TCP_LAST);
    else if (!(frame->flags & GW_TCP_CUT))
        s = keep(peer, lane, event);
    gw_tcp_lane_rest(peer, lane);
    return s;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void disallow(struct tcp_peer *peer, struct tcp_lane *lane)
{
    (void)peer;
    lane->allowed = 0;
}

static void resume(struct tcp_peer *peer, struct tcp_lane *lane)
{
    lane->allowed = 0;
    gw_tcp_lane_turn(peer, lane);
}

static gw_status go(struct tcp_peer *peer, const struct gw_frame *frame)
{
    if (!peer->held)
        return GW_OK;
    if (peer->lanes_count >= GW_TCP_ENTRIES)
        return GW_EPAYLOAD;
    struct tcp_lane *lane = gw_tcp_lane_get(peer, frame->spec, frame->tensor);
    if (!lane)
        return GW_ENOMEM;
    lane->allowed++;
    gw_tcp_lane_turn(peer, lane);
    return GW_OK;
}

static gw_status take_locked(struct tcp_peer *peer, struct gw_event *event)
{
    gw_status s = GW_OK;
    switch (event->frame.type) {
    case GW_TCP_MESSAGE:
        return take_message(peer, event);
    case GW_TCP_HOLD:
        peer->held = true;
        gw_tcp_lanes_each(peer, NULL, disallow);
        return GW_OK;
    case GW_TCP_GO:
        return go(peer, &event->frame);
    case GW_TCP_RESUME:
        peer->held = false;
        gw_tcp_lanes_each(peer, NULL, resume);
        return GW_OK;
    default:
        s = gw_tcp_context_left(peer, event->frame.spec);
        if (!s)
            gw_tcp_lanes_fail(peer, &event->frame.spec);
        gw_tcp_ring(peer->engine);
        return s;
    }
}

gw_status gw_tcp_take(struct tcp_peer *peer, struct gw_event *event)
{
    gw_tcp_lock(peer->engine);
    gw_status s = take_locked(peer, event);
    gw_tcp_unlock(peer->engine);
    return s;
}

void gw_tcp_frame(struct tcp_link *link, struct gw_event *event)
{
    struct tcp_engine *engine = link->engine;
    if (!gw_tcp_link_is_ready(link))
        return;
    gw_status s = gw_tcp_take(link->peer, event);
    if (!s)
        return;
    gw_session_refuse(gw_stream_session(link->stream), s,
                      s == GW_ENOMEM ? "out of memory for a message"
                                     : "too many channels or comms to remember",
                      gw_net_now(engine->net));
    gw_stream_flush(link->stream);
}
