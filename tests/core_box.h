/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server's core in a box, for tests that say step by step what happens: clients that say exactly
 * what they are told to, work and disk that are done at once or held back, a clock that a test
 * moves. The layout is one tensor of BOX_COUNT floats, pushed raw. */
#ifndef GW_TESTS_CORE_BOX_H
#define GW_TESTS_CORE_BOX_H

#include "server/core.h"
#include "server/protocol.h"
#include "tests/sim_files.h"

enum { BOX_COUNT = 5, BOX_CLIENTS = 8, BOX_SAID = 8192 };
#define BOX_MS INT64_C(1000000)

struct box;

struct client {
    struct box *box;
    struct gw_session *session, *server; /* both ends; NULL: there is no connection */
    struct gw_core_peer *peer;
    uint32_t worker;
    bool deaf; /* takes nothing from the wire */
    /* What it was told. */
    bool ready, closed;
    struct gw_ready_body said; /* by READY */
    struct gw_error end;
    int acks, naks, dones, values, statuses;
    uint64_t acked; /* the last one */
    bool late;
    struct gw_error nak;
    struct gw_done_body done;
    float held[BOX_COUNT]; /* from values that came whole and raw */
    char beat[256];
};

struct box {
    struct gw_core *core;
    struct sim_files *disk;
    int64_t now;
    const char *mode, *durability, *aggregator;
    int expected;
    int64_t lost_ns;
    struct client clients[BOX_CLIENTS];
    bool holds_work, holds_disk;
    struct gw_work *work;
    void (*work_done)(struct gw_core *core);
    void (*task)(struct gw_core *core), (*task_done)(struct gw_core *core);
    char said[BOX_SAID]; /* lines for the log */
};

/* sync, no durability, one worker expected, work at once; a test changes fields, then opens. */
void box_make(struct box *box);
void box_open(struct box *box);
gw_status box_try_open(struct box *box, struct gw_error *error);
void box_kill(struct box *box, bool machine); /* box_open follows */
void box_close(struct box *box);
/* Carry bytes and events until all are silent. */
void box_run(struct box *box);
/* Let time pass: every deadline on the way is met. */
void box_wait(struct box *box, int64_t ns);
void box_do_work(struct box *box); /* what was held back */
void box_do_disk(struct box *box);
float box_value(struct box *box, size_t element); /* of the parameters */

/* The job that clients speak of; tests change it before they connect. Close it. */
struct gw_job *box_job(const struct box *box);

/* Connect and shake hands as far as the server lets it. `instance` 0: the worker's own. */
void client_open(struct client *client, uint32_t worker, uint64_t instance);
void client_open_as(struct client *client, uint32_t worker, uint64_t instance, uint8_t role,
                    const struct gw_job *job);
void client_cut(struct client *client); /* the connection is lost */
void client_bye(struct client *client);
void client_init(struct client *client, float value); /* initial values, all the same */
/* Push number `number`: all elements are `value`. */
void client_push(struct client *client, uint64_t number, float value);
struct push_how {
    uint64_t meant, clock;
    bool leaving, raw;
    double rate;
    uint32_t parts; /* 0: as many as were sent */
};
void client_push_as(struct client *client, uint64_t number, const float *values,
                    const struct push_how *how);
void client_commit(struct client *client, uint64_t number, const struct push_how *how);
void client_pull(struct client *client, uint64_t wanted);
void client_send(struct client *client, const struct gw_frame *frame, const void *body,
                 size_t bytes);

#endif
