/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files that carry sessions over libuv share:
 *
 *     net.c        what all streams of a loop have in common; who has something to do
 *     stream.c     a stream's life: events, the clock, the end
 *     flow.c       its bytes: socket to session and back, TLS between
 *     connect.c    names and addresses until a connection stands
 *     listener.c   the other side of that
 *     strangers.c  who has to go when too many are not ready
 *     socket.c     what the system says of sockets
 *
 * Two rules keep handlers harmless that drop streams, close the net or open another. Handlers are
 * called from the loop only, never from within a call of theirs: gw_stream_flush just notes that
 * there is something to do, and the loop does it before it waits again. And the memory of a stream
 * stays until libuv has closed its handles, which is after all callbacks of a turn. */
#ifndef GW_SESSION_NET_H
#define GW_SESSION_NET_H

#include "session/stream.h"

#include "session/strangers.h"

#include <sys/socket.h>
#include <sys/un.h>

enum {
    GW_NET_INPUT = 64 << 10,   /* stays in the cache between kernel and session */
    GW_NET_CIPHER = 256 << 10, /* of one write with TLS */
    GW_NET_WRITE = 4 << 20,    /* of one write without */
    GW_NET_TURN = 8 << 20,     /* of one stream before others get their turn */
    GW_NET_PIECES = 64
};

struct gw_net {
    uv_loop_t *loop;
    uv_idle_t idle;            /* runs while streams have something to do */
    struct gw_stream *streams; /* all, newest first */
    struct gw_listener *listeners;
    struct gw_stream *due, *due_last; /* those that have something to do */
    size_t due_count;
    bool closing;
    int users;       /* streams, listeners and the idle handle */
    uint8_t *cipher; /* GW_NET_CIPHER bytes; NULL: none yet, or a stream has them */
    uint8_t input[GW_NET_INPUT], plain[GW_NET_INPUT];
};

enum gw_stream_phase {
    GW_STREAM_CONNECTING, /* client: no connection or no TLS yet, and no session */
    GW_STREAM_TALKING,    /* with a session; a server's from accept on */
    GW_STREAM_LINGERING,  /* what is queued is still sent, the rest of what comes is thrown away */
    GW_STREAM_CLOSING     /* libuv is closing its handles */
};

struct gw_connect; /* connect.c's own */

struct gw_stream {
    struct gw_net *net;
    struct gw_stream *next, *before;         /* of the net's */
    struct gw_stream *next_due, *before_due; /* of those that have something to do */
    bool is_due;
    enum gw_stream_phase phase;
    struct gw_stream_calls calls;
    void *user;
    struct gw_session *session;
    struct gw_session_rules rules; /* of an accepted one: whom its session asks through us */
    struct gw_tls *tls;
    struct gw_connect *connect;
    struct gw_listener *listener; /* that has it among its strangers */
    struct gw_stranger stranger;

    /* The socket is ours and libuv watches it: libuv's own streams write without MSG_NOSIGNAL, so
     * that a peer that goes away would kill a host program that does not ignore SIGPIPE. */
    int fd; /* -1: none */
    uv_poll_t poll;
    int watched; /* what the poll is set to */
    uv_timer_t timer;
    int users;           /* libuv's handles and requests that will still call */
    int64_t timer_ns;    /* when the timer fires; INT64_MAX: not */
    int64_t deadline_ns; /* of connecting or lingering */
    bool looked;         /* the time is over, and what came by then has been read */

    uint8_t *cipher; /* with TLS: what the socket did not take */
    size_t cipher_sent, cipher_bytes;
    bool blocked;  /* the socket takes no more for now */
    bool shut;     /* said that we end */
    bool answered; /* something has been sent while lingering, which the peer is to get */
    bool hung;     /* the connection is over: what is left to read is all that there will be */
    bool ended;    /* nothing more comes from the peer */
    bool broken;   /* nothing more can be sent */
    bool paused;
    struct gw_error failure; /* without a session to tell it */
    char peer[GW_ADDRESS_TEXT + 32];
};

/* ---- net.c ----------------------------------------------------------------------------------- */

void gw_net_release(struct gw_net *net); /* one user less; the last frees */
/* Have the loop call gw_stream_work before it waits again. */
void gw_stream_due(struct gw_stream *stream);
void gw_stream_undue(struct gw_stream *stream);

/* ---- stream.c -------------------------------------------------------------------------------- */

/* Without a socket. NULL: out of memory. */
struct gw_stream *gw_stream_new(struct gw_net *net, const struct gw_stream_calls *calls,
                                void *user);
/* Tell events, write, look at the clock. */
void gw_stream_work(struct gw_stream *stream);
void gw_stream_tell(struct gw_stream *stream); /* events alone */
/* It failed, with a session or before. */
void gw_stream_fail(struct gw_stream *stream, gw_status status, const char *words);
void gw_stream_end(struct gw_stream *stream);     /* close now; `gone` follows */
void gw_stream_release(struct gw_stream *stream); /* one of libuv's users less */

/* ---- flow.c ---------------------------------------------------------------------------------- */

/* A socket for the stream, to be closed by it. Errors: libuv's; then it is still the caller's. */
int gw_stream_adopt(struct gw_stream *stream, int fd);
/* The socket is closed at once, and its handle, which is a user, later: `closed` is to release. */
void gw_stream_close_socket(struct gw_stream *stream, uv_close_cb closed);
/* Have libuv watch for what the stream waits for now. */
void gw_stream_watch(struct gw_stream *stream);
/* What a connection that is over still has for us. */
void gw_stream_read_rest(struct gw_stream *stream);
/* Write what waits, as far as the socket takes it. */
void gw_stream_write(struct gw_stream *stream);

/* ---- connect.c ------------------------------------------------------------------------------- */

/* The socket can be written to: it stands, or failed. */
void gw_connect_go_on(struct gw_stream *stream);
void gw_connect_expire(struct gw_stream *stream);
/* TLS stands: the session begins. */
void gw_connect_finish(struct gw_stream *stream);
void gw_connect_abandon(struct gw_stream *stream); /* stop asking for names */
void gw_connect_free(struct gw_stream *stream);

/* ---- listener.c ------------------------------------------------------------------------------ */

void gw_listener_forget(struct gw_stream *stream); /* it is no stranger any more */

/* ---- socket.c -------------------------------------------------------------------------------- */

extern const char gw_plain_words[]; /* why no plain session goes there, with a %s for where */

struct sockaddr_un gw_socket_unix(const struct gw_address *address);
bool gw_socket_is_loopback(const struct sockaddr *address);
/* "tcp:10.0.0.1:7070". */
void gw_socket_text(char *text, size_t bytes, const struct sockaddr *address);
/* A number for the address, or for the part of it that one owner has. */
uint64_t gw_socket_home(const struct sockaddr *address);
void gw_socket_tune(int fd, const struct gw_session_times *times);
/* A Unix socket's other end is a process of this user; its number in `*process`. */
bool gw_socket_is_ours(int fd, int *process);
/* A descriptor that listens; for port 0 the address gets the one that the system chose. */
gw_status gw_socket_listen(int *out, struct gw_address *address, bool plain,
                           struct gw_error *error);

#endif
