/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of the session core share: the struct, and the calls between them.
 *
 *     session.c    opening, the clock, the end
 *     input.c      bytes to frames to events
 *     handshake.c  HELLO, WELCOME, TERMS, READY
 *     output.c     the queue
 *
 * The frames of the handshake and the last one have rooms in the struct, so that a stranger costs
 * no memory and "out of memory" can still be told. */
#ifndef GW_SESSION_INSIDE_H
#define GW_SESSION_INSIDE_H

#include "session/session.h"

enum {
    GW_HELLO_BYTES = 16,  /* oldest u16, newest u16, role u8, 3 zero bytes, instance u64 */
    GW_WELCOME_BYTES = 8, /* version u16, 6 zero bytes */
    GW_REFUSE_STATUS = 4, /* i32, then words */
    GW_REFUSE_BYTES = GW_REFUSE_STATUS + 600,
    GW_BEAT_BYTES = 255
};

enum gw_session_state {
    GW_SESSION_STRANGER, /* server: no HELLO yet */
    GW_SESSION_ASKED,    /* server: the room above has to welcome or to refuse */
    GW_SESSION_WELCOMED, /* server: no TERMS yet */
    GW_SESSION_JUDGED,   /* server: the room above has to say ready or to refuse */
    GW_SESSION_HOPING,   /* client: no WELCOME yet */
    GW_SESSION_CHECKED,  /* client: no READY yet */
    GW_SESSION_READY,
    GW_SESSION_OVER
};

/* A frame that waits to be sent. */
struct gw_chunk {
    struct gw_chunk *next;
    const uint8_t *payload;
    size_t bytes;
    struct gw_blob *blob; /* the payload's, shared; NULL: the payload is somebody else's */
    void (*sent)(void *user);
    void *user;
    bool malloced;
    bool handed; /* gw_session_output has shown it: it must stay where it is */
    uint8_t header[GW_FRAME_HEADER];
};

struct gw_session {
    struct gw_session_setup setup; /* setup.terms is not used: see `terms` */
    struct gw_session_peer peer;
    enum gw_session_state state;
    uint16_t version;
    bool heard;     /* a whole header has come: not a stranger that speaks something else */
    bool mute;      /* nothing can be sent any more */
    bool paused;    /* the stream does not read */
    bool ready_due; /* server: GW_EVENT_READY is to be told */
    bool end_due;   /* GW_EVENT_CLOSED is to be told */
    struct gw_error end;

    int64_t opened_ns, heard_ns, spoke_ns, frame_ns, paused_ns;
    int64_t head_ns; /* since when the first frame of the queue is the first */

    /* The frame that comes, and then the event that it is until the event is taken. */
    uint8_t header[GW_FRAME_HEADER];
    size_t header_bytes, payload_bytes;
    struct gw_frame frame;
    uint8_t *payload;
    bool placed;
    enum gw_event_kind told; /* GW_EVENT_NONE: input may go on */
    uint8_t small[GW_REFUSE_BYTES + 1];

    struct gw_chunk *first, **last;
    size_t first_sent; /* bytes of the first chunk that have left */
    size_t queued;
    struct gw_blob *terms; /* client */

    /* Chunks that need no memory: HELLO or WELCOME, TERMS, a beat, REFUSE or BYE. */
    struct gw_chunk greeting, asking, beat, ending;
    uint8_t greeting_payload[GW_HELLO_BYTES], beat_payload[GW_BEAT_BYTES];
    uint8_t ending_payload[GW_REFUSE_BYTES];
    char beat_text[GW_BEAT_BYTES + 1];
};

/* ---- session.c ------------------------------------------------------------------------------- */

/* "worker 3", "the server": for messages. */
enum { GW_PEER_TEXT = 32 };
const char *gw_session_peer_name(const struct gw_session *session, char text[GW_PEER_TEXT]);

/* The session is over because of `error`; the peer is told why if it has shown that it speaks the
 * protocol. Hands the status back. */
gw_status gw_session_fail(struct gw_session *session, const struct gw_error *error, int64_t now);
/* The same, and the peer is told nothing: it said so itself, or is gone. */
void gw_session_end(struct gw_session *session, const struct gw_error *error);
/* Ends it if the deadline of the handshake or of a frame is over. */
bool gw_session_expire(struct gw_session *session, int64_t now);

/* ---- input.c --------------------------------------------------------------------------------- */

void gw_session_forget_input(struct gw_session *session); /* a frame not yet told, and its memory */

/* ---- handshake.c ----------------------------------------------------------------------------- */

void gw_session_say_hello(struct gw_session *session, int64_t now);
/* What came is in session->frame and session->small. Errors have not ended the session yet. */
gw_status gw_session_hear_hello(struct gw_session *session, struct gw_error *error);
gw_status gw_session_hear_welcome(struct gw_session *session, int64_t now, struct gw_error *error);

/* ---- output.c -------------------------------------------------------------------------------- */

/* Put a frame with the session's job, worker, epoch and version at the end of the queue. The chunk
 * has payload, bytes, blob, sent and malloced set. */
void gw_session_queue(struct gw_session *session, struct gw_chunk *chunk,
                      const struct gw_frame *frame, uint64_t checksum, int64_t now);
/* One of the session's own chunks, with a payload that stays. */
void gw_session_queue_own(struct gw_session *session, struct gw_chunk *chunk, uint8_t type,
                          const void *payload, size_t bytes, int64_t now);
/* Give up the frames of the room above that the stream has not seen yet. */
void gw_session_drop_unseen(struct gw_session *session);
void gw_session_drop_output(struct gw_session *session); /* all of them */
void gw_session_beat(struct gw_session *session, int64_t now);

#endif
