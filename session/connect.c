/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From an address to a connection: the name is looked up (by a thread of libuv, unless it is a
 * number), its addresses are tried one after the other, each for its part of the time that is
 * left, then TLS, then the session begins. */
#include "session/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void note(struct gw_stream *stream, int reason)
{
    snprintf(stream->connect->why, sizeof stream->connect->why, "%s", strerror(reason));
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
    if (stream->failure.status)
        return;
    stream->session = gw_session_open(&stream->connect->setup, now);
    if (!stream->session) {
        snprintf(stream->connect->why, sizeof stream->connect->why, "no memory for a session");
        fail(stream, GW_ENOMEM);
        return;
    }
    stream->phase = GW_STREAM_TALKING;
    if (stream->paused)
        gw_session_pause(stream->session, true, now);
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
        return;
    }
    stream->tls = gw_tls_open(c->tls);
    if (!stream->tls) {
        snprintf(c->why, sizeof c->why, "no memory for TLS");
        fail(stream, GW_ENOMEM);
    }
    gw_stream_due(stream);
}

void gw_connect_go_on(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    int reason = 0, process;
    socklen_t bytes = sizeof reason;
    if (stream->failure.status)
        return;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &reason, &bytes) != 0)
        reason = errno;
    if (reason != 0) {
        note(stream, reason);
        give_up_try(stream);
    } else if (!c->address.is_unix) {
        gw_socket_tune(stream->fd, &c->setup.times);
        stand(stream);
    } else if (!gw_socket_is_ours(stream->fd, &process)) {
        snprintf(c->why, sizeof c->why, "who listens there is another user");
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

/* A socket that connects; the stream closes it if that fails at once. */
static int open_socket(struct gw_stream *stream, const struct sockaddr *address, socklen_t bytes)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int status = gw_stream_adopt(stream, fd);
    if (status != 0) {
        close(fd);
        return -status;
    }
    give_time(stream);
    return connect(fd, address, bytes) == 0 || errno == EINPROGRESS ? 0 : errno;
}

static void try_next(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    while (c->next && !c->tls && c->next->ai_family != AF_UNIX &&
           !gw_socket_is_loopback(c->next->ai_addr)) {
        snprintf(c->why, sizeof c->why, "it leads to another machine, where no plain session goes");
        c->next = c->next->ai_next;
    }
    while (c->next) {
        const struct addrinfo *at = c->next;
        c->next = at->ai_next;
        int reason = open_socket(stream, at->ai_addr, at->ai_addrlen);
        if (reason == 0)
            return;
        note(stream, reason);
        if (stream->fd >= 0) {
            give_up_try(stream);
            return;
        }
    }
    fail(stream, GW_ETRANSPORT);
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

/* A number or a path needs no look-up, and no thread for it. */
static bool take_number(struct gw_connect *c)
{
    int port = (int)strtol(c->address.port, NULL, 10);
    c->only = (struct addrinfo){ .ai_addr = (struct sockaddr *)&c->number };
    if (c->address.is_unix) {
        struct sockaddr_un name = gw_socket_unix(&c->address);
        memcpy(&c->number, &name, sizeof name);
        c->only.ai_addrlen = sizeof name;
    } else if (uv_ip4_addr(c->address.host, port, (struct sockaddr_in *)&c->number) == 0) {
        c->only.ai_addrlen = sizeof(struct sockaddr_in);
    } else if (strchr(c->address.host, ':') &&
               uv_ip6_addr(c->address.host, port, (struct sockaddr_in6 *)&c->number) == 0) {
        c->only.ai_addrlen = sizeof(struct sockaddr_in6);
    } else {
        return false;
    }
    c->only.ai_family = c->number.ss_family;
    c->next = &c->only;
    return true;
}

static void begin(struct gw_stream *stream)
{
    struct gw_connect *c = stream->connect;
    stream->deadline_ns = c->until_ns;
    gw_stream_due(stream);
    if (take_number(c)) {
        try_next(stream);
        return;
    }
    struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    c->look_up.data = stream;
    int status = uv_getaddrinfo(stream->net->loop, &c->look_up, looked_up, c->address.host,
                                c->address.port, &hints);
    if (status != 0) {
        uv_strerror_r(status, c->why, sizeof c->why);
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
    c->setup.times = gw_session_times_fill(&setup->times);
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
