/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Threads that compute, shared by the plans of a comm. They never touch the comm: messages are the
 * executor's. The pool's lock guards what its jobs share with the executor; a job lets go of it
 * while it computes. */
#ifndef GW_COLLECTIVES_POOL_H
#define GW_COLLECTIVES_POOL_H

#include "comm/comm.h"

struct gw_pool;

struct gw_pool_job { /* something with steps for the pool's threads: a plan */
    /* Take a step and do it; called with the lock held, which is let go of while it computes.
     * False: there is none to take. */
    bool (*step)(struct gw_pool_job *self);
    struct gw_pool_job *next;
    bool listed;
};

/* Use the comm's pool, with at least `threads` - 1 threads beside the executor; the first user
 * makes it, the last one that leaves ends it. Threads keep to this rank's share of the node's
 * cores, unless more are asked for than it has. Errors: GW_ENOMEM. */
gw_status gw_pool_join(gw_comm *comm, int threads, struct gw_error *error);
void gw_pool_leave(gw_comm *comm);

void gw_pool_lock(struct gw_pool *pool);
void gw_pool_unlock(struct gw_pool *pool);

/* With the lock held: the job has one more step to take; it has none any more, and must not be
 * looked at again. */
void gw_pool_offer(struct gw_pool *pool, struct gw_pool_job *job);
void gw_pool_withdraw(struct gw_pool *pool, struct gw_pool_job *job);

/* With the lock held, which is let go of meanwhile: wait until a thread has done a step, not beyond
 * `until_ns`. */
void gw_pool_wait(struct gw_pool *pool, int64_t until_ns);

/* Steps that threads have done so far. */
uint64_t gw_pool_steps(struct gw_pool *pool);

/* For an executor that found nothing to do when there were `steps`: true, perhaps after a while but
 * not beyond `until_ns`, if it should look again; false if no thread is at work. `pool` may be
 * NULL. */
bool gw_pool_rest(struct gw_pool *pool, uint64_t steps, int64_t until_ns);

#endif
