/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Sessions over libuv: TCP, and Unix sockets on one machine, with TLS between where there are keys.
 * This file moves bytes and tells the time; all that is said is the session's.
 *
 * Reads go to one buffer of 64 KiB that stays in the cache; writes hand the kernel all that waits
 * in one writev of 1 MiB and more.
 *
 * Plain sessions are for Unix sockets and loopback only. A Unix socket is made with mode 0600, and
 * takes peers of the same user (SO_PEERCRED) only.
 *
 * Threads: a net and all that is on it belong to the thread that runs its loop. */
#ifndef GW_SESSION_STREAM_H
#define GW_SESSION_STREAM_H

#include <uv.h>

#include "session/address.h"
#include "session/session.h"
#include "session/tls.h"

struct gw_net;    /* what the streams of one loop share */
struct gw_stream; /* a connection with its session */
struct gw_listener;

/* The loop is the caller's. Time is uv_now's monotonic clock in ns, refreshed. */
gw_status gw_net_open(struct gw_net **out, uv_loop_t *loop, struct gw_error *error);
/* Closes listeners and streams without events, but each stream's `gone` still comes; the loop has
 * to run until uv_loop_alive is 0 before the caller closes it. The net is freed by then. NULL is
 * fine. */
void gw_net_close(struct gw_net *net);
int64_t gw_net_now(const struct gw_net *net);

/* All are called by the loop, never from within a call of this header. */
struct gw_stream_calls {
    /* An event of the stream's session. The taker empties or releases it; the caller releases what
     * is left. On GW_EVENT_CLOSED the stream sends what is still queued (for 1 s at most), closes,
     * and is freed after the call `gone`. Any call on other streams, and gw_stream_drop of this
     * one, is allowed from here. */
    void (*event)(void *user, struct gw_stream *stream, struct gw_event *event);
    /* A stream that was accepted, with its session; `*stream_user` may be set to its own user
     * pointer, which is the listener's before. May be NULL. */
    void (*accepted)(void *user, struct gw_stream *stream, void **stream_user);
    /* After some output has left: gw_session_queued is lower than it was. May be NULL. */
    void (*drained)(void *user, struct gw_stream *stream);
    /* The stream's memory goes after this; its session is gone already, and payloads that it had
     * borrowed have been given back. May be NULL. */
    void (*gone)(void *user, struct gw_stream *stream);
};

/* Connect. The session starts as soon as the connection (and TLS) stands; until then
 * setup->times.handshake_ns is the deadline for it, and failures come as GW_EVENT_CLOSED with words
 * that name the address. `tls`: NULL for plain, which is GW_ENOTSUP unless the address is local. */
gw_status gw_stream_connect(struct gw_stream **out, struct gw_net *net,
                            const struct gw_address *address, struct gw_tls_context *tls,
                            const struct gw_session_setup *setup,
                            const struct gw_stream_calls *calls, void *user,
                            struct gw_error *error);

/* NULL: a connection that does not stand yet, or from `gone`. */
struct gw_session *gw_stream_session(struct gw_stream *stream);
const char *gw_stream_peer(const struct gw_stream *stream); /* its address, for messages */
/* Have the loop write what the session has queued and tell its events, before it waits again; call
 * after gw_session_send, _refuse, _bye. */
void gw_stream_flush(struct gw_stream *stream);
/* Read no more from it, or again: a peer that is faster than we are waits in its own kernel. Frames
 * of what has been read already (64 KiB at most) still come. */
void gw_stream_pause(struct gw_stream *stream, bool paused);
/* Close now, without events but `gone`; what is queued is sent for up to 1 s if `linger`. */
void gw_stream_drop(struct gw_stream *stream, bool linger);

/* Listen. Accepted streams get a copy of `setup` (serves set), with setup->rules.user replaced by
 * the stream's user pointer. At most `strangers` connections that are not ready (0: 256): beyond,
 * the oldest of the address that has most of them is dropped. With `tls` peers are heard only as
 * the worker whose key they have. Without, an address that is not local is GW_ENOTSUP, with the
 * command that makes keys. A Unix socket file that nobody listens on is replaced, another is
 * GW_EIO ("in use"). Out of descriptors: accepting goes on when there are some again, without
 * spinning. Errors: GW_EIO with address and reason. */
gw_status gw_listener_open(struct gw_listener **out, struct gw_net *net,
                           const struct gw_address *address, struct gw_tls_context *tls,
                           const struct gw_session_setup *setup, int strangers,
                           const struct gw_stream_calls *calls, void *user, struct gw_error *error);
void gw_listener_close(struct gw_listener *listener);
/* With port 0: the one that the system chose; text as gw_address.text. */
const char *gw_listener_address(const struct gw_listener *listener);
/* Connections since the start: accepted, dropped before they were ready. */
void gw_listener_counts(const struct gw_listener *listener, uint64_t *accepted, uint64_t *dropped);

#endif
