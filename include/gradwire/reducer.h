/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * A reducer sums the gradient of a model while the backward pass still makes it.
 *
 *     gw_reducer *r;
 *     gw_reducer_open(&r, comm, tensors, count, GW_F32, GW_MEAN, &options);
 *     for each step {
 *         for each layer, last to first {
 *             ... compute the layer's gradient g[i] ...
 *             gw_reducer_ready(r, i, g[i], g[i]);
 *         }
 *         gw_reducer_wait(r);
 *         ... descend ...
 *     }
 *     gw_reducer_close(r);
 *
 * Tensors are registered once, in the order in which the forward pass uses them (first layer
 * first). Neighbours share a *bucket* of up to options->bucket_bytes; a larger tensor is a bucket
 * of its own. Each bucket is a plan. It starts as soon as all its tensors are marked ready and the
 * buckets behind it (of later layers, which the backward pass finishes first) have started: so
 * buckets start in one order on all ranks, whatever order each rank marks its tensors in.
 *
 * Which bucket goes first: bytes that were handed to the transport are not overtaken, and threads
 * that compute take turns; but whoever moves the buckets under way looks first at the one that
 * started last. That is the one of the first layers, which the next forward pass needs first.
 *
 * State (residuals, momenta, the count of runs that keys random numbers) belongs to the tensor, not
 * to the bucket: bucket sizes may change from one run of a program to the next, or between steps,
 * and nothing that was not sent yet is lost.
 *
 * Promises, beside those of a plan: the bits of a step depend on inputs, seed, number of ranks and
 * bucket size (which decides who adds which elements), never on the order or the time of
 * gw_reducer_ready. A step may succeed in some buckets and fail in others, the same ones on every
 * rank: of a bucket that failed neither buffers nor state changed on any rank, of the others both
 * did on all ranks; gw_reducer_result tells them apart by tensor. Replicas stay identical.
 *
 * Threads: as the comm.
 */
#ifndef GRADWIRE_REDUCER_H
#define GRADWIRE_REDUCER_H

#include "plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gw_reducer gw_reducer;

/* Open a reducer of `count` tensors, which gw_reducer_ready names by their position in `tensors`.
 * Collective: every rank registers the same tensors. `options` as for plans (`name`, `root` are not
 * used), and options->bucket_bytes: of a bucket's elements, not of what travels; default
 * GRADWIRE_BUCKET, else 4 MiB. Each bucket has a gate of its own. Algorithm hierarchy, whose
 * residuals belong to slices of the bucket, is only for codecs without state. Codecs that merge
 * payloads (vote, randomk, int, terngrad) never share a bucket with others. Names and specs are
 * copied. The comm must outlive the reducer. Errors: as gw_plan_allreduce_list; the words are in
 * gw_comm_error(comm). */
GW_API GW_MUST_CHECK gw_status gw_reducer_open(gw_reducer **out, gw_comm *comm,
                                               const gw_tensor *tensors, size_t count, gw_type type,
                                               gw_operation operation, const gw_options *options);

/* Close; NULL is fine. A step under way is given up, which breaks the comm. */
GW_API void gw_reducer_close(gw_reducer *reducer);

/* The position of the tensor of this name. Errors: GW_EINVAL (there is none). */
GW_API GW_MUST_CHECK gw_status gw_reducer_find(const gw_reducer *reducer, const char *name,
                                               size_t *index);

/* ---- a step ----------------------------------------------------------------------------------*/

/* The tensor at position `index` is final: it may be read from `in` from now on, and its sum or
 * mean will stand in `out`, which may be `in`. Neither may be touched until gw_reducer_wait, or
 * gw_reducer_test, has returned the step's result. The first tensor marked begins a step. Starts
 * what has become complete, and gives the buckets under way a moment. What goes wrong with them is
 * reported by gw_reducer_wait, so that all ranks stay in step.
 * Errors: GW_EINVAL (no such tensor, a buffer is NULL), GW_ESTATE (marked already in this step);
 * nothing was marked. */
GW_API GW_MUST_CHECK gw_status gw_reducer_ready(gw_reducer *reducer, size_t index, const void *in,
                                                void *out);

/* Make progress: call it now and then from long computations, where no thread of the library does
 * (gw_options.progress). GW_PENDING while tensors are to be marked or buckets under way, then the
 * step's result, once. Errors: as gw_reducer_wait; GW_ESTATE (no step has begun). */
GW_API GW_MUST_CHECK gw_status gw_reducer_test(gw_reducer *reducer);

/* Wait until the step has ended and return its result: that of the first bucket that failed.
 * Errors: GW_ESTATE (no step has begun; or the words name a tensor that was not marked: the step
 * goes on, mark it and wait again); else as gw_wait. */
GW_API GW_MUST_CHECK gw_status gw_reducer_wait(gw_reducer *reducer);

/* What became of one tensor in the last step that ended; GW_ESTATE before the first, GW_EINVAL if
 * there is no such tensor. */
GW_API GW_MUST_CHECK gw_status gw_reducer_result(const gw_reducer *reducer, size_t index);

/* The last error in words, "" if none; valid until the next call. Those of a failed step name the
 * bucket's tensors. */
GW_API const char *gw_reducer_error(const gw_reducer *reducer);

/* ---- between steps ---------------------------------------------------------------------------
 *
 * GW_ESTATE while a step is under way. */

/* Cut buckets of another size (0: the default). Collective. State moves along: see
 * gw_reducer_load. Both sets of buckets take memory for a moment. On an error the reducer is as it
 * was. Errors: as gw_reducer_open; the words are in gw_reducer_error. */
GW_API GW_MUST_CHECK gw_status gw_reducer_set_bucket_bytes(gw_reducer *reducer,
                                                           size_t bucket_bytes);

/* As gw_plan_rescale, of all tensors. */
GW_API GW_MUST_CHECK gw_status gw_reducer_rescale(gw_reducer *reducer, double factor);

/* Bytes that gw_reducer_save writes. */
GW_API size_t gw_reducer_state_bytes(const gw_reducer *reducer);

/* Write what this rank keeps of each tensor to `buffer`. Local. Errors: GW_ECAPACITY, GW_ESTATE. */
GW_API GW_MUST_CHECK gw_status gw_reducer_save(const gw_reducer *reducer, void *buffer,
                                               size_t capacity, size_t *written);

/* Read what the same rank of a reducer of the same tensors saved. Collective: with another bucket
 * size other ranks own other elements, and what owners keep back moves to the new owners over the
 * comm, bit for bit. Where the new bucket has no owners (algorithm gather), it is added to what the
 * old owner sends next (for GW_MEAN times the ranks, rounded). With the bucket size it was saved
 * with, and the same algorithms, the next step gives the bits it would have given there.
 * Errors: GW_EMISMATCH (the words name what differs), GW_EPAYLOAD, GW_ENOMEM; other ranks get
 * GW_EPEER. Nothing changed on any rank. */
GW_API GW_MUST_CHECK gw_status gw_reducer_load(gw_reducer *reducer, const void *buffer,
                                               size_t bytes);

/* Read states that `count` ranks saved (all of them, in rank order), where the number of ranks now
 * differs: as gw_plan_load_folded. Every rank passes the same buffers. Collective. */
GW_API GW_MUST_CHECK gw_status gw_reducer_load_folded(gw_reducer *reducer,
                                                      const void *const *buffers,
                                                      const size_t *bytes, int count, gw_fold fold);

/* ---- looking inside --------------------------------------------------------------------------*/

/* Sums over the buckets of the last step. `runs` and `failed_runs` count steps; total_s is from the
 * first gw_reducer_ready to the end; wait_s is the time inside gw_reducer_wait: what was not hidden
 * behind computing. Errors: GW_EINVAL, GW_ESTATE (a step is under way). */
GW_API GW_MUST_CHECK gw_status gw_reducer_stats(const gw_reducer *reducer, gw_stats *stats);

/* The buckets, in the order they start (last layers first), as plans for gw_plan_stats,
 * gw_plan_algorithm, gw_plan_reason and gw_plan_print; NULL past the last. They live until the
 * bucket size changes. */
GW_API const gw_plan *gw_reducer_plan(const gw_reducer *reducer, size_t bucket);

/* Print the buckets, what is in them, and why each travels as it does. Errors: GW_EIO. */
GW_API GW_MUST_CHECK gw_status gw_reducer_print(const gw_reducer *reducer, FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
