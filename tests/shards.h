/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What tests of shards share: a job of three tensors, work done by threads in any order, workers
 * that push. Nothing here uses Check, so that tests that make allocations fail can use it. */
#ifndef GW_TESTS_SHARDS_H
#define GW_TESTS_SHARDS_H

#include "server/shard.h"

enum { SHARD_TENSORS = 3, SHARD_COUNT = 2705, SHARD_PARTS_MAX = 8 };

/* Terms; NULL is the standard, and parts of 800 elements at most. */
struct shard_terms {
    const char *push, *aggregator, *optimizer, *pull, *feedback;
    size_t part_count;
};

gw_status shard_job(struct gw_job **out, const struct shard_terms *terms, struct gw_error *error);
gw_status shard_open(struct gw_shard **out, const struct shard_terms *terms,
                     struct gw_error *error);

/* All phases, parts in an order drawn from `seed`, by `threads` threads (1: the caller's). */
gw_status shard_work(struct gw_work *work, int threads, uint64_t seed, struct gw_error *error);

/* A worker's codecs, one per part. */
struct pusher {
    gw_codec *codec[SHARD_PARTS_MAX];
    size_t parts;
};
gw_status pusher_open(struct pusher *pusher, const struct gw_shard *shard, const char *push,
                      int worker, struct gw_error *error);
void pusher_close(struct pusher *pusher);

/* Payloads of `x`, SHARD_COUNT floats, part after part; `raw`: as raw floats. */
gw_status pusher_encode(struct pusher *pusher, const float *x, bool raw, struct gw_blob **out);
void blobs_drop(struct gw_blob **blobs, size_t count);

/* All values, part after part, and back. */
void shard_read(struct gw_shard *shard, float *out);
void shard_write(struct gw_shard *shard, const float *x);

/* Take items as a worker does: into `held`. `pull` is the shard's pull spec. */
gw_status items_take(const struct gw_shard *shard, const char *pull, struct gw_pull_item *items,
                     size_t count, float *held, struct gw_error *error);

#endif
