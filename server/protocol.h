/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a worker and a server say to each other once their session is ready: the types of frames and
 * their fixed bodies (doc/wire-format.md).
 *
 *     worker                                server
 *     CLOCK                                               if READY's is behind, or it has risen
 *     INIT part... (the last one marked)                  only if READY asked for values
 *     PUSH part... COMMIT            ->
 *                                    <-     ACK            the push counts (or NAK: it does not)
 *     PULL                           ->
 *                                    <-     VALUES part... DONE
 *     ASK                            ->
 *                                    <-     STATUS         JSON text
 *
 * A push is one worker's gradient of all parts of this server; it counts as a whole, at its COMMIT.
 * frame.sequence is the number of the push (counted by the worker, rising, the same on all servers
 * and after every reconnect) or of the pull. frame.tensor is the part's position in the shard.
 *
 * A worker's clock counts its pushes, from where it joined; it is the same on all servers, so that
 * the worker that is the furthest behind is so everywhere, and nobody makes it wait. A server that
 * gives a worker a later clock, so that it does not hold up others, says so in READY, and the
 * worker tells the other servers. It also tells them that rounds have begun: a server that a kill
 * has taken back to before the first one need not wait for workers that have come and gone. */
#ifndef GW_SERVER_PROTOCOL_H
#define GW_SERVER_PROTOCOL_H

#include "session/frame.h"

#include <stdbool.h>

enum gw_ps_frame {
    GW_PS_INIT = GW_FRAME_FIRST_USE,
    GW_PS_PUSH,
    GW_PS_COMMIT,
    GW_PS_ACK,
    GW_PS_NAK,
    GW_PS_PULL,
    GW_PS_VALUES,
    GW_PS_DONE,
    GW_PS_ASK,
    GW_PS_STATUS,
    GW_PS_CLOCK
};

/* What a client is, in its HELLO. */
enum gw_ps_role { GW_PS_WORKER = 0, GW_PS_OBSERVER = 1 };

/* Flags of frames. */
enum {
    GW_PS_LAST = 1,  /* INIT: no more parts follow */
    GW_PS_RAW = 2,   /* PUSH, VALUES: a payload of codec raw, whatever the spec */
    GW_PS_WHOLE = 4, /* VALUES: replaces what the worker holds */
    GW_PS_LATE = 8   /* ACK: thrown away, it came too late */
};

/* Bodies. gw_*_write fills exactly the bytes named; gw_*_read takes exactly those. */
enum {
    GW_READY_BYTES = 56, /* then the terms in force, as text */
    GW_COMMIT_BYTES = 40,
    GW_CLOCK_BYTES = 16,
    GW_ACK_BYTES = 8,
    GW_PULL_BYTES = 24,
    GW_DONE_BYTES = 48
};

struct gw_ready_body {
    uint64_t incarnation; /* of the server: new at each start */
    uint64_t accepted;    /* the highest push of this worker that counts */
    uint64_t durable;     /* and that is as safe as the server's durability makes it */
    uint64_t round;       /* rounds that have ended */
    uint64_t parts;       /* of this shard */
    uint64_t clock;       /* of this worker */
    bool wants_values;
};

struct gw_clock_body {
    uint64_t clock;
    bool begun; /* the worker has seen the result of a round, of any server */
};

struct gw_commit_body {
    double rate;    /* NaN: the optimizer's own */
    uint64_t meant; /* the round it is for */
    uint64_t clock; /* the worker's, with this push */
    double norm;    /* of the worker's residuals; for people */
    uint32_t parts; /* PUSH frames before this */
    bool leaving;   /* the worker's last push */
};

struct gw_pull_body {
    uint64_t incarnation, version; /* what the worker holds; 0, 0: nothing */
    uint64_t wanted;               /* the round whose result it wants; 0: whatever there is */
};

struct gw_done_body {
    uint64_t incarnation, version; /* what the worker holds from now on */
    uint64_t round;
    uint64_t ahead; /* clocks that the worker is ahead of the slowest live one */
    uint32_t contributors, members;
    uint64_t payloads; /* VALUES frames before this */
};

void gw_ready_write(uint8_t out[GW_READY_BYTES], const struct gw_ready_body *body);
void gw_ready_read(struct gw_ready_body *body, const uint8_t in[GW_READY_BYTES]);
void gw_clock_write(uint8_t out[GW_CLOCK_BYTES], const struct gw_clock_body *body);
void gw_clock_read(struct gw_clock_body *body, const uint8_t in[GW_CLOCK_BYTES]);
void gw_commit_write(uint8_t out[GW_COMMIT_BYTES], const struct gw_commit_body *body);
void gw_commit_read(struct gw_commit_body *body, const uint8_t in[GW_COMMIT_BYTES]);
void gw_pull_write(uint8_t out[GW_PULL_BYTES], const struct gw_pull_body *body);
void gw_pull_read(struct gw_pull_body *body, const uint8_t in[GW_PULL_BYTES]);
void gw_done_write(uint8_t out[GW_DONE_BYTES], const struct gw_done_body *body);
void gw_done_read(struct gw_done_body *body, const uint8_t in[GW_DONE_BYTES]);

/* NAK: a status, then words; read cuts and cleans what it is given. */
size_t gw_nak_write(uint8_t *out, size_t capacity, gw_status status, const char *words);
void gw_nak_read(struct gw_error *error, const uint8_t *in, size_t bytes);

#endif
