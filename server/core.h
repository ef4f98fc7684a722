/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server without sockets, threads, clock or disk: events of sessions and the time go in, frames
 * go to sessions, and what takes long is handed to the world around. serve.c is that world over
 * libuv and a pool of threads, the fault tests are another, in which time is a number.
 *
 * One work (applying a round, or encoding for pulls) is under way at a time, and one operation of
 * the store; sessions go on meanwhile. */
#ifndef GW_SERVER_CORE_H
#define GW_SERVER_CORE_H

#include "server/job.h"
#include "server/shard.h"
#include "server/store.h"
#include "session/session.h"

#include <stdio.h>

struct gw_core;
struct gw_core_peer; /* one connection */

/* What becomes of a push when the server is killed. */
enum gw_durability_kind { GW_DURABLE_NONE, GW_DURABLE_SNAPSHOT, GW_DURABLE_LOG };

struct gw_durability {
    enum gw_durability_kind kind;
    uint64_t every; /* rounds between snapshots */
};

struct gw_durability_info {
    const char *name, *sentence;
    const gw_param *params; /* ends with a NULL key */
};
extern const struct gw_durability_info gw_durabilities[]; /* by kind; ends with a NULL name */
gw_status gw_durability_parse(struct gw_durability *out, const char *spec, struct gw_error *error);

/* What the core needs done. `done` may be called before the call returns. */
struct gw_core_world {
    void *user;
    /* Run all parts of all phases of a work. */
    void (*compute)(void *user, struct gw_work *work, void (*done)(struct gw_core *core),
                    struct gw_core *core);
    /* Run what blocks. */
    void (*background)(void *user, void (*task)(struct gw_core *core),
                       void (*done)(struct gw_core *core), struct gw_core *core);
    /* The session of this link has output, and perhaps events: CLOSED, if the core refused it. A
     * link whose session is closed ends by itself; gw_core_gone is called then. */
    void (*flush)(void *user, void *link);
    void (*say)(void *user, const char *line);
};

struct gw_core_setup {
    struct gw_job *job; /* the server's own terms; the core's, if the open succeeds */
    struct gw_durability durability;
    const char *folder;
    const struct gw_files *files;
    uint64_t incarnation; /* random, never 0 */
    int64_t lost_ns;      /* a worker whose connection broke is waited for so long */
    int64_t back_ns;      /* and so long after a start, for workers that were there before it */
    int threads;          /* that `compute` uses */
};

gw_status gw_core_open(struct gw_core **out, const struct gw_core_setup *setup,
                       const struct gw_core_world *world, int64_t now, struct gw_error *error);
/* Nothing handed to the world may be under way any more; links were dropped. NULL is fine. */
void gw_core_close(struct gw_core *core);

/* ---- connections -------------------------------------------------------------------------------
 */

/* NULL: out of memory. `name`: the peer's address, for messages. */
struct gw_core_peer *gw_core_accept(struct gw_core *core, void *link, const char *name);
/* The session, once there is one: before its first event. */
void gw_core_bind(struct gw_core_peer *peer, struct gw_session *session);
void gw_core_event(struct gw_core_peer *peer, struct gw_event *event, int64_t now);
/* The link is gone; frees the peer. */
void gw_core_gone(struct gw_core_peer *peer, int64_t now);
/* gw_session_rules.admit, with the peer as user. */
gw_status gw_core_admit(void *peer, const struct gw_frame *frame, uint8_t **room,
                        struct gw_error *error);

int64_t gw_core_deadline(const struct gw_core *core);
void gw_core_tick(struct gw_core *core, int64_t now);

/* ---- ending and looking ------------------------------------------------------------------------
 */

/* Take no new workers. While somebody waits, for a round or a pull, the others' pushes still count,
 * for `drain_ns` at most; then no push does. Then the work under way ends, and what durability
 * wants is written. gw_core_has_stopped tells when all that is done, and gw_core_result whether it
 * went well. */
void gw_core_stop(struct gw_core *core, int64_t drain_ns, int64_t now);
bool gw_core_has_stopped(const struct gw_core *core);
gw_status gw_core_result(const struct gw_core *core, struct gw_error *error);

/* JSON, malloced; NULL: out of memory. And the same in Prometheus' text format. */
char *gw_core_status(struct gw_core *core, int64_t now);
char *gw_core_metrics(struct gw_core *core, int64_t now);

/* For tests: the shard (NULL before the first worker), rounds that have ended. */
struct gw_shard *gw_core_shard(struct gw_core *core);
uint64_t gw_core_round(const struct gw_core *core);

#endif
