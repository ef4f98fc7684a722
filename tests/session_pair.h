/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Two sessions with arrays between them, for tests: what each was told, and every byte that it
 * said. Nothing here allocates, so that allocations seen are the session's. */
#ifndef GW_TESTS_SESSION_PAIR_H
#define GW_TESTS_SESSION_PAIR_H

#include "session/session.h"
#include "tests/next_random.h"

enum {
    PAIR_EVENTS = 512,
    PAIR_WIRE = 1 << 20,
    PAIR_ROOM = 1 << 17,
    PAIR_SECOND = 1000000000,
    PAIR_JOB = 0x6d6e697374,
    PAIR_WORKER = 3,
    PAIR_EPOCH = 7,
    PAIR_TERMS = 1000 /* the longest that the server takes */
};

/* An event, short. */
struct seen {
    enum gw_event_kind kind;
    struct gw_frame frame;
    uint64_t payload; /* checksum of what was told */
};

struct end {
    struct gw_session *session;
    /* What it does by itself. */
    bool answers;     /* welcomes and says ready */
    bool places;      /* gives the room for payloads */
    uint32_t longest; /* what it admits */
    /* What it was told. */
    struct seen seen[PAIR_EVENTS];
    int count;
    int closings;
    struct gw_error end;
    int admitted;
    uint8_t room[PAIR_ROOM];
    /* What it said, and how much of it the other end was fed. */
    uint8_t said[PAIR_WIRE];
    size_t said_bytes, heard_bytes;
};

struct pair {
    struct end client, server;
    uint64_t random; /* state of the sequence that cuts the streams; 0: no cuts */
    size_t most;     /* with cuts: the longest piece */
    int64_t now;
};

/* The setups that the ends below have; a test may change them first. */
struct gw_session_setup pair_setup(bool serves, struct end *end);
void end_open(struct end *end, const struct gw_session_setup *setup, int64_t now);
void end_close(struct end *end);

/* Feed bytes in pieces of at most `most` (0: all at once; with `random`: of random lengths), and
 * take every event. */
void end_feed(struct end *end, const uint8_t *bytes, size_t count, size_t most, uint64_t *random,
              int64_t now);
void end_events(struct end *end, int64_t now);                /* those that wait */
void end_say(struct end *end, uint64_t *random, int64_t now); /* output to `said` */
int end_count(const struct end *end, enum gw_event_kind kind);

/* Open both. `most`, `seed`: how their bytes are cut. */
void pair_open(struct pair *pair, size_t most, uint64_t seed);
void pair_close(struct pair *pair);
/* Carry bytes until both are silent. */
void pair_run(struct pair *pair);
void pair_shake_hands(struct pair *pair);
/* A frame of `type` with `bytes` of payload that its sequence number determines. */
gw_status end_send(struct end *end, uint8_t type, uint64_t sequence, size_t bytes, int64_t now);

/* Fails the test unless the end was closed once, last, with this status and words that hold `words`
 * (NULL: any). */
void expect_closed(const struct end *end, gw_status status, const char *words);

/* One frame's bytes as a peer would write them, with right checks; returns how many. */
size_t raw_frame(uint8_t *out, const struct gw_frame *frame, const void *payload, size_t bytes);

#endif
