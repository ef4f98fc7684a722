/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of the worker's end share: worker.c (pushes, pulls, what callers see) and link.c
 * (one server: connecting, and what comes from it). */
#ifndef GW_SERVER_WORKER_INSIDE_H
#define GW_SERVER_WORKER_INSIDE_H

#include "server/worker.h"

struct link {
    struct gw_worker *worker;
    int server;
    const char *name;
    struct gw_session *session;     /* NULL: none */
    bool connecting, ready, joined; /* joined: was ready at one time */
    int64_t retry_at, backoff_ns;
    unsigned strikes;    /* payloads that were no good, in a row */
    struct gw_error why; /* why there is no connection, or was none the last time */
    char hint[256];      /* what the server's beats say */
    size_t first, count; /* its parts */
    uint64_t accepted;   /* by READY, the first time */
    uint64_t incarnation, round, meant;
    bool knows_values;        /* the server has shown that it has them */
    struct gw_blob *incoming; /* where the payload of values that arrive is put */
    /* The pull under way. */
    bool asked, answered;
    uint64_t held_incarnation, held_version; /* what this worker holds */
    struct gw_done_body done;
    struct gw_worker_item *items, **items_end;
    uint64_t items_count;
};

/* A push until all servers have acknowledged it. */
struct sent {
    struct sent *next;
    uint64_t number, clock;
    struct gw_worker_push push;
    uint64_t *meant; /* by server */
    bool *acked;     /* by server */
    struct gw_blob *part[];
};

struct gw_worker {
    struct gw_worker_world world;
    struct gw_worker_codecs codecs;
    struct gw_job *job;
    uint32_t worker;
    bool observer, started, ending;
    uint64_t instance;
    struct gw_part *parts;
    size_t parts_count;
    struct gw_blob_pool *payloads; /* where values are put */
    struct gw_blob **initial;      /* NULL: given away, or none */
    struct gw_job *terms;          /* in force; NULL: not known yet */
    int links_count;
    struct link *links;
    struct gw_error broken;
    struct sent *first, **last;
    size_t pushes;
    uint64_t number; /* of the last push */
    uint64_t clock;  /* the same on all servers */
    bool begun;      /* some server has ended a round */
    bool pulling;
    uint64_t pull_number;
    struct gw_worker_counts counts;
};

/* ---- link.c */

void gw_link_connect(struct link *link);
void gw_link_send_push(struct link *link, struct sent *sent, int64_t now);
void gw_link_send_pull(struct link *link, int64_t now);
void gw_link_send_clock(struct link *link, int64_t now);
void gw_link_drop_items(struct link *link);
void gw_link_take(struct link *link, struct gw_event *event, int64_t now);
void gw_link_lost(struct link *link, const struct gw_error *why, int64_t now);
gw_status gw_link_admit(void *link, const struct gw_frame *frame, uint8_t **room,
                        struct gw_error *error);

/* ---- worker.c */

void gw_worker_acked(struct gw_worker *worker, struct link *link, uint64_t number);
void gw_worker_drop_initial(struct gw_worker *worker);
/* A server says that this worker is as far as `clock`, and that it has ended `round`: if that is
 * news, all servers hear of it. */
void gw_worker_take_clock(struct gw_worker *worker, uint64_t clock, uint64_t round, int64_t now);

#endif
