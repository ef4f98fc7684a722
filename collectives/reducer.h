/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a reducer is, inside: tensors, and the buckets that they travel in for now. */
#ifndef GW_COLLECTIVES_REDUCER_H
#define GW_COLLECTIVES_REDUCER_H

#include <gradwire/reducer.h>

#include "collectives/buckets.h"
#include "collectives/plan.h"

enum gw_bucket_state { GW_BUCKET_FILLS, GW_BUCKET_RUNS, GW_BUCKET_ENDED };

struct gw_bucket {
    struct gw_bucket_range range;
    gw_plan *plan;
    enum gw_bucket_state state; /* of this step */
    size_t unmarked;            /* tensors of this step that are not ready yet */
    gw_status result;
};

/* Buckets of one size. */
struct gw_bucket_set {
    size_t bytes;
    struct gw_bucket *buckets; /* in the order they start */
    size_t count;
    size_t *of; /* by tensor: its bucket */
};

struct gw_reducer {
    gw_comm *comm;

    /* what was asked */
    gw_tensor *tensors; /* names are owned */
    size_t count;
    gw_type type;
    gw_operation operation;
    gw_options options; /* strings and rules are owned */
    gw_rule *rules;

    /* by tensor */
    uint64_t *keys, *specs, *owner_specs; /* hashes: of names, of specs as asked */
    int *kinds;                           /* tensors of one kind may share a bucket */
    const void **in;
    void **out;
    bool *marked;
    gw_status *results; /* of the last step that ended */

    struct gw_bucket_set set;

    /* the step */
    bool running, ended; /* a tensor was marked; some step has ended */
    size_t marked_count;
    size_t started; /* buckets that started, or failed to */
    size_t done;    /* of these, the first so many have ended */
    int64_t started_ns, waited_ns;
    struct gw_error failure;

    uint8_t *notes; /* of reducer_state.c: 1 + count bytes, of this rank and of every rank */
    struct gw_stats stats;
    struct gw_error error;
};

/* ---- reducer_open.c ---------------------------------------------------------------------------*/

/* Has every rank got as far, and with the same `value`? `what` names it. Collective. */
gw_status gw_reducer_agree(struct gw_reducer *r, gw_status local, uint64_t value, const char *what,
                           struct gw_error *error);

size_t gw_reducer_bucket_default(void);

/* Cut and make the plans; close. */
gw_status gw_bucket_set_open(struct gw_bucket_set *set, struct gw_reducer *r, size_t bytes,
                             struct gw_error *error);
void gw_bucket_set_close(struct gw_bucket_set *set);

/* ---- reducer_state.c --------------------------------------------------------------------------*/

/* What sends tensor t; and the owner of the next part of it here, from segment `*at` on (begin with
 * 0), NULL when there is none. */
struct gw_codec *gw_reducer_codec(const struct gw_reducer *r, size_t t);
struct gw_codec *gw_reducer_owner(const struct gw_reducer *r, size_t t, int *at);

/* The run counter of all codecs of tensor t: they count the same runs. */
void gw_reducer_set_run(const struct gw_reducer *r, size_t t, uint64_t run);

#endif
