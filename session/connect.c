/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From an address to a connection: the name is looked up (by a thread of libuv, unless it is a
 * number), its addresses are tried one after the other, each for its part of the time that is
 * left, then TLS, then the session begins. */
#include "session/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_connect {
    struct gw_address address;
    struct gw_tls_context *tls;
    struct gw_session_setup setup;
    char *terms;      /* setup.terms */
    int64_t until_ns; /* for all of it; the stream's deadline is that of one try */
    uv_getaddrinfo_t look_up;
    bool looking;
    struct addrinfo *found, *next; /* to be tried */
    struct addrinfo only;          /* of a number */
    struct sockaddr_storage number;
    uv_connect_t request;
    bool stands;   /* the connection, not TLS */
    char why[160]; /* the last try's failure */
};

static void try_next(struct gw_stream *stream);

/* ---- failure --------------------------------------------------------------------------------- */

static void fail(struct gw_stream *stream, gw_status status)
{
    struct gw_connect *c = stream->connect;
    struct gw_error error;
    gw_error_set(&error, status, "cannot connect to %s: %s", c->address.text, c->why);
    gw_stream_fail(stream, status, error.text);
}

static void note(struct gw_stream *stream, int status)
{
    char reason[100];
    uv_strerror_r(status, reason, sizeof reason);
    snprintf(stream->connect->why, sizeof stream->connect->why, "%s", reason);
}

static void socket_closed(uv_handle_t *handle)
{
    struct gw_stream *stream = handle->data;
    if (stream->phase == GW_STREAM_CONNECTING && !stream->failure.status)
        try_next(stream);
    gw_stream_release(stream);
}

/* This address was none; there may be others. */
static void give_up_try(struct gw_stream *stream)
{
    stream->deadline_ns = stream->connect->until_ns;
    gw_stream_close_socket(stream, socket_closed);
}

void gw_connect_expire(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    double seconds = (double)c->setup.times.handshake_ns / 1e9;
    if (c->until_ns > gw_net_now(stream->net)) {
        snprintf(c->why, sizeof c->why, "no answer in its part of %.3g s", seconds);
        give_up_try(stream);
        return;
    }
    snprintf(c->why, sizeof c->why, "%s within %.3g s",
             c->stands    ? "TLS did not stand"
             : c->looking ? "no answer from the name server"
                          : "no answer",
             seconds);
    fail(stream, GW_ETIMEOUT);
}

void gw_connect_abandon(struct gw_stream *stream)
{
    if (stream->connect && stream->connect->looking)
        (void)uv_cancel((uv_req_t *)&stream->connect->look_up);
}

void gw_connect_free(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    stream->connect = NULL;
    if (!c)
        return;
    uv_freeaddrinfo(c->found);
    free(c->terms);
    free(c);
}

/* ---- the connection stands ------------------------------------------------------------------- */

void gw_connect_finish(struct gw_stream *stream)
{
    int64_t now = gw_net_now(stream->net);
    stream->session = gw_session_open(&stream->connect->setup, now);
    if (!stream->session) {
        snprintf(stream->connect->why, sizeof stream->connect->why, "no memory for a session");
        fail(stream, GW_ENOMEM);
        return;
    }
    stream->phase = GW_STREAM_TALKING;
    if (stream->paused) {
        gw_session_pause(stream->session, true, now);
        uv_read_stop(&stream->socket.stream);
    }
    gw_connect_free(stream);
    gw_stream_due(stream);
}

static void stand(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    c->stands = true;
    stream->deadline_ns = c->until_ns;
    if (!c->tls) {
        gw_connect_finish(stream);
        if (stream->phase == GW_STREAM_TALKING)
            gw_stream_read(stream);
        return;
    }
    stream->tls = gw_tls_open(c->tls);
    if (!stream->tls) {
        snprintf(c->why, sizeof c->why, "no memory for TLS");
        fail(stream, GW_ENOMEM);
        return;
    }
    bool paused = stream->paused; /* not before there is a session to pause */
    stream->paused = false;
    gw_stream_read(stream);
    stream->paused = paused;
    gw_stream_due(stream);
}

static void connected(uv_connect_t *request, int status)
{
    struct gw_stream *stream = request->data;
    uv_os_fd_t fd;
    int process;
    if (stream->phase != GW_STREAM_CONNECTING || status == UV_ECANCELED)
        return;
    if (status == 0)
        status = uv_fileno(&stream->socket.handle, &fd);
    if (status != 0) {
        note(stream, status);
        give_up_try(stream);
    } else if (!stream->connect->address.is_unix) {
        gw_socket_tune(fd, &stream->connect->setup.times);
        stand(stream);
    } else if (!gw_socket_is_ours(fd, &process)) {
        snprintf(stream->connect->why, sizeof stream->connect->why,
                 "who listens there is another user");
        give_up_try(stream);
    } else {
        stand(stream);
    }
}

/* ---- tries ----------------------------------------------------------------------------------- */

/* The time that is left, shared among the addresses that are. */
static void give_time(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    int64_t now = gw_net_now(stream->net);
    int left = 1;
    for (const struct addrinfo *a = c->next; a; a = a->ai_next)
        left++;
    stream->deadline_ns = c->until_ns > now ? now + (c->until_ns - now) / left : c->until_ns;
    gw_stream_due(stream);
}

static void open_socket(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    if (c->address.is_unix)
        (void)uv_pipe_init(stream->net->loop, &stream->socket.pipe, 0);
    else
        (void)uv_tcp_init(stream->net->loop, &stream->socket.tcp);
    stream->socket.handle.data = stream;
    stream->has_socket = true;
    stream->users++;
    c->request.data = stream;
}

static void try_next(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    while (c->next && !c->tls && !gw_socket_is_loopback(c->next->ai_addr)) {
        snprintf(c->why, sizeof c->why, "it leads to another machine, where no plain session goes");
        c->next = c->next->ai_next;
    }
    if (!c->next) {
        fail(stream, GW_ETRANSPORT);
        return;
    }
    const struct sockaddr *address = c->next->ai_addr;
    c->next = c->next->ai_next;
    open_socket(stream);
    give_time(stream);
    int status = uv_tcp_connect(&c->request, &stream->socket.tcp, address, connected);
    if (status != 0) {
        note(stream, status);
        give_up_try(stream);
    }
}

static void looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct gw_stream *stream = request->data;
    struct gw_connect *c = stream->connect;
    c->looking = false;
    c->found = c->next = found;
    if (stream->phase == GW_STREAM_CONNECTING && !stream->failure.status) {
        if (status != 0) {
            note(stream, status);
            fail(stream,
                 status == UV_EAI_MEMORY || status == UV_ENOMEM ? GW_ENOMEM : GW_ETRANSPORT);
        } else {
            try_next(stream);
        }
    }
    gw_stream_release(stream);
}

/* A number needs no look-up, and no thread for it. */
static bool take_number(struct gw_connect *c)
{
    int port = atoi(c->address.port);
    struct sockaddr *number = (struct sockaddr *)&c->number;
    if (uv_ip4_addr(c->address.host, port, (struct sockaddr_in *)&c->number) != 0 &&
        (!strchr(c->address.host, ':') ||
         uv_ip6_addr(c->address.host, port, (struct sockaddr_in6 *)&c->number) != 0))
        return false;
    c->only = (struct addrinfo){ .ai_addr = number };
    c->next = &c->only;
    return true;
}

static void begin(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    if (c->address.is_unix) {
        open_socket(stream);
        give_time(stream);
        uv_pipe_connect(&c->request, &stream->socket.pipe, c->address.host, connected);
        return;
    }
    if (take_number(c)) {
        try_next(stream);
        return;
    }
    struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    c->look_up.data = stream;
    stream->deadline_ns = c->until_ns;
    gw_stream_due(stream);
    int status = uv_getaddrinfo(stream->net->loop, &c->look_up, looked_up, c->address.host,
                                c->address.port, &hints);
    if (status != 0) {
        note(stream, status);
        fail(stream, status == UV_ENOMEM ? GW_ENOMEM : GW_ETRANSPORT);
        return;
    }
    c->looking = true;
    stream->users++;
}

/* ---- for the room above ---------------------------------------------------------------------- */

static struct gw_connect *connect_new(const struct gw_address *address, struct gw_tls_context *tls,
                                      const struct gw_session_setup *setup, int64_t now)
{
    struct gw_connect *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->address = *address;
    c->tls = tls;
    c->setup = *setup;
    c->setup.serves = false;
    c->setup.terms = c->terms = strdup(setup->terms ? setup->terms : "");
    if (!c->terms) {
        free(c);
        return NULL;
    }
    if (c->setup.times.handshake_ns <= 0)
        c->setup.times.handshake_ns = gw_session_times_default.handshake_ns;
    if (__builtin_add_overflow(now, c->setup.times.handshake_ns, &c->until_ns))
        c->until_ns = INT64_MAX;
    return c;
}

gw_status gw_stream_connect(struct gw_stream **out, struct gw_net *net,
                            const struct gw_address *address, struct gw_tls_context *tls,
                            const struct gw_session_setup *setup,
                            const struct gw_stream_calls *calls, void *user, struct gw_error *error)
{
    if (net->closing)
        return gw_fail(error, GW_ESTATE, "the net is being closed");
    if (!tls && !gw_address_is_local(address))
        return gw_fail(error, GW_ENOTSUP, gw_plain_words, address->text);
    struct gw_connect *c = connect_new(address, tls, setup, gw_net_now(net));
    struct gw_stream *stream = c ? gw_stream_new(net, calls, user) : NULL;
    if (!stream) {
        if (c)
            free(c->terms);
        free(c);
        return gw_fail(error, GW_ENOMEM, "no memory for a connection to %s", address->text);
    }
    stream->connect = c;
    snprintf(stream->peer, sizeof stream->peer, "%s", address->text);
    begin(stream);
    *out = stream;
    return GW_OK;
}
