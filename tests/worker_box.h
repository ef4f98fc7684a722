/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's core in a box: two servers that say what a test tells them to, and keep what they were
 * told. The layout is one tensor of 8 floats, half of it on each server. */
#ifndef GW_TESTS_WORKER_BOX_H
#define GW_TESTS_WORKER_BOX_H

#include "server/worker.h"

enum { WB_SERVERS = 2, WB_COUNT = 8, WB_FRAMES = 64 };
#define MS INT64_C(1000000)

struct seen {
    uint8_t type, flags;
    uint64_t sequence, meant, clock;
};

/* One server's end. */
struct server {
    struct gw_session *session, *client; /* NULL: not connected */
    int asked;                           /* connections asked for */
    struct seen seen[WB_FRAMES];
    int count;
};

struct worker_box {
    struct gw_worker *worker;
    struct gw_job *job;
    struct server servers[WB_SERVERS];
    int64_t now;
    int changes;
    bool remembers;
    gw_status open_status;
};
extern struct worker_box wb;

void wb_set_up(void);
void wb_tear_down(void);
void wb_run(int server); /* carry bytes and events until both ends are silent */

/* What a server says. `accept`: the connection that was asked for stands, with this READY. */
void wb_accept_with(int server, const struct gw_ready_body *ready);
void wb_accept(int server, uint64_t incarnation, uint64_t accepted, bool wants_values);
void wb_ack(int server, uint64_t number, uint8_t flags);
void wb_nak(int server, uint64_t number, gw_status status);
void wb_values(int server, uint64_t pull, float value);
void wb_done(int server, uint64_t pull, uint64_t round, uint64_t version, uint64_t payloads);
void wb_cut(int server); /* and the worker asks for another connection */

void wb_push(void);
void wb_pull(void);

/* The last frame of this type that a server was sent, and how many. */
const struct seen *wb_last(int server, uint8_t type);
int wb_count(int server, uint8_t type);
void wb_wait_for_retry(int server);
void wb_expect_broken(gw_status status, const char *words);

#endif
