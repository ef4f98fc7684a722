/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of a shard share: shard.c opens it and owns the memory, shard_apply.c applies
 * pushes, shard_pull.c makes payloads, shard_hold.c knows what workers hold, shard_state.c saves
 * and loads. */
#ifndef GW_SERVER_SHARD_INSIDE_H
#define GW_SERVER_SHARD_INSIDE_H

#include "server/aggregate.h"
#include "server/optimize.h"
#include "server/shard.h"

#include <stdatomic.h>

enum {
    GW_STATES_MAX = 2, /* of an optimizer */
    GW_KEPT_MAX = 8,   /* steps kept for workers that missed rounds */
    GW_CHUNK = 4096    /* elements that are aggregated and then stepped, while in cache */
};

struct gw_shard_part {
    struct gw_part part;
    float *memory; /* values, then the optimizer's, in arrays of `stride` floats */
    gw_f32 *values, *state[GW_STATES_MAX];
    float *direction;  /* lamb: from the first phase to the second; else NULL */
    double squares[2]; /* likewise */
    struct gw_codec *push, *raw, *pull;
    struct gw_codec *votes; /* of the aggregator, if it has one */
    float shrink;           /* of a difference before it is encoded, as ef+ does */
    size_t push_bound;
    uint64_t push_spec;
};

/* One part's payload of a step. */
struct gw_piece {
    struct gw_blob *payload;
    bool raw; /* the values as they are, in place of what was held */
    gw_status status;
};

struct gw_kept_step {
    struct gw_piece *pieces; /* one per part */
    size_t bytes;
};

/* What workers hold, all of them or one. */
struct gw_holder {
    uint32_t worker;
    uint64_t version;
    uint64_t changes;                       /* the shard's, at that version */
    gw_f32 *copy;                           /* differences: what is held, part after part */
    struct gw_kept_step steps[GW_KEPT_MAX]; /* to `version`, oldest first */
    int kept;
    struct gw_blob **whole; /* payloads that say it all, or NULL: made when asked for */
};

/* One thread's memory. */
struct gw_scratch {
    float *floats;
    uint8_t *bytes;
    void *pushes; /* `rows`, `at` and `bodies`, one of each per push */
    size_t floats_room, bytes_room, pushes_room;
    const float **rows, **at;
    struct gw_body *bodies;
};

enum gw_work_kind { GW_WORK_NONE, GW_WORK_APPLY, GW_WORK_ADVANCE };

struct gw_work {
    struct gw_shard *shard;
    enum gw_work_kind kind;
    const struct gw_push_view *pushes; /* apply */
    size_t count;
    struct gw_step step;
    uint64_t round;
    struct gw_holder *holder; /* advance */
    struct gw_piece *pieces;
    atomic_int failed;
    bool no_memory; /* there was none to begin with */
};

struct gw_shard {
    struct gw_shard_part *part;
    size_t parts, most, elements; /* most: elements of the largest part */
    size_t *start;                /* of each part in a copy */
    char **name;                  /* of each tensor that has parts here */
    size_t names;
    const struct gw_aggregator *aggregator;
    struct gw_values aggregator_values;
    const struct gw_optimizer *optimizer;
    struct gw_values optimizer_values;
    uint64_t optimizer_spec;       /* hash of it, for saved states */
    bool difference, per_worker;   /* per_worker: differences, with a copy for each */
    uint64_t steps, changes;       /* changes: of the values */
    struct gw_blob_pool *payloads; /* what is pulled */
    struct gw_holder shared;
    struct gw_holder **holders; /* per worker, in worker order */
    size_t holders_count;
    struct gw_scratch *scratch;
    int threads;
    size_t pull_floats, pull_bytes; /* that each thread's scratch always has */
    struct gw_work work;
};

/* ---- shard.c ---- */

/* Room in one thread's scratch; GW_ENOMEM leaves what was there. */
gw_status gw_scratch_grow(struct gw_scratch *scratch, size_t floats, size_t bytes, size_t pushes);

/* ---- shard_apply.c ---- */

void gw_apply_part(struct gw_work *work, int phase, size_t part, int thread);
void gw_apply_end(struct gw_work *work);

/* ---- shard_pull.c ---- */

/* Opens the pull codec of each part; what scratch it needs. */
gw_status gw_pull_open(struct gw_shard *shard, const char *pull, const struct gw_codec_site *sites,
                       struct gw_error *error);
int gw_advance_phases(const struct gw_shard *shard);
void gw_advance_part(struct gw_work *work, int phase, size_t part, int thread);
gw_status gw_advance_end(struct gw_work *work, struct gw_error *error);

/* ---- shard_hold.c ---- */

/* A raw payload of floats, sealed; NULL: out of memory. */
struct gw_blob *gw_raw_blob(const gw_f32 *x, size_t count);
/* Bytes of raw payloads of all parts. */
size_t gw_whole_bytes(const struct gw_shard *shard);

/* The holder of a worker (or the shared one): NULL if there is none; made if there is none, NULL:
 * out of memory. */
struct gw_holder *gw_holder_find(const struct gw_shard *shard, uint32_t worker);
struct gw_holder *gw_holder_make(struct gw_shard *shard, uint32_t worker);
void gw_holders_forget(struct gw_shard *shard); /* all of them; versions begin anew */

void gw_pieces_free(struct gw_piece *pieces, size_t parts); /* NULL is fine */
/* A new version, of these pieces: they are the holder's now. */
void gw_holder_keep(const struct gw_shard *shard, struct gw_holder *holder,
                    struct gw_piece *pieces);

#endif
