/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From sends to frames. Lanes take turns, a frame each, so that a small message does not wait for
 * all of a large one; the session is given a few frames ahead. It sends from the callers' buffers.
 *
 * On the engine's thread. The lock is not held while the session is called, since it may tell of
 * sent pieces from within. */
#include <stdlib.h>

#include "comm/tcp.h"

struct outgoing {
    struct gw_frame frame;
    const uint8_t *payload;
    struct tcp_piece *piece; /* NULL: nothing is borrowed */
};

/* ---- pieces ---------------------------------------------------------------------------------- */

static struct tcp_piece *take_piece(struct tcp_peer *peer, struct tcp_op *op, size_t bytes)
{
    struct tcp_piece *piece = peer->free_piece;
    peer->free_piece = piece->next;
    piece->op = op;
    piece->bytes = bytes;
    peer->window += bytes;
    op->pieces++;
    return piece;
}

/* Under the lock. */
static void conclude(struct tcp_op *op)
{
    struct tcp_lane *lane = op->lane;
    if (op->failed) {
        gw_tcp_op_finish(op, GW_ETRANSPORT);
        return;
    }
    if (op->offset == op->bytes) {
        gw_tcp_op_finish(op, GW_OK);
        return;
    }
    if (!op->given_up)
        return;
    (void)gw_tcp_queue_remove(&lane->sends, op);
    lane->cut = true;
    gw_tcp_lane_turn(op->peer, lane);
    gw_tcp_op_finish(op, GW_OK);
}

static void return_piece(struct tcp_piece *piece)
{
    struct tcp_peer *peer = piece->peer;
    struct tcp_op *op = piece->op;
    piece->next = peer->free_piece;
    peer->free_piece = piece;
    peer->window -= piece->bytes;
    if (--op->pieces == 0)
        conclude(op);
}

static void sent(void *user)
{
    struct tcp_piece *piece = user;
    struct tcp_peer *peer = piece->peer;
    gw_tcp_lock(peer->engine);
    return_piece(piece);
    gw_tcp_unlock(peer->engine);
    gw_tcp_pump(peer);
}

void gw_tcp_return_stuck(struct tcp_peer *peer)
{
    struct tcp_piece *piece = peer->stuck;
    if (!piece)
        return;
    peer->stuck = NULL;
    piece->op->failed = true;
    return_piece(piece);
}

/* ---- the next frame -------------------------------------------------------------------------- */

static bool ask_in(struct tcp_peer *peer, struct outgoing *out)
{
    for (int i = 0; i < GW_TCP_LANES; i++) {
        for (struct tcp_lane *lane = peer->lanes[i]; lane; lane = lane->next) {
            if (lane->asks == 0)
                continue;
            out->frame.type = GW_TCP_GO;
            out->frame.spec = lane->context;
            out->frame.tensor = lane->channel;
            lane->asks--;
            gw_tcp_lane_rest(peer, lane);
            return true;
        }
    }
    peer->asks = false;
    return false;
}

static bool next_control(struct tcp_peer *peer, struct outgoing *out)
{
    if (peer->told_hold != peer->holds) {
        out->frame.type = peer->holds ? GW_TCP_HOLD : GW_TCP_RESUME;
        peer->told_hold = peer->holds;
        return true;
    }
    if (peer->asks && ask_in(peer, out))
        return true;
    if (!gw_tcp_context_untold(peer, &out->frame.spec))
        return false;
    out->frame.type = GW_TCP_LEAVE;
    return true;
}

static void fill_message(struct tcp_peer *peer, struct tcp_lane *lane, struct outgoing *out)
{
    struct tcp_op *op = lane->sends.first;
    size_t bytes = gw_min_size(op->bytes - op->offset, GW_TCP_PIECE);
    out->payload = op->buffer + op->offset;
    out->frame.length = (uint32_t)bytes;
    if (bytes > 0)
        out->piece = take_piece(peer, op, bytes);
    op->offset += bytes;
    if (op->offset < op->bytes)
        return;
    out->frame.flags = GW_TCP_LAST;
    (void)gw_tcp_queue_pop(&lane->sends);
    lane->allowed -= lane->allowed > 0;
    if (bytes == 0)
        gw_tcp_op_finish(op, GW_OK);
}

static struct tcp_lane *take_turn(struct tcp_peer *peer)
{
    struct tcp_lane *lane = peer->turn_first;
    if (lane) {
        peer->turn_first = lane->turn;
        lane->waits = false;
    }
    return lane;
}

static bool next_message(struct tcp_peer *peer, struct outgoing *out)
{
    struct tcp_lane *lane;
    if (!peer->free_piece || peer->window >= GW_TCP_WINDOW)
        return false;
    while ((lane = take_turn(peer))) {
        const struct tcp_op *op = lane->sends.first;
        bool may = op && !op->given_up && (!peer->held || lane->allowed);
        if (!may && !lane->cut) {
            gw_tcp_lane_rest(peer, lane);
            continue;
        }
        out->frame = (struct gw_frame){ .type = GW_TCP_MESSAGE,
                                        .spec = lane->context,
                                        .tensor = lane->channel };
        if (lane->cut) {
            lane->cut = false;
            out->frame.flags = GW_TCP_CUT;
        } else {
            fill_message(peer, lane, out);
        }
        gw_tcp_lane_turn(peer, lane);
        gw_tcp_lane_rest(peer, lane);
        return true;
    }
    return false;
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool next(struct tcp_peer *peer, struct outgoing *out)
{
    *out = (struct outgoing){ .payload = NULL };
    gw_tcp_lock(peer->engine);
    peer->news = false;
    bool any = peer->state == TCP_READY && !peer->drop && !peer->stuck &&
               (next_control(peer, out) || next_message(peer, out));
    if (any)
        out->frame.sequence = peer->out_sequence++;
    gw_tcp_unlock(peer->engine);
    return any;
}

/* False: the session takes nothing more. It has ended then, and will tell why: until it does the
 * operation waits, so that its failure has a reason. */
static bool send_one(struct tcp_peer *peer, struct outgoing *out)
{
    struct tcp_engine *engine = peer->engine;
    struct gw_session *session = gw_stream_session(peer->link->stream);
    int64_t now = gw_net_now(engine->net);
    gw_status s = out->piece ? gw_session_send_borrowed(session, &out->frame, out->payload,
                                                        out->frame.length, sent, out->piece, now)
                             : gw_session_send(session, &out->frame, NULL, now);
    if (s == GW_OK)
        return true;
    peer->stuck = out->piece;
    if (s == GW_ENOMEM)
        gw_session_refuse(session, s, "out of memory for a message", now);
    return false;
}

void gw_tcp_pump(struct tcp_peer *peer)
{
    struct outgoing out;
    bool any = false;
    if (peer->pumping) /* from within: a session that closes gives its pieces back */
        return;
    peer->pumping = true;
    while (next(peer, &out)) {
        any = true;
        if (!send_one(peer, &out))
            break;
    }
    if (any && peer->link)
        gw_stream_flush(peer->link->stream);
    peer->pumping = false;
}
