/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* One end of a connection's protocol, without input or output: bytes and the time go in, bytes and
 * events come out. What carries the bytes (stream.c over libuv, a test over an array) knows nothing
 * of what they say, and the session nothing of sockets or clocks.
 *
 *     client                        server
 *     HELLO job, worker      ->     GW_EVENT_HELLO: gw_session_welcome or gw_session_refuse
 *                            <-     WELCOME epoch
 *     TERMS text             ->     GW_EVENT_TERMS: gw_session_ready or gw_session_refuse
 *     GW_EVENT_READY         <-     READY payload           (and GW_EVENT_READY on the server too)
 *     frames                <->     frames
 *     BYE                    ->     GW_EVENT_CLOSED, status GW_OK
 *
 * Rules that hold for every byte:
 *  - Until the peer is welcome, nothing is allocated for it: HELLO has to fit a fixed buffer. A
 *    wrong first byte closes the session without an answer.
 *  - Nothing is allocated for a frame before rules->admit has agreed to its length.
 *  - Frames carry the session's job, worker and epoch, or the session is closed: a peer that was
 *    declared dead and speaks again has an old epoch.
 *  - Deadlines: `handshake_ns` for the whole handshake, `frame_ns` from a frame's first byte to its
 *    last, and from when a frame is the next to be sent until the peer has taken it; a slow drip
 *    extends none of them. Who sends nothing at all for `dead_ns` is dead. A beat goes
 *    out when nothing else did for `beat_ns`.
 *  - The first failure closes the session: GW_EVENT_CLOSED comes once, last, with status and words.
 *    What stands in the output then (a REFUSE with the reason, say) should still be sent, briefly.
 *
 * Threads: one session, one thread. */
#ifndef GW_SESSION_SESSION_H
#define GW_SESSION_SESSION_H

#include "session/blob.h"
#include "session/frame.h"

#include <stdbool.h>
#include <sys/uio.h>

struct gw_session;

/* 0 in any of them: the default; INT64_MAX: no limit. */
struct gw_session_times {
    int64_t handshake_ns, frame_ns, beat_ns, dead_ns;
};

/* 3 s, 60 s, 0.5 s, 2 s. */
extern const struct gw_session_times gw_session_times_default;
/* With those in place of 0. */
struct gw_session_times gw_session_times_fill(const struct gw_session_times *times);

/* What the room above allows. */
struct gw_session_rules {
    /* The header of a frame of type >= GW_FRAME_FIRST_USE, frame->length included, before any of
     * its payload: GW_OK, or an error that closes the session. May set `*room` to where the payload
     * is to be put (frame->length bytes that stay until the frame's event or the close); else it
     * gets a buffer of its own. */
    gw_status (*admit)(void *user, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error);
    void *user;
    size_t terms_bytes; /* the longest TERMS text that a server takes */
};

/* The most bytes that READY may bring: a server's word is no reason to allocate without end. */
enum { GW_SESSION_READY_BYTES = 16 << 20 };

struct gw_session_setup {
    bool serves;       /* the end that was connected to */
    uint64_t job;      /* the server's: only peers of this job are heard; 0: any */
    uint32_t worker;   /* the client's number */
    uint8_t role;      /* the client's: a byte for the room above (worker, observer, ...) */
    uint64_t instance; /* the client's: random, the same for all sessions of one process */
    const char *terms; /* the client's; copied */
    struct gw_session_times times;
    struct gw_session_rules rules;
};

/* What a peer said in its HELLO (on a server), or this end did (on a client). */
struct gw_session_peer {
    uint64_t job, instance;
    uint32_t worker, epoch; /* epoch: from WELCOME on */
    uint8_t role;
};

enum gw_event_kind {
    GW_EVENT_NONE = 0,
    GW_EVENT_HELLO, /* server: gw_session_peer tells who */
    GW_EVENT_TERMS, /* server: payload is the text, NUL behind its `length` */
    GW_EVENT_READY, /* the handshake is over; on the client payload is what READY brought */
    GW_EVENT_FRAME, /* type >= GW_FRAME_FIRST_USE, checksums good */
    GW_EVENT_BEAT,  /* payload is the peer's text */
    GW_EVENT_CLOSED /* status and words; nothing follows */
};

struct gw_event {
    enum gw_event_kind kind;
    struct gw_frame frame; /* HELLO to BEAT */
    uint8_t *payload;      /* of frame.length bytes; malloced unless admit gave the room. The taker
                            * of the event frees it (gw_event_release), or keeps it and sets NULL */
    bool placed;           /* admit gave the room: not to be freed */
    struct gw_error error; /* CLOSED: status GW_OK after BYE or gw_session_bye */
};

void gw_event_release(struct gw_event *event);

/* A client's first output is its HELLO. NULL: out of memory. */
struct gw_session *gw_session_open(const struct gw_session_setup *setup, int64_t now);
void gw_session_close(struct gw_session *session); /* NULL is fine */

const struct gw_session_peer *gw_session_peer(const struct gw_session *session);
bool gw_session_is_ready(const struct gw_session *session);  /* the handshake is over, not closed */
bool gw_session_is_closed(const struct gw_session *session); /* CLOSED was or will be told */

/* ---- input ----------------------------------------------------------------------------------- */

/* Take bytes from the peer until there is an event; returns how many were taken, 0 while an event
 * waits already (gw_session_ready makes one, too). Call gw_session_next until it has none, then go
 * on with the rest. After CLOSED everything is taken and thrown away. */
size_t gw_session_feed(struct gw_session *session, const void *bytes, size_t count, int64_t now);

/* The next event; false: none now. */
bool gw_session_next(struct gw_session *session, struct gw_event *event);

/* The stream ended or failed (status GW_OK: the peer closed it without BYE, which is an error of
 * its own, GW_ETRANSPORT). */
void gw_session_cut(struct gw_session *session, gw_status status, const char *words);

/* When gw_session_tick is due at the latest; INT64_MAX: never. */
int64_t gw_session_deadline(const struct gw_session *session);
void gw_session_tick(struct gw_session *session, int64_t now);

/* The stream does not read for now, on its own account; or does again. While it does not, the
 * peer's silence means nothing: neither frame_ns nor dead_ns run. */
void gw_session_pause(struct gw_session *session, bool paused, int64_t now);

/* What came as a status: itself where it is an error that this library knows, else `other`. */
gw_status gw_session_error(gw_status status, gw_status other);

/* ---- output ---------------------------------------------------------------------------------- */

/* What waits to be sent, as up to `most` pieces; returns how many. They stay valid until
 * gw_session_sent says that the first `bytes` of them have left. */
int gw_session_output(struct gw_session *session, struct iovec *pieces, int most);
void gw_session_sent(struct gw_session *session, size_t bytes, int64_t now);
size_t gw_session_queued(const struct gw_session *session); /* bytes that wait */

/* ---- answers and frames ---------------------------------------------------------------------- */

/* Server, after GW_EVENT_HELLO, GW_EVENT_TERMS. Errors: GW_ESTATE (not asked, or closed),
 * GW_EINVAL (more than GW_SESSION_READY_BYTES); GW_ENOMEM closes the session. */
gw_status gw_session_welcome(struct gw_session *session, uint32_t epoch, int64_t now);
gw_status gw_session_ready(struct gw_session *session, const void *payload, size_t bytes,
                           int64_t now);

/* Close, telling the peer why; it gets GW_EVENT_CLOSED with the same status and words. For either
 * end at any time. */
void gw_session_refuse(struct gw_session *session, gw_status status, const char *words,
                       int64_t now);

/* Queue a frame; type, flags, sequence, tensor and spec are taken from `frame`, the session fills
 * the rest. The session shares `payload` (sealed; NULL: none) until it is sent. Only when ready.
 * Errors: GW_ENOMEM, GW_ESTATE (not ready, or closed); nothing was queued. */
gw_status gw_session_send(struct gw_session *session, const struct gw_frame *frame,
                          struct gw_blob *payload, int64_t now);

/* The same for a payload that the caller keeps where it is, until `sent` is called with `user`:
 * when it has left, or when the session is closed or given up before. */
gw_status gw_session_send_borrowed(struct gw_session *session, const struct gw_frame *frame,
                                   const void *payload, size_t bytes, void (*sent)(void *user),
                                   void *user, int64_t now);

/* The text of the beats from now on, "" at first; cut to 255 bytes. */
void gw_session_set_beat(struct gw_session *session, const char *text);

/* Say BYE and close: GW_EVENT_CLOSED with GW_OK follows; the output should still be sent. */
void gw_session_bye(struct gw_session *session, int64_t now);

#endif
