/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Listening. The socket is ours and libuv only watches it, so that we decide what becomes of a
 * connection for which there is no descriptor left: a stranger gives up its own, the one whom a
 * full house would cost its place; where there is none, a descriptor kept for this purpose takes
 * the connection and closes it, since it would wait at the door for ever, and wake us for ever.
 *
 * A stranger costs a stream, with TLS what OpenSSL needs for a handshake, and nothing that grows
 * with what it sends. */
#define _GNU_SOURCE /* accept4 */
#include "session/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STRANGERS = 256,
    ACCEPT_TURN = 64, /* of one turn of the loop, then others */
    REST_MS = 100     /* without any descriptor to be had */
};

struct gw_listener {
    struct gw_net *net;
    struct gw_listener *next;
    struct gw_address address;
    struct gw_tls_context *tls;
    struct gw_session_setup setup;
    struct gw_stream_calls calls;
    void *user;
    int fd, spare;
    dev_t device; /* of a Unix socket's file */
    ino_t inode;
    uv_poll_t poll;
    uv_timer_t timer;
    int users; /* of libuv's that will still call */
    bool closing;
    int most;
    struct gw_strangers strangers;
    uint64_t accepted, dropped;
};

/* ---- strangers ------------------------------------------------------------------------------- */

void gw_listener_forget(struct gw_stream *stream)
{
    struct gw_listener *listener = stream->listener;
    stream->listener = NULL;
    gw_strangers_remove(&listener->strangers, &stream->stranger);
    if (!stream->session || !gw_session_is_ready(stream->session))
        listener->dropped++;
}

static struct gw_stream *stream_of(struct gw_stranger *stranger)
{
    return (struct gw_stream *)(void *)((char *)stranger - offsetof(struct gw_stream, stranger));
}

/* False: there was none to be dropped. */
static bool drop_one(struct gw_listener *listener, const char *why)
{
    struct gw_stranger *worst = gw_strangers_worst(&listener->strangers);
    if (!worst)
        return false;
    struct gw_stream *stream = stream_of(worst);
    if (stream->phase == GW_STREAM_TALKING) {
        gw_session_cut(stream->session, GW_ECAPACITY, why);
        gw_stream_tell(stream);
    }
    gw_stream_end(stream);
    return true;
}

/* ---- a connection ---------------------------------------------------------------------------- */

static gw_status admit_for(void *user, const struct gw_frame *frame, uint8_t **room,
                           struct gw_error *error)
{
    struct gw_stream *stream = user;
    return stream->rules.admit(stream->user, frame, room, error);
}

static bool give_session(struct gw_listener *listener, struct gw_stream *stream)
{
    struct gw_session_setup setup = listener->setup;
    stream->rules = setup.rules;
    setup.serves = true;
    setup.rules.user = stream;
    if (setup.rules.admit)
        setup.rules.admit = admit_for;
    stream->session = gw_session_open(&setup, gw_net_now(listener->net));
    if (stream->session && listener->tls)
        stream->tls = gw_tls_open(listener->tls);
    return stream->session && (stream->tls || !listener->tls);
}

static void welcome(struct gw_listener *listener, int fd, const char *peer, uint64_t home)
{
    struct gw_stream *stream = gw_stream_new(listener->net, &listener->calls, listener->user);
    if (!stream) {
        close(fd);
        listener->dropped++;
        return;
    }
    snprintf(stream->peer, sizeof stream->peer, "%s", peer);
    stream->phase = GW_STREAM_TALKING;
    bool adopted = gw_stream_adopt(stream, fd) == 0;
    if (!adopted)
        close(fd);
    if (!adopted || !give_session(listener, stream)) {
        stream->calls.gone = NULL; /* nobody has heard of it */
        listener->dropped++;
        gw_stream_end(stream);
        return;
    }
    stream->listener = listener;
    gw_strangers_add(&listener->strangers, &stream->stranger, home);
    gw_stream_due(stream);
    if (listener->calls.accepted)
        listener->calls.accepted(listener->user, stream, &stream->user);
    while (!listener->closing && listener->strangers.count > listener->most)
        (void)drop_one(listener, "too many connections that are not ready");
}

static void take(struct gw_listener *listener, int fd, const struct sockaddr *address)
{
    char peer[GW_ADDRESS_TEXT + 32];
    int process = 0;
    listener->accepted++;
    if (!listener->address.is_unix) {
        gw_socket_text(peer, sizeof peer, address);
        gw_socket_tune(fd, &listener->setup.times);
        welcome(listener, fd, peer, gw_socket_home(address));
    } else if (gw_socket_is_ours(fd, &process)) {
        snprintf(peer, sizeof peer, "%s (process %d)", listener->address.text, process);
        welcome(listener, fd, peer, 0);
    } else {
        close(fd);
        listener->dropped++;
    }
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void acceptable(uv_poll_t *poll, int status, int events);

static void rest_is_over(uv_timer_t *timer)
{
    struct gw_listener *listener = timer->data;
    if (listener->spare < 0)
        listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uv_poll_start(&listener->poll, UV_READABLE, acceptable);
}

static void rest(struct gw_listener *listener)
{
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->timer, rest_is_over, REST_MS, 0);
}

/* True: go on accepting. */
static bool make_room(struct gw_listener *listener)
{
    if (drop_one(listener, "no descriptor left"))
        return !listener->closing;
    if (listener->spare < 0)
        return false;
    close(listener->spare);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        listener->accepted++;
        listener->dropped++;
    }
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && listener->spare >= 0;
}

static void acceptable(uv_poll_t *poll, int status, int events)
{
    struct gw_listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_TURN && !listener->closing; i++) {
        struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
        socklen_t bytes = sizeof address;
        int fd = accept4(listener->fd, (struct sockaddr *)&address, &bytes,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            take(listener, fd, (struct sockaddr *)&address);
            continue;
        }
        int reason = errno;
        if (reason == EAGAIN || reason == EWOULDBLOCK)
            return;
        if ((reason == EMFILE || reason == ENFILE) && make_room(listener))
            continue;
        if (reason != EINTR && reason != ECONNABORTED && !listener->closing) {
            rest(listener); /* no descriptors, no memory: the kernel will say so again at once */
            return;
        }
    }
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void closed(uv_handle_t *handle)
{
    struct gw_listener *listener = handle->data;
    struct gw_net *net = listener->net;
    if (--listener->users > 0)
        return;
    free(listener);
    gw_net_release(net);
}

static void note_file(struct gw_listener *listener)
{
    struct stat info;
    if (listener->address.is_unix && lstat(listener->address.host, &info) == 0) {
        listener->device = info.st_dev;
        listener->inode = info.st_ino;
    }
}

static gw_status watch(struct gw_listener *listener, struct gw_error *error)
{
    struct gw_net *net = listener->net;
    int status = uv_poll_init(net->loop, &listener->poll, listener->fd);
    if (status != 0)
        return gw_fail(error, status == UV_ENOMEM ? GW_ENOMEM : GW_EIO,
                       "cannot listen on %s: libuv does not watch it", listener->address.text);
    (void)uv_timer_init(net->loop, &listener->timer);
    listener->poll.data = listener->timer.data = listener;
    listener->users = 2;
    uv_poll_start(&listener->poll, UV_READABLE, acceptable);
    return GW_OK;
}

static void close_sockets(struct gw_listener *listener)
{
    struct stat info;
    /* Not if somebody else has put his own there by now. */
    if (listener->address.is_unix && lstat(listener->address.host, &info) == 0 &&
        info.st_dev == listener->device && info.st_ino == listener->inode)
        (void)unlink(listener->address.host);
    close(listener->fd);
    if (listener->spare >= 0)
        close(listener->spare);
}

gw_status gw_listener_open(struct gw_listener **out, struct gw_net *net,
                           const struct gw_address *address, struct gw_tls_context *tls,
                           const struct gw_session_setup *setup, int strangers,
                           const struct gw_stream_calls *calls, void *user, struct gw_error *error)
{
    if (net->closing)
        return gw_fail(error, GW_ESTATE, "the net is being closed");
    if (!tls && !gw_address_is_local(address))
        return gw_fail(error, GW_ENOTSUP, gw_plain_words, address->text);
    struct gw_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return gw_fail(error, GW_ENOMEM, "no memory to listen on %s", address->text);
    listener->net = net;
    listener->address = *address;
    listener->tls = tls;
    listener->setup = *setup;
    listener->setup.terms = NULL; /* a client's */
    listener->setup.times = gw_session_times_fill(&setup->times);
    listener->calls = *calls;
    listener->user = user;
    listener->most = strangers > 0 ? strangers : STRANGERS;
    gw_status status = gw_socket_listen(&listener->fd, &listener->address, !tls, error);
    if (status) {
        free(listener);
        return status;
    }
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    note_file(listener);
    status = watch(listener, error);
    if (status) {
        close_sockets(listener);
        free(listener);
        return status;
    }
    listener->next = net->listeners;
    net->listeners = listener;
    net->users++;
    *out = listener;
    return GW_OK;
}

void gw_listener_close(struct gw_listener *listener)
{
    if (!listener || listener->closing)
        return;
    listener->closing = true;
    for (struct gw_listener **at = &listener->net->listeners; *at; at = &(*at)->next)
        if (*at == listener) {
            *at = listener->next;
            break;
        }
    /* They stay, as streams like others. */
    while (listener->strangers.oldest) {
        struct gw_stream *stream = stream_of(listener->strangers.oldest);
        stream->listener = NULL;
        gw_strangers_remove(&listener->strangers, &stream->stranger);
    }
    uv_close((uv_handle_t *)&listener->poll, closed);
    uv_close((uv_handle_t *)&listener->timer, closed);
    close_sockets(listener);
}

const char *gw_listener_address(const struct gw_listener *listener)
{
    return listener->address.text;
}

void gw_listener_counts(const struct gw_listener *listener, uint64_t *accepted, uint64_t *dropped)
{
    *accepted = listener->accepted;
    *dropped = listener->dropped;
}
