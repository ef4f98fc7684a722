/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's end without sockets, threads or clock, as core.h is the server's: it keeps what is not
 * acknowledged, connects again, sends again, and puts pulls together. Floats are not its business:
 * payloads come from encoder.h and go to decoder.h. ps.c is the world around it over libuv, the
 * fault tests are another.
 *
 * Threads: none of its own; ps.c calls it under a lock. */
#ifndef GW_SERVER_WORKER_H
#define GW_SERVER_WORKER_H

#include "server/job.h"
#include "server/protocol.h"
#include "session/session.h"

struct gw_worker;

struct gw_worker_world {
    void *user;
    /* Connect to a server: gw_worker_bound follows, or gw_worker_gone. */
    void (*connect)(void *user, int server);
    void (*flush)(void *user, int server); /* its session has output, and perhaps events */
    void (*changed)(void *user);           /* something that callers wait for may have come */
};

struct gw_worker_setup {
    struct gw_job *job; /* terms and layout, job->servers of them; the worker's, if open succeeds */
    const char *const *names; /* the servers' addresses, for words; they must stay */
    uint32_t worker;
    bool observer;
    uint64_t instance; /* random, not 0 */
};

/* Nothing is connected before gw_worker_start. */
gw_status gw_worker_open(struct gw_worker **out, const struct gw_worker_setup *setup,
                         const struct gw_worker_world *world, struct gw_error *error);
void gw_worker_close(struct gw_worker *worker); /* links were dropped; NULL is fine */

/* All parts of all servers, in layout order; those of server s are together, in shard order. */
const struct gw_part *gw_worker_parts(const struct gw_worker *worker, size_t *count);

/* Begin. `initial`: a payload of codec raw per part, which is kept until its server has shown that
 * it has values; the caller's shares are given away. NULL for observers. */
void gw_worker_start(struct gw_worker *worker, struct gw_blob **initial, int64_t now);

/* Every server is, or was at one time, ready. Then gw_worker_terms is the terms in force. */
bool gw_worker_has_joined(const struct gw_worker *worker);
const struct gw_job *gw_worker_terms(const struct gw_worker *worker);

/* Nothing can follow: the first such failure stays. */
void gw_worker_break(struct gw_worker *worker, gw_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What ended it all, GW_OK if nothing has; and what is missing now, in words, for a deadline:
 * GW_ETIMEOUT, or GW_ESTATE where a server refuses this worker for as long as things are so. */
gw_status gw_worker_broken(const struct gw_worker *worker, struct gw_error *error);
gw_status gw_worker_missing(const struct gw_worker *worker, char *text, size_t capacity);

/* ---- pushes ------------------------------------------------------------------------------------
 */

struct gw_worker_push {
    double rate, norm; /* rate: NaN for the optimizer's own */
    bool raw, leaving;
};

/* Number of the next push: after has_joined. */
uint64_t gw_worker_next_push(const struct gw_worker *worker);
/* A payload per part; takes the caller's shares (on an error too). GW_ENOMEM. */
gw_status gw_worker_push(struct gw_worker *worker, struct gw_blob **parts,
                         const struct gw_worker_push *push, int64_t now);
size_t gw_worker_pushes(const struct gw_worker *worker); /* not acknowledged by all servers */
bool gw_worker_push_is_done(const struct gw_worker *worker, uint64_t number);

/* ---- pulls: one at a time ----------------------------------------------------------------------
 */

struct gw_worker_item {
    struct gw_worker_item *next;
    size_t part; /* of all */
    bool whole, raw;
    struct gw_blob *payload;
};

/* What a pull brought, and where it leaves this worker. */
struct gw_worker_result {
    struct gw_worker_item *items; /* in the order in which they are to be taken */
    uint64_t round, ahead;
    uint32_t contributors, members;
};

gw_status gw_worker_pull(struct gw_worker *worker, int64_t now); /* GW_ESTATE: one is under way */
bool gw_worker_pull_is_done(const struct gw_worker *worker);
/* Take it, once; the next may begin. Free the items with gw_worker_free_items. */
void gw_worker_take_pull(struct gw_worker *worker, struct gw_worker_result *result);
void gw_worker_free_items(struct gw_worker_item *items);

struct gw_worker_codecs {
    void *user;
    /* Called once, as soon as the terms are known: make what the others need. */
    gw_status (*open)(void *user, const struct gw_job *terms, struct gw_error *error);
    /* Tell whether a pull's payload is good, when it comes: decoder.h. */
    gw_status (*check)(void *user, size_t part, bool raw, const void *payload, size_t bytes,
                       struct gw_error *error);
    size_t (*bound)(void *user, size_t part, bool raw); /* the most bytes of a payload */
    uint64_t (*push_spec)(void *user, size_t part);
    bool (*remembers)(void *user); /* pulls build on what was pulled before */
};
void gw_worker_set_codecs(struct gw_worker *worker, const struct gw_worker_codecs *codecs);

/* ---- the world's side --------------------------------------------------------------------------
 */

/* The session setup of a link: everything but the times. */
gw_status gw_worker_session_setup(struct gw_worker *worker, int server,
                                  struct gw_session_setup *setup, char **terms,
                                  struct gw_error *error);
void gw_worker_bound(struct gw_worker *worker, int server, struct gw_session *session);
void gw_worker_event(struct gw_worker *worker, int server, struct gw_event *event, int64_t now);
/* The link is gone. `why`: if it never had a session. */
void gw_worker_gone(struct gw_worker *worker, int server, const struct gw_error *why, int64_t now);
int64_t gw_worker_deadline(const struct gw_worker *worker);
void gw_worker_tick(struct gw_worker *worker, int64_t now);
/* Say BYE to all; nothing is connected any more. */
void gw_worker_bye(struct gw_worker *worker, int64_t now);

struct gw_worker_counts {
    uint64_t pushes, pulls, late, resent, reconnects;
    uint64_t sent_bytes, received_bytes, raw_sent_bytes, raw_received_bytes;
};
void gw_worker_get_counts(const struct gw_worker *worker, struct gw_worker_counts *counts);

#endif
