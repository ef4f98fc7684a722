/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What tests of streams share: a loop with a listener and clients, both in this process, that
 * shake hands by themselves and count what they are told. */
#ifndef GW_TESTS_STREAM_ROOM_H
#define GW_TESTS_STREAM_ROOM_H

#include "session/stream.h"

enum { ROOM_SIDES = 2048, ROOM_JOB = 77, ROOM_FRAME = GW_FRAME_FIRST_USE };

enum room_kind { UNIX_PLAIN, TCP_PLAIN, UNIX_TLS, TCP_TLS, ROOM_KINDS };

/* One end of a stream. */
struct side {
    struct room *room;
    struct gw_stream *stream; /* NULL: gone */
    bool serves;
    int hellos, readies, frames, beats, closed, drained, gone, given_back;
    uint64_t bytes; /* of frames' payloads */
    struct gw_error end;
    /* After the side has done with the event itself. */
    void (*also)(struct side *side, struct gw_event *event);
    void (*when_drained)(struct side *side);
    void *data;
};

struct room {
    uv_loop_t loop;
    uv_timer_t guard;
    bool out_of_time;
    struct gw_net *net;
    struct gw_listener *listener;
    struct gw_keys *keys;
    struct gw_tls_context *serving, *asking; /* `asking`: as worker 1 */
    struct gw_address address;               /* of the listener */
    struct gw_session_setup setup;           /* for both ends; changed before room_listen */
    struct side *sides[ROOM_SIDES];
    int count;
    int strangers; /* for the listener */
    /* What new accepted sides get. */
    void (*also)(struct side *side, struct gw_event *event);
    char folder[32];
};

/* A loop and a net; room_listen: the listener. */
void room_open(struct room *room, enum room_kind kind);
void room_listen(struct room *room);
/* Closes what is open and checks that every side is gone and nothing is left. */
void room_close(struct room *room);

/* Worker `worker` connects, with the key of worker 1 where there are keys. */
struct side *room_connect(struct room *room, uint32_t worker, const char *terms);
struct side *room_connect_to(struct room *room, const struct gw_address *address, uint32_t worker,
                             const char *terms);
/* The newest accepted side; NULL: none. */
struct side *room_served(const struct room *room);

/* Run the loop until `*counter` is `wanted` or more; fails the test after 30 s. */
void room_run(struct room *room, const int *counter, int wanted);
void room_run_ms(struct room *room, unsigned ms);

int64_t room_now(const struct room *room);

/* A socket of its own that connects to the room's listener; -1: not. Does not wait. */
int room_raw(const struct room *room);

#endif
