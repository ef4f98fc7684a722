/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: frames of a peer who may say anything, between receives, sends, cancels and closes
 * of this rank, in any order. Frames' checksums and sequence numbers are right, as the session has
 * seen to it. Checked are: no byte outside of a receive's room, every operation over exactly once,
 * nothing left. Each step is four bytes: what, which, and a length. */
#include <stdlib.h>
#include <string.h>

#include "comm/tcp.h"

enum { OPS = 16, CONTEXTS = 3, CHANNELS = 4 };

struct one {
    struct tcp_op op;
    bool live;
    uint8_t *room;
};

struct world {
    struct tcp_engine engine;
    struct tcp_peer *peers;
    struct tcp_link link;
    struct one ops[OPS];
    struct gw_event pending; /* admitted, and not yet taken */
    bool has_pending, lost;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void setup(struct world *w)
{
    w->peers = calloc(2, sizeof *w->peers);
    if (!w->peers)
        abort();
    w->engine.peers = w->peers;
    w->engine.group.ranks = 2;
    w->engine.opened = w->engine.poked = true; /* there is no thread to be woken */
    w->engine.kept_max = 3000;
    w->engine.ready = 1;
    pthread_mutex_init(&w->engine.lock, NULL);
    pthread_cond_init(&w->engine.rung, NULL);
    for (int r = 0; r < 2; r++) {
        w->peers[r].engine = &w->engine;
        w->peers[r].rank = r;
    }
    w->peers[1].state = TCP_READY;
    w->peers[1].link = &w->link;
    w->link = (struct tcp_link){ .engine = &w->engine, .peer = &w->peers[1] };
}

static void lose(struct world *w)
{
    if (!w->lost)
        gw_tcp_lose(&w->peers[1], GW_ETRANSPORT, "the fuzzer ends it");
    w->lost = true;
}

/* The session would free the payload, unless it is where admit said. */
static void take_pending(struct world *w)
{
    if (!w->has_pending)
        return;
    w->has_pending = false;
    if (!w->lost && w->pending.placed)
        memset(w->pending.payload, 7, w->pending.frame.length);
    if (!w->lost && gw_tcp_take(&w->peers[1], &w->pending) != GW_OK)
        lose(w);
    if (!w->pending.placed)
        free(w->pending.payload);
}

static void frame(struct world *w, const uint8_t *step)
{
    uint8_t *room = NULL;
    take_pending(w);
    if (w->lost)
        return;
    struct gw_frame f = { .type = (uint8_t)(GW_TCP_MESSAGE + step[0] / 8 % 6),
                          .flags = step[0] / 64,
                          .sequence = w->peers[1].in_sequence,
                          .spec = step[1] % CONTEXTS,
                          .tensor = step[1] / CONTEXTS % CHANNELS,
                          .length = step[2] * 16u + step[3] % 16 };
    if (f.type != GW_TCP_MESSAGE)
        f.length = 0;
    if (gw_tcp_admit(&w->link, &f, &room, NULL) != GW_OK) {
        lose(w);
        return;
    }
    w->pending = (struct gw_event){ .kind = GW_EVENT_FRAME, .frame = f, .placed = room != NULL };
    w->pending.payload = room ? room : calloc(1, f.length + 1);
    w->has_pending = true;
}

static void end_op(struct one *one)
{
    free(one->room);
    one->room = NULL;
    one->live = false;
}

static void post(struct world *w, const uint8_t *step, bool sends)
{
    struct one *one = &w->ops[step[3] % OPS];
    struct tcp_kept *came = NULL;
    uint64_t context = step[1] % CONTEXTS;
    uint32_t channel = step[1] / CONTEXTS % CHANNELS;
    struct tcp_peer *peer = &w->peers[step[1] / 32 % 4 > 0];
    if (one->live)
        return;
    size_t bytes = step[2] * 16u;
    one->room = calloc(1, bytes + 1);
    one->op = (struct tcp_op){ .peer = peer, .sends = sends, .buffer = one->room, .bytes = bytes };
    one->live = true;
    gw_tcp_lock(&w->engine);
    gw_status s = sends ? gw_tcp_post_send(&one->op, context, channel)
                        : gw_tcp_post_recv(&one->op, context, channel, &came);
    gw_tcp_unlock(&w->engine);
    if (s)
        abort();
    if (came) {
        if (one->op.done)
            abort();
        gw_tcp_kept_move(came, &one->op);
        one->op.done = 1;
    }
}

static bool withdraw(struct world *w, struct one *one)
{
    gw_tcp_lock(&w->engine);
    bool ours = gw_tcp_withdraw(&one->op);
    gw_tcp_unlock(&w->engine);
    return ours;
}

static void cancel(struct world *w, const uint8_t *step)
{
    struct one *one = &w->ops[step[3] % OPS];
    if (!one->live)
        return;
    if (!withdraw(w, one)) {
        take_pending(w); /* what it waits for */
        if (!one->op.done)
            abort();
    }
    end_op(one);
}

/* As tcp_close does: the comm's operations are over by then. */
static void close_context(struct world *w, const uint8_t *step)
{
    uint64_t context = step[1] % CONTEXTS;
    take_pending(w);
    for (int i = 0; i < OPS; i++)
        if (w->ops[i].live && (withdraw(w, &w->ops[i]) || w->ops[i].op.done))
            end_op(&w->ops[i]);
    gw_tcp_lock(&w->engine);
    gw_tcp_lanes_purge(&w->peers[1], &context);
    gw_tcp_context_close(&w->peers[1], context);
    (void)gw_tcp_context_untold(&w->peers[1], &context);
    gw_tcp_unlock(&w->engine);
}

static void open_context(struct world *w, const uint8_t *step)
{
    struct tcp_context *fresh = gw_tcp_contexts_new(1);
    if (!fresh)
        abort();
    gw_tcp_lock(&w->engine);
    gw_tcp_context_open(&w->peers[1], fresh, step[1] % CONTEXTS);
    gw_tcp_unlock(&w->engine);
}

static void finish(struct world *w)
{
    take_pending(w);
    lose(w);
    for (int i = 0; i < OPS; i++) {
        struct one *one = &w->ops[i];
        if (!one->live)
            continue;
        if (one->op.peer == &w->peers[1] && !one->op.done)
            abort(); /* nobody else would end it */
        if (!withdraw(w, one))
            abort();
        end_op(one);
    }
    for (int r = 0; r < 2; r++) {
        gw_tcp_lanes_free(&w->peers[r]);
        gw_tcp_contexts_free(w->peers[r].contexts);
        if (w->peers[r].kept != 0)
            abort();
    }
    pthread_mutex_destroy(&w->engine.lock);
    pthread_cond_destroy(&w->engine.rung);
    free(w->peers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = { .lost = false };
    setup(&w);
    for (; size >= 4; data += 4, size -= 4) {
        switch (data[0] % 8) {
        case 0:
        case 1:
        case 2:
            frame(&w, data);
            break;
        case 3:
            post(&w, data, true);
            break;
        case 4:
            cancel(&w, data);
            break;
        case 5:
            if (data[0] / 64 == 3)
                close_context(&w, data);
            else if (data[0] / 64 == 2)
                open_context(&w, data);
            else
                take_pending(&w);
            break;
        default:
            post(&w, data, false);
        }
    }
    finish(&w);
    return 0;
}
