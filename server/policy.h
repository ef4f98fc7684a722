/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Who waits, and what is applied: pure functions over clocks, liveness and the job's mode. They
 * read no time and keep no state, so random schedules can be played through them by the million.
 *
 * A server counts *rounds*: each application of pushes to the parameters ends one. A worker numbers
 * its pushes; each is meant for a round, the one after that which its gradient was computed at.
 *
 *   sync             a round ends when every live member has a push waiting. It takes one of each,
 *                    and one of every dead member that left some behind: accepted is accepted. Who
 *                    missed rounds for a while has more than one that another has passed; the
 *                    round takes them all
 *   quorum:k=3,grace=0s,late=fold
 *                    a round ends when k live members (or all, if fewer live) have a push waiting,
 *                    or `grace` after its first push came (0: never). It takes all that wait. A
 *                    push whose round has ended is late: it waits for the next one (fold), or is
 *                    thrown away (drop)
 *   async            each push is a round of its own, in the order of arrival
 *   ssp:s=2          likewise; and who is more than s clocks ahead of the slowest live member waits
 *                    (Ho et al. 2013, "More Effective Distributed ML via a Stale Synchronous
 *                    Parallel Parameter Server")
 *
 * No first round ends before `expected` members have joined. */
#ifndef GW_SERVER_POLICY_H
#define GW_SERVER_POLICY_H

#include <gradwire/info.h>

#include "base/error.h"

#include <stdbool.h>

enum gw_mode_kind { GW_MODE_SYNC, GW_MODE_QUORUM, GW_MODE_ASYNC, GW_MODE_SSP };

struct gw_mode {
    enum gw_mode_kind kind;
    int quorum;
    int64_t grace_ns;
    bool drop_late;
    uint64_t staleness;
};

/* One row per mode: what the parser, `gradwire info` and the manual know of it. Ends with a NULL
 * name; its params end with a NULL key. */
struct gw_mode_info {
    const char *name;
    const char *sentence;
    const char *paper;
    const gw_param *params;
    enum gw_mode_kind kind;
};
extern const struct gw_mode_info gw_modes[];

/* "quorum:k=3" to a mode, and to the same with every parameter written out (`canonical` of
 * `capacity` bytes, may be NULL). GW_ESPEC names the valid modes, the nearest, the range. */
gw_status gw_mode_parse(struct gw_mode *mode, const char *spec, char *canonical, size_t capacity,
                        struct gw_error *error);

/* What the policy knows of one worker. Arrays of these are in worker order. */
struct gw_clock {
    bool member;      /* it joined and has not left */
    bool live;        /* it is heard, or was lost only just now */
    uint32_t waiting; /* its pushes accepted and not yet applied */
    uint64_t clock;   /* its pushes accepted so far, counted from where it joined */
    uint64_t arrival; /* serial number of its oldest waiting push, over all workers */
    uint32_t due;     /* of those that wait: none later than some live member's oldest */
};

struct gw_policy {
    struct gw_mode mode;
    int expected;          /* members that the first round waits for */
    bool started;          /* they have come */
    uint64_t round;        /* rounds that have ended */
    int64_t first_push_ns; /* when the oldest waiting push came; meaningless if none waits */
    int64_t now_ns;
};

/* Which pushes the next round takes: take[i] of worker i's, oldest first; returns how many in all.
 * 0: none yet; then `*wake_ns` is when to ask again if nothing else happens (INT64_MAX: never). */
size_t gw_policy_take(const struct gw_policy *policy, const struct gw_clock *clocks, size_t count,
                      uint32_t *take, int64_t *wake_ns);

/* A push meant for round `meant` (counted from 1) has come: is it to be thrown away? */
bool gw_policy_drops(const struct gw_policy *policy, uint64_t meant);

/* What the questions below read of all clocks, so that it is read once for many workers. */
struct gw_tally {
    size_t live;               /* members that are heard */
    size_t ready;              /* of those, with a push waiting */
    size_t holders;            /* of all, the dead and the departed too */
    uint64_t slowest, fastest; /* clocks of live members */
    uint64_t lacking;          /* clock of the slowest live member without a push waiting */
};
struct gw_tally gw_policy_tally(const struct gw_clock *clocks, size_t count);

/* May the worker with this clock have its pull, which wants the result of round `wanted` (0:
 * whatever there is)? */
bool gw_policy_may_pull(const struct gw_policy *policy, const struct gw_tally *tally,
                        const struct gw_clock *own, uint64_t wanted);

/* It may not have its pull yet, in a mode with rounds. Does it wait in vain? None of its pushes
 * waits, or all that the round lacks are as far as it is: their pushes went into a round without
 * it, or were lost with a server, and they may be waiting for it on another server. */
bool gw_policy_waits_in_vain(const struct gw_policy *policy, const struct gw_tally *tally,
                             const struct gw_clock *own);

/* Is it one of those that keep the next round, or a pull under ssp, from happening? For messages.
 */
bool gw_policy_is_awaited(const struct gw_policy *policy, const struct gw_tally *tally,
                          const struct gw_clock *own);

/* The clock that a worker who joins now begins with: that of the slowest live member, 0 if none. */
uint64_t gw_policy_join_clock(const struct gw_clock *clocks, size_t count);

#endif
