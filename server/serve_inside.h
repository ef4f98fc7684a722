/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of gw_server share: serve.c (opening and closing), serve_loop.c (the core over
 * libuv), http.c (metrics). */
#ifndef GW_SERVER_SERVE_INSIDE_H
#define GW_SERVER_SERVE_INSIDE_H

#include <gradwire/server.h>

#include "server/core.h"
#include "server/team.h"
#include "session/stream.h"

/* A connection: the stream's user, and the core's link. */
struct wire {
    struct wire *next, *before;
    struct gw_server *server;
    struct gw_stream *stream;
    struct gw_core_peer *peer;
};

struct gw_http;

struct gw_server {
    struct gw_error error;
    gw_server_options options; /* say, user and numbers; texts are not kept */
    struct gw_keys *keys;
    struct gw_tls_context *tls;
    struct gw_core *core;
    struct gw_team *team;
    int64_t drain_ns;
    struct gw_session_setup setup; /* of sessions */

    uv_loop_t loop;
    bool has_loop, ended;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_async_t stop, computed;
    struct gw_net *net;
    struct gw_listener **listeners;
    int listeners_count;
    struct gw_http *http;
    struct wire *wires;
    int stops; /* seen */
    atomic_int stops_asked;

    void (*compute_done)(struct gw_core *core);
    bool stored; /* an operation of the store is under way */
    uv_work_t store_work;
    void (*store_task)(struct gw_core *core);
    void (*store_done)(struct gw_core *core);
};

/* ---- serve_loop.c */

extern const struct gw_core_world gw_server_world; /* but for its user */
extern const struct gw_stream_calls gw_server_calls;
gw_status gw_server_open_loop(struct gw_server *server, struct gw_error *error);
void gw_server_close_loop(struct gw_server *server);
gw_status gw_server_admit(void *wire, const struct gw_frame *frame, uint8_t **room,
                          struct gw_error *error);

/* ---- http.c: GET /metrics, one request per connection, to local addresses only */

gw_status gw_http_open(struct gw_http **out, struct gw_server *server, const char *address,
                       struct gw_error *error);
const char *gw_http_address(const struct gw_http *http);
/* The loop has to run until its handles are closed, then gw_http_free. Both take NULL. */
void gw_http_close(struct gw_http *http);
void gw_http_free(struct gw_http *http);

#endif
