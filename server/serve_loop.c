/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The server's core over libuv: one thread owns the sockets; a team computes, and what blocks on
 * the disk runs in libuv's pool. */
#include "server/serve_inside.h"

#include <stdlib.h>
#include <string.h>

/* Rounds of fewer floats than this are done at once: waking a thread takes longer. */
enum { INLINE_FLOATS = 32768 };

/* ---- what the core asks for ------------------------------------------------------------------ */

static bool is_small(const struct gw_server *server)
{
    return gw_shard_elements(gw_core_shard(server->core)) <= INLINE_FLOATS;
}

static void compute(void *user, struct gw_work *work, void (*done)(struct gw_core *core),
                    struct gw_core *core)
{
    struct gw_server *server = user;
    if (!is_small(server)) {
        server->compute_done = done;
        gw_team_start(server->team, work);
        return;
    }
    gw_work_run(work);
    done(core);
}

/* On a thread of the team. */
static void note_computed(void *user)
{
    struct gw_server *server = user;
    uv_async_send(&server->computed);
}

static void take_computed(uv_async_t *async)
{
    struct gw_server *server = async->data;
    void (*done)(struct gw_core * core) = server->compute_done;
    server->compute_done = NULL;
    if (done)
        done(server->core);
}

static void run_stored(uv_work_t *work)
{
    struct gw_server *server = work->data;
    server->store_task(server->core);
}

static void take_stored(uv_work_t *work, int status)
{
    struct gw_server *server = work->data;
    (void)status; /* nobody cancels it */
    server->stored = false;
    server->store_done(server->core);
}

static void background(void *user, void (*task)(struct gw_core *core),
                       void (*done)(struct gw_core *core), struct gw_core *core)
{
    struct gw_server *server = user;
    (void)core;
    server->store_task = task;
    server->store_done = done;
    server->stored = true;
    (void)uv_queue_work(&server->loop, &server->store_work, run_stored, take_stored);
}

static void flush(void *user, void *link)
{
    struct wire *wire = link;
    (void)user;
    gw_stream_flush(wire->stream);
}

static void say(void *user, const char *line)
{
    struct gw_server *server = user;
    if (server->options.say)
        server->options.say(server->options.user, line);
}

const struct gw_core_world gw_server_world = { NULL, compute, background, flush, say };

/* ---- streams --------------------------------------------------------------------------------- */

gw_status gw_server_admit(void *user, const struct gw_frame *frame, uint8_t **room,
                          struct gw_error *error)
{
    struct wire *wire = user;
    return gw_core_admit(wire->peer, frame, room, error);
}

static void take_accepted(void *user, struct gw_stream *stream, void **stream_user)
{
    struct gw_server *server = user;
    struct wire *wire = calloc(1, sizeof *wire);
    if (wire)
        wire->peer = gw_core_accept(server->core, wire, gw_stream_peer(stream));
    if (!wire || !wire->peer) {
        free(wire);
        *stream_user = NULL;
        gw_stream_drop(stream, false);
        return;
    }
    wire->server = server;
    wire->stream = stream;
    wire->next = server->wires;
    if (server->wires)
        server->wires->before = wire;
    server->wires = wire;
    gw_core_bind(wire->peer, gw_stream_session(stream));
    *stream_user = wire;
}

static void take_event(void *user, struct gw_stream *stream, struct gw_event *event)
{
    struct wire *wire = user;
    struct gw_server *server = wire->server;
    gw_core_bind(wire->peer, gw_stream_session(stream));
    gw_core_event(wire->peer, event, gw_net_now(server->net));
}

static void take_gone(void *user, struct gw_stream *stream)
{
    struct wire *wire = user;
    (void)stream;
    if (!wire)
        return;
    struct gw_server *server = wire->server;
    if (wire->before)
        wire->before->next = wire->next;
    else
        server->wires = wire->next;
    if (wire->next)
        wire->next->before = wire->before;
    gw_core_gone(wire->peer, gw_net_now(server->net));
    free(wire);
}

const struct gw_stream_calls gw_server_calls = { .event = take_event,
                                                 .accepted = take_accepted,
                                                 .gone = take_gone };

/* ---- each turn of the loop ------------------------------------------------------------------- */

/* Nothing of the core is under way on another thread. */
static bool is_quiet(const struct gw_server *server)
{
    return !server->compute_done && !server->stored;
}

static void end_sessions(struct gw_server *server)
{
    for (struct wire *next, *wire = server->wires; wire; wire = next) {
        next = wire->next;
        struct gw_session *session = gw_stream_session(wire->stream);
        if (session)
            gw_session_refuse(session, GW_ETRANSPORT, "the server is shutting down",
                              gw_net_now(server->net));
        gw_stream_drop(wire->stream, true);
    }
}

static void look_for_end(struct gw_server *server)
{
    bool at_once = server->stops > 1;
    if (server->ended || !server->stops || !is_quiet(server) ||
        !(at_once || gw_core_has_stopped(server->core)))
        return;
    server->ended = true;
    end_sessions(server);
    uv_stop(&server->loop);
}

static void arm_timer(struct gw_server *server, uv_timer_cb tick)
{
    int64_t at = gw_core_deadline(server->core);
    if (at == INT64_MAX) {
        uv_timer_stop(&server->timer);
        return;
    }
    int64_t left = at - gw_net_now(server->net);
    uint64_t ms = left <= 0 ? 0 : (uint64_t)(left / 1000000 + 1);
    uv_timer_start(&server->timer, tick, ms, 0);
}

static void take_tick(uv_timer_t *timer)
{
    struct gw_server *server = timer->data;
    gw_core_tick(server->core, gw_net_now(server->net));
}

static void before_waiting(uv_prepare_t *prepare)
{
    struct gw_server *server = prepare->data;
    look_for_end(server);
    arm_timer(server, take_tick);
}

static void take_stop(uv_async_t *async)
{
    struct gw_server *server = async->data;
    server->stops = atomic_load(&server->stops_asked);
    gw_core_stop(server->core, server->drain_ns, gw_net_now(server->net));
}

/* ---- open and close -------------------------------------------------------------------------- */

gw_status gw_server_open_loop(struct gw_server *server, struct gw_error *error)
{
    int code = uv_loop_init(&server->loop);
    if (code)
        return gw_fail(error, GW_ENOMEM, "no event loop: %s", uv_strerror(code));
    server->has_loop = true;
    server->prepare.data = server->timer.data = server->stop.data = server->computed.data =
        server->store_work.data = server;
    uv_prepare_init(&server->loop, &server->prepare);
    uv_timer_init(&server->loop, &server->timer);
    code = uv_async_init(&server->loop, &server->stop, take_stop);
    if (!code)
        code = uv_async_init(&server->loop, &server->computed, take_computed);
    uv_prepare_start(&server->prepare, before_waiting);
    if (code)
        return gw_fail(error, GW_ENOMEM, "no event loop: %s", uv_strerror(code));
    gw_status s = gw_net_open(&server->net, &server->loop, error);
    return s ? s
             : gw_team_open(&server->team, server->options.threads, note_computed, server, error);
}

/* Handles of others first, by those who know them; what is left is this file's. */
void gw_server_close_loop(struct gw_server *server)
{
    if (!server->has_loop)
        return;
    gw_http_close(server->http);
    gw_net_close(server->net);
    uv_handle_t *own[] = { (uv_handle_t *)&server->prepare, (uv_handle_t *)&server->timer,
                           (uv_handle_t *)&server->stop, (uv_handle_t *)&server->computed };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (own[i]->type != UV_UNKNOWN_HANDLE)
            uv_close(own[i], NULL);
    while (uv_run(&server->loop, UV_RUN_DEFAULT) != 0)
        ;
    (void)uv_loop_close(&server->loop);
    gw_http_free(server->http);
    gw_team_close(server->team);
    server->has_loop = false;
}
