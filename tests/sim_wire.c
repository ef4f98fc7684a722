/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The simulated network's bytes: connections, and what is under way on them. It carries a session's
 * bytes as session/stream.c does, so what it asks of sessions is what that asks. */
#include "tests/sim_net.h"

#include "base/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_piece {
    struct sim_piece *next;
    int64_t at;
    size_t bytes;
    bool end; /* nothing comes after it */
    uint8_t data[];
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- a session's side ------------------------------------------------------------------------ */

static const struct sim_node_calls *calls_of(const struct sim_end *end)
{
    return end->net->nodes[end->node].calls;
}

void sim_flush(struct sim_end *end)
{
    if (end->dirty || !end->open)
        return;
    end->dirty = true;
    end->dirty_next = end->net->dirty;
    end->net->dirty = end;
}

static void take_events(struct sim_end *end)
{
    struct gw_event event;
    while (end->open && gw_session_next(end->session, &event)) {
        end->ended |= event.kind == GW_EVENT_CLOSED;
        calls_of(end)->event(end, &event);
        gw_event_release(&event);
    }
}

static void feed(struct sim_end *end, const uint8_t *bytes, size_t count)
{
    take_events(end);
    while (end->open && count > 0) {
        size_t taken = gw_session_feed(end->session, bytes, count, end->net->now);
        take_events(end);
        bytes += taken;
        count -= taken;
    }
}

/* ---- bytes under way ------------------------------------------------------------------------- */

static void arrive(void *user, uint64_t number);

static void expect_piece(struct sim_end *to, int64_t at)
{
    if (to->coming)
        return;
    to->coming = true;
    sim_at(to->net, at, to->node, arrive, to, 0);
}

static struct sim_piece *new_piece(size_t bytes)
{
    sim_own++;
    struct sim_piece *piece = must(malloc(sizeof *piece + bytes));
    sim_own--;
    piece->next = NULL;
    piece->bytes = bytes;
    piece->end = false;
    return piece;
}

static void send_piece(struct sim_end *to, struct sim_piece *piece)
{
    struct sim_net *net = to->net;
    int64_t delay = sim_between(&net->random, net->weather.delay_least, net->weather.delay_most);
    if (!to->open) {
        free(piece);
        return;
    }
    if (to->last_at < net->now + delay)
        to->last_at = net->now + delay;
    piece->at = to->last_at;
    *to->last = piece;
    to->last = &piece->next;
    to->under_way += piece->bytes;
    expect_piece(to, to->first->at);
}

/* What weather does to one piece. */
static void send_through(struct sim_end *from, struct sim_piece *piece)
{
    struct sim_net *net = from->net;
    const struct sim_weather *w = &net->weather;
    if (sim_chance(&net->random, w->flips)) {
        uint64_t bit = sim_below(&net->random, 8 * piece->bytes);
        piece->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        sim_note(net, "a bit changes, to node, piece", from->other->node, (long)piece->bytes, 0);
    }
    if (sim_chance(&net->random, w->repeats)) {
        struct sim_piece *again = new_piece(piece->bytes);
        memcpy(again->data, piece->data, piece->bytes);
        sim_note(net, "bytes come twice, to node, piece", from->other->node, (long)piece->bytes, 0);
        send_piece(from->other, again);
    }
    if (sim_chance(&net->random, w->drops)) {
        size_t most = gw_min_size(piece->bytes, GW_FRAME_HEADER - 1);
        piece->bytes -= 1 + (size_t)sim_below(&net->random, most);
        sim_note(net, "bytes are lost, to node, left", from->other->node, (long)piece->bytes, 0);
    }
    bool cut = sim_chance(&net->random, w->cuts);
    if (from->dark || cut)
        free(piece);
    else
        send_piece(from->other, piece);
    if (cut)
        sim_cut(from, sim_below(&net->random, 3) > 0, sim_below(&net->random, 3) > 0);
}

static struct sim_piece *cut_piece(struct sim_end *from)
{
    struct sim_net *net = from->net;
    struct iovec pieces[6];
    int count = gw_session_output(from->session, pieces, 6);
    size_t bytes = 0, used = 0;
    for (int i = 0; i < count; i++)
        bytes += pieces[i].iov_len;
    if (bytes == 0)
        return NULL;
    size_t most = gw_min_size(bytes, net->weather.piece_most);
    bytes = sim_below(&net->random, 4) ? most : 1 + (size_t)sim_below(&net->random, most);
    struct sim_piece *piece = new_piece(bytes);
    for (int i = 0; used < bytes; i++) {
        size_t part = gw_min_size(bytes - used, pieces[i].iov_len);
        memcpy(piece->data + used, pieces[i].iov_base, part);
        used += part;
    }
    return piece;
}

static void pump(struct sim_end *from)
{
    struct sim_net *net = from->net;
    size_t window = from->ended ? 0 : net->weather.window;
    while (from->open && (window == 0 || from->other->under_way < window)) {
        struct sim_piece *piece = cut_piece(from);
        if (!piece)
            return;
        gw_session_sent(from->session, piece->bytes, net->now);
        send_through(from, piece);
    }
}

static void drop_pieces(struct sim_end *to)
{
    while (to->first) {
        struct sim_piece *piece = to->first;
        to->first = piece->next;
        free(piece);
    }
    to->last = &to->first;
    to->under_way = 0;
}

static void arrive(void *user, uint64_t number)
{
    struct sim_end *to = user;
    struct sim_net *net = to->net;
    (void)number;
    to->coming = false;
    if (!to->open || !to->first)
        return;
    int64_t clear = net->nodes[to->node].cut_until[to->other->node];
    if (clear > net->now || to->first->at > net->now) { /* it is sent again until it gets through */
        expect_piece(to, clear > net->now ? clear + net->weather.delay_most : to->first->at);
        return;
    }
    struct sim_piece *piece = to->first;
    to->first = piece->next;
    if (!to->first)
        to->last = &to->first;
    else
        expect_piece(to, to->first->at);
    to->under_way -= piece->bytes;
    if (piece->end)
        gw_session_cut(to->session, GW_OK, NULL);
    else
        feed(to, piece->data, piece->bytes);
    free(piece);
    sim_flush(to);
    sim_flush(to->other);
}

static void say_end(struct sim_end *from)
{
    if (from->dark)
        return;
    struct sim_piece *piece = new_piece(0);
    piece->end = true;
    send_piece(from->other, piece);
}

/* ---- an end's end ---------------------------------------------------------------------------- */

static void close_end(struct sim_end *end)
{
    end->open = false;
    drop_pieces(end);
    gw_session_close(end->session);
    end->session = NULL;
}

static void go(void *user, uint64_t number)
{
    struct sim_end *end = user;
    (void)number;
    if (!end->open)
        return;
    calls_of(end)->gone(end);
    close_end(end);
    calls_of(end)->settled(end->net->nodes[end->node].user);
}

static void tick(void *user, uint64_t number)
{
    struct sim_end *end = user;
    (void)number;
    if (!end->open || end->ended)
        return;
    end->armed_ns = INT64_MAX;
    if (gw_session_deadline(end->session) <= end->net->now) {
        gw_session_tick(end->session, end->net->now);
        if (gw_session_deadline(end->session) <= end->net->now) {
            fprintf(stderr, "a session's deadline is in the past after its tick: a loop spins\n");
            end->net->failed = true;
        }
    }
    sim_flush(end);
}

static void wake(void *user, uint64_t number)
{
    (void)number;
    sim_flush(user);
}

static void settle(struct sim_end *end)
{
    struct sim_net *net = end->net;
    take_events(end);
    if (!end->open)
        return;
    pump(end);
    if (end->ended && !end->closing) { /* what it still had to say is under way */
        end->closing = true;
        say_end(end);
        sim_at(net, net->now + sim_between(&net->random, 0, 3 * SIM_MS), end->node, go, end, 0);
    }
    int64_t due = gw_session_deadline(end->session);
    if (!end->ended && due < end->armed_ns) {
        end->armed_ns = due;
        sim_at(net, due, end->node, tick, end, 0);
    }
    calls_of(end)->settled(net->nodes[end->node].user);
}

void sim_settle(struct sim_net *net)
{
    while (net->dirty) {
        struct sim_end *end = net->dirty;
        net->dirty = end->dirty_next;
        end->dirty = false;
        /* A machine that stands still does not do this either; its thaw will. */
        if (end->open && net->nodes[end->node].frozen_until > net->now)
            sim_at(net, net->nodes[end->node].frozen_until, end->node, wake, end, 0);
        else if (end->open)
            settle(end);
    }
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct sim_end *new_end(struct sim_net *net, int node)
{
    sim_own++;
    struct sim_end *end = must(calloc(1, sizeof *end));
    sim_own--;
    end->net = net;
    end->node = node;
    end->last = &end->first;
    end->armed_ns = INT64_MAX;
    end->next = net->ends;
    net->ends = end;
    return end;
}

static void fail_connect(void *user, uint64_t number)
{
    struct sim_net *net = user;
    int from = (int)(number & 0xff), refused = (int)(number >> 24 & 1);
    struct gw_error why;
    gw_error_set(&why, refused ? GW_ETRANSPORT : GW_ETIMEOUT,
                 refused ? "connection refused" : "no answer");
    struct sim_node *node = &net->nodes[from];
    node->calls->failed(node->user, (int)(number >> 16 & 0xff), &why);
    node->calls->settled(node->user);
}

/* `number`: from, to, tag, one byte each. */
static void try_connect(void *user, uint64_t number)
{
    struct sim_net *net = user;
    int from = (int)(number & 0xff), to = (int)(number >> 8 & 0xff);
    struct sim_node *client = &net->nodes[from], *server = &net->nodes[to];
    bool cut = client->cut_until[to] > net->now;
    if (cut || !server->up) {
        sim_at(net, net->now + (cut ? net->handshake_ns : 0), from, fail_connect, net,
               number | (uint64_t)!cut << 24);
        return;
    }
    struct sim_end *a = new_end(net, from), *b = new_end(net, to);
    a->other = b;
    b->other = a;
    b->open = server->calls->accepted(server->user, b);
    a->open = b->open && client->calls->opened(client->user, (int)(number >> 16 & 0xff), a);
    if (!b->open)
        sim_at(net, net->now, from, fail_connect, net, number | UINT64_C(1) << 24);
    if (b->open && !a->open)
        gw_session_cut(b->session, GW_OK, NULL);
    sim_flush(a);
    sim_flush(b);
    client->calls->settled(client->user);
}

void sim_connect(struct sim_net *net, int from, int to, int tag)
{
    int64_t delay = sim_between(&net->random, net->weather.delay_least, net->weather.delay_most);
    sim_at(net, net->now + delay, from, try_connect, net,
           (uint64_t)from | (uint64_t)to << 8 | (uint64_t)tag << 16);
}

static void notice(void *user, uint64_t number)
{
    struct sim_end *end = user;
    (void)number;
    if (!end->open)
        return;
    gw_session_cut(end->session, GW_ETRANSPORT, "connection reset by peer");
    sim_flush(end);
}

void sim_cut(struct sim_end *end, bool notices, bool other_notices)
{
    struct sim_net *net = end->net;
    sim_note(net, "connection lost between", end->node, end->other->node,
             notices + 2 * other_notices);
    end->dark = end->other->dark = true;
    drop_pieces(end);
    drop_pieces(end->other);
    if (notices)
        sim_at(net, net->now + sim_between(&net->random, 0, SIM_MS), end->node, notice, end, 0);
    if (other_notices)
        sim_at(net, net->now + sim_between(&net->random, 0, SIM_MS), end->other->node, notice,
               end->other, 0);
}

struct sim_end *sim_any_end(struct sim_net *net, uint64_t number)
{
    uint64_t count = 0;
    for (struct sim_end *e = net->ends; e; e = e->next)
        count += e->open;
    if (count == 0)
        return NULL;
    number %= count;
    for (struct sim_end *e = net->ends; e; e = e->next)
        if (e->open && number-- == 0)
            return e;
    return NULL;
}

void sim_drop_ends(struct sim_net *net, int node, bool quiet)
{
    for (struct sim_end *e = net->ends; e; e = e->next) {
        if (e->node != node || !e->open)
            continue;
        if (!quiet)
            say_end(e);
        e->dark = true;
        close_end(e);
    }
}

void sim_free_ends(struct sim_net *net)
{
    while (net->ends) {
        struct sim_end *end = net->ends;
        net->ends = end->next;
        drop_pieces(end);
        free(end);
    }
    net->dirty = NULL;
}
