/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A shard: the parameters that one server keeps, part by part, with what the optimizer and the pull
 * codec keep of them. Knows codecs and arithmetic; nothing of sessions, clocks or files.
 *
 * Work is cut by parts, which any thread may take, each part once: gw_work_part(work, i) for i <
 * gw_work_parts(work), for each of the work's phases in turn, then gw_work_end. The bits do not
 * depend on who did what. One work at a time; gw_shard_check may run beside it. */
#ifndef GW_SERVER_SHARD_H
#define GW_SERVER_SHARD_H

#include "compress/codec.h"
#include "server/job.h"
#include "session/blob.h"

struct gw_shard;

/* Parts of job->server only, values zero. Opens the codecs of its push specs, of the pull spec, the
 * aggregator and the optimizer. Errors: GW_ESPEC, GW_ENOTSUP, GW_ENOMEM. */
gw_status gw_shard_open(struct gw_shard **out, const struct gw_job *job, struct gw_error *error);
void gw_shard_close(struct gw_shard *shard); /* NULL is fine */

size_t gw_shard_parts(const struct gw_shard *shard);
const struct gw_part *gw_shard_part(const struct gw_shard *shard, size_t part);
gw_f32 *gw_shard_values(struct gw_shard *shard, size_t part); /* to read, and to set initially */
size_t gw_shard_elements(const struct gw_shard *shard);       /* of all parts */

/* ---- what is pushed ---------------------------------------------------------------------------
 */

/* The most bytes that a payload for this part may have, of its codec or raw; the hash of its
 * codec's spec (frames carry it). */
size_t gw_shard_push_bound(const struct gw_shard *shard, size_t part);
uint64_t gw_shard_push_spec(const struct gw_shard *shard, size_t part);

/* Any bytes: GW_OK if the part can be applied; then it cannot fail later. Also takes raw payloads
 * where `raw` (what a leaving worker hands in). */
gw_status gw_shard_check(const struct gw_shard *shard, size_t part, bool raw, const void *payload,
                         size_t bytes, struct gw_error *error);

/* One worker's push: a checked payload per part. */
struct gw_push_view {
    uint32_t worker;
    bool raw;
    struct gw_blob *const *parts; /* gw_shard_parts of them */
};

struct gw_work; /* one at a time per shard */

/* Apply `count` >= 1 pushes, in the order given (worker order), as round `round`: aggregate, then
 * one step of the optimizer with learning rate `rate` (NaN: its own). Valid until gw_work_end.
 * `pushes` and its blobs must stay until then. NULL: out of memory, nothing has changed; only more
 * pushes or threads than ever before need any, so fewer pushes, or a later try, may go. */
struct gw_work *gw_shard_apply(struct gw_shard *shard, const struct gw_push_view *pushes,
                               size_t count, double rate, uint64_t round);

/* ---- what is pulled ----------------------------------------------------------------------------
 *
 * Pull codecs raw, fp16, bf16, int8 (which is qsgd:bits=8,rounding=nearest) say what the values
 * are; any other codec speaks of the difference to what the worker holds, whose copy the server
 * keeps: what a payload did not bring stays in the difference, which is error feedback. With
 * feedback "shared" there is one copy for all workers and each difference is encoded once; with
 * "worker" there is one for each.
 *
 * A *version* counts what there is to hold: 0 is nothing, and each gw_shard_advance that finds
 * values changed since the last makes a new one. */

/* Make payloads for the present values (of `worker`, if feedback is "worker"; else it is ignored).
 * NULL: there is nothing to do, the newest version holds the present values. */
struct gw_work *gw_shard_advance(struct gw_shard *shard, uint32_t worker);

/* The newest version for a worker. */
uint64_t gw_shard_version(const struct gw_shard *shard, uint32_t worker);

/* What a worker that holds version `has` needs for the newest one: payloads in the order in which
 * they are to be taken, each for one part. `whole` payloads replace what the worker holds, others
 * are added to it. Between gw_shard_pull and the next work nothing changes. If the steps from `has`
 * on are not kept any more, or are more bytes than the whole, it is the whole (of raw floats where
 * the codec speaks of differences: worker and copy must be the same bits). */
struct gw_pull_item {
    uint32_t part; /* of this shard */
    bool whole;
    bool raw;                /* a payload of codec raw; else of the pull codec */
    struct gw_blob *payload; /* sealed; the caller gets a share */
};
/* `*items` malloced; `*count` may be 0 (it has the newest). Errors: GW_ENOMEM. */
gw_status gw_shard_pull(struct gw_shard *shard, uint32_t worker, uint64_t has,
                        struct gw_pull_item **items, size_t *count, struct gw_error *error);

void gw_shard_forget_worker(struct gw_shard *shard, uint32_t worker); /* its copy, if any */

/* ---- work --------------------------------------------------------------------------------------
 */

int gw_work_phases(const struct gw_work *work);
size_t gw_work_parts(const struct gw_work *work);
/* `thread` < threads given to gw_shard_set_threads: whose scratch is used. */
void gw_work_part(struct gw_work *work, int phase, size_t part, int thread);
void gw_work_run(struct gw_work *work); /* all of it, here and now */
/* GW_ENOMEM where payloads of an advance could not be made: versions are as before. An apply
 * cannot fail. */
gw_status gw_work_end(struct gw_work *work, struct gw_error *error);

/* How many threads may work at once; 1 at first. Between works only. */
gw_status gw_shard_set_threads(struct gw_shard *shard, int threads, struct gw_error *error);

/* ---- state -------------------------------------------------------------------------------------
 */

/* Values, optimizer state and count of steps, as they are between works: the next application gives
 * the bits that it would have given here. Copies that workers hold are not part of it: versions
 * begin anew at 0. */
size_t gw_shard_state_bytes(const struct gw_shard *shard);
void gw_shard_save(const struct gw_shard *shard, void *out);
/* Any bytes; GW_EPAYLOAD, nothing changed. */
gw_status gw_shard_load(struct gw_shard *shard, const void *bytes, size_t count,
                        struct gw_error *error);

/* L2 norm of (values - what worker holds), 0 where nothing is kept back; reads everything. */
double gw_shard_kept_back(const struct gw_shard *shard, uint32_t worker);

/* ---- the worker's side --------------------------------------------------------------------------
 */

/* The codec of a pull, for workers: `difference` if payloads that are not whole are to be added.
 * Aliases ("int8") become the codec's spec. NULL outputs are fine. Errors: GW_ESPEC, GW_ENOTSUP
 * (ef+, momentum+, vote and codecs without a meaning alone cannot be pulled). */
gw_status gw_pull_codec(const char *pull, char *spec, size_t capacity, bool *difference,
                        struct gw_error *error);

#endif
