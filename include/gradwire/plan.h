/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * A plan is one collective on one tensor or a list of tensors, prepared once and run every step.
 *
 * Making a plan is collective: every rank makes the same plans in the same order, and they compare
 * what they were given before the first payload; a difference is GW_EMISMATCH with words that name
 * both sides, on every rank. Plans may then run in any order and many at a time.
 *
 * Promises: every rank ends with the same bits; the bits depend on inputs, seed and number of ranks
 * only; a run that fails changes neither buffers nor residuals, on any rank, and (deadlines and
 * broken transports apart) the next run works; sums go in the order that the algorithm's
 * description states; f32 mean is the sum divided by the number of ranks.
 *
 * Threads: as the comm.
 */
#ifndef GRADWIRE_PLAN_H
#define GRADWIRE_PLAN_H

#include <stdio.h>

#include "codec.h"
#include "comm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gw_plan gw_plan;

/* Element types. Codecs other than raw take GW_F32 only. */
typedef enum gw_type { GW_F32 = 0, GW_F64, GW_F16, GW_BF16, GW_I32 } gw_type;

/* Operations. GW_MIN and GW_MAX need the raw codec. GW_MEAN of GW_I32 is refused. */
typedef enum gw_operation { GW_SUM = 0, GW_MEAN, GW_MIN, GW_MAX } gw_operation;

/* Bytes of one element. */
GW_API size_t gw_type_bytes(gw_type type);

/* One tensor of a layout. */
typedef struct gw_tensor {
    const char *name; /* unique in its plan: keys residuals and random numbers */
    size_t count;     /* elements */
} gw_tensor;

/* "Tensors whose name matches the glob use this codec." The first match wins. */
typedef struct gw_rule {
    const char *glob; /* as fnmatch(3): "*.bias" */
    const char *codec;
} gw_rule;

/* What to do with states saved by another number of ranks. */
typedef enum gw_fold {
    GW_FOLD_REFUSE = 0, /* an error */
    GW_FOLD_DROP,       /* start from zero */
    GW_FOLD_SUM         /* redistribute: nothing that was not sent yet is lost */
} gw_fold;

/* Who moves a run forward. */
typedef enum gw_progress {
    GW_PROGRESS_DEFAULT = 0, /* GRADWIRE_PROGRESS, else caller */
    GW_PROGRESS_CALLER,      /* gw_start, gw_test and gw_wait do */
    GW_PROGRESS_THREAD       /* a thread of the library, one per process, does: gw_start returns at
                              * once, the run ends with nobody calling gradwire, gw_test only looks
                              * and gw_wait only waits. Over MPI that needs MPI_THREAD_MULTIPLE,
                              * else GW_ENOTSUP; one-call forms ignore it */
} gw_progress;

/* Whether a plan may send raw where its codec would make it slower (doc/gate.md). Sums by codecs
 * that estimate sums have a gate; votes, forced algorithms and one-call forms obey the caller. */
typedef enum gw_gate {
    GW_GATE_DEFAULT = 0, /* GRADWIRE_GATE, else auto */
    GW_GATE_AUTO,        /* decided once, when the plan is made; all ranks alike */
    GW_GATE_OFF,         /* the codec that was asked for, always */
    GW_GATE_LIVE         /* as auto, and decided again every gate_every runs */
} gw_gate;

/* Zero in any field means "you choose". */
typedef struct gw_options {
    const char *codec;     /* spec; default GRADWIRE_CODEC, else "raw" */
    const char *algorithm; /* default GRADWIRE_ALGORITHM, else the cheapest that applies */
    const char *name;      /* of a plan on one tensor; default "tensor" */
    const gw_rule *rules;  /* codec by tensor name; `codec` is for those that none matches */
    size_t rules_count;
    uint64_t seed;      /* default GRADWIRE_SEED, else 1 */
    double timeout_s;   /* a run without any progress for this long fails; default: comm's */
    size_t piece_count; /* elements per piece of a block; default chosen */
    gw_nonfinite nonfinite;
    int root;         /* broadcast */
    int one_sided_ef; /* 1: the owner's second encode keeps no residual of its own */
    gw_progress progress;
    int threads; /* that compute, which changes no bit; default GRADWIRE_THREADS, else this rank's
                  * share of the cores, less one for the caller with GW_PROGRESS_THREAD */
    gw_gate gate;
    unsigned gate_every; /* runs between two looks of GW_GATE_LIVE; default GRADWIRE_GATE_EVERY */
    const char *pins;    /* file of decisions to repeat, or to write; default GRADWIRE_PINS */
    size_t bucket_bytes; /* of a gw_reducer; default GRADWIRE_BUCKET */
    uint64_t reserved[7];
} gw_options;

/* ---- simple: one call, no state --------------------------------------------------------------
 *
 * `in` and `out` may be the same buffer (in place) or apart. A codec that needs state between runs
 * (ef+, momentum+) is GW_ENOTSUP here: it needs a plan. `options` may be NULL.
 * Each is a plan made, run once and closed: errors are those of gw_plan_* and gw_wait. */

/* out[i] = sum over ranks of in[i]. */
GW_API GW_MUST_CHECK gw_status gw_allreduce(gw_comm *comm, const void *in, void *out, size_t count,
                                            gw_type type, gw_operation operation,
                                            const gw_options *options);

/* `in` holds size * count elements; rank r's `out` gets the `count` of them that start at
 * r * count, summed. In place: out == in + rank * count elements. */
GW_API GW_MUST_CHECK gw_status gw_reduce_scatter(gw_comm *comm, const void *in, void *out,
                                                 size_t count, gw_type type, gw_operation operation,
                                                 const gw_options *options);

/* Rank r's `count` elements go to position r * count of everyone's `out` (size * count elements).
 * Under a lossy codec all ranks, the sender too, get the decoded values. Codecs that merge payloads
 * (vote, int, randomk, terngrad) are for sums and GW_ENOTSUP here. */
GW_API GW_MUST_CHECK gw_status gw_allgather(gw_comm *comm, const void *in, void *out, size_t count,
                                            gw_type type, const gw_options *options);

/* `in` of rank options->root goes to everyone's `out`, the root's too; other ranks' `in` is not
 * read and may be NULL. */
GW_API GW_MUST_CHECK gw_status gw_broadcast(gw_comm *comm, const void *in, void *out, size_t count,
                                            gw_type type, const gw_options *options);

/* ---- plans -----------------------------------------------------------------------------------
 *
 * Collective. Errors: GW_EINVAL, GW_ESPEC, GW_ENOTSUP, GW_EMISMATCH, GW_ENOMEM (on any rank: the
 * others get GW_EPEER), GW_ETIMEOUT, GW_EBROKEN; the words are in gw_comm_error(comm).
 * `name`, `rules`, specs and tensor names are copied. The comm must outlive the plan. */
GW_API GW_MUST_CHECK gw_status gw_plan_allreduce(gw_plan **out, gw_comm *comm, size_t count,
                                                 gw_type type, gw_operation operation,
                                                 const gw_options *options);
GW_API GW_MUST_CHECK gw_status gw_plan_reduce_scatter(gw_plan **out, gw_comm *comm, size_t count,
                                                      gw_type type, gw_operation operation,
                                                      const gw_options *options);
GW_API GW_MUST_CHECK gw_status gw_plan_allgather(gw_plan **out, gw_comm *comm, size_t count,
                                                 gw_type type, const gw_options *options);
GW_API GW_MUST_CHECK gw_status gw_plan_broadcast(gw_plan **out, gw_comm *comm, size_t count,
                                                 gw_type type, const gw_options *options);

/* Allreduce of a list of tensors, each read and written where it lies; run with gw_start_list. */
GW_API GW_MUST_CHECK gw_status gw_plan_allreduce_list(gw_plan **out, gw_comm *comm,
                                                      const gw_tensor *tensors,
                                                      size_t tensors_count, gw_type type,
                                                      gw_operation operation,
                                                      const gw_options *options);

/* Close; NULL is fine. A run under way is given up, which breaks the comm. */
GW_API void gw_plan_close(gw_plan *plan);

/* Start a run. Neither buffer may be touched until gw_test or gw_wait returns other than
 * GW_PENDING. After GW_ETIMEOUT or GW_ETRANSPORT over MPI, `in` may still be read by MPI.
 * Input that is refused (GW_ENONFINITE) is reported by gw_test or gw_wait, on every rank, so that
 * all ranks stay in step. Errors: GW_ESTATE (a run is under way), GW_EBROKEN. */
GW_API GW_MUST_CHECK gw_status gw_start(gw_plan *plan, const void *in, void *out);
GW_API GW_MUST_CHECK gw_status gw_start_list(gw_plan *plan, const void *const *in,
                                             void *const *out);

/* Make progress; GW_PENDING while the run is under way, then its result, once. A run also makes
 * progress inside gw_test and gw_wait of other plans of the comm. With GW_PROGRESS_THREAD only
 * look: that takes nanoseconds. */
GW_API GW_MUST_CHECK gw_status gw_test(gw_plan *plan);

/* Make progress until the run has ended; gives the core away while there is nothing to do.
 * Errors: GW_ENONFINITE, GW_EPAYLOAD, GW_EPEER (the words name the rank and its error): the run
 * changed nothing anywhere, the next one works. GW_ETIMEOUT (the words name the ranks that did not
 * answer), GW_ETRANSPORT: the comm is broken. */
GW_API GW_MUST_CHECK gw_status gw_wait(gw_plan *plan);

/* The last error of this plan in words, "" if none; valid until the next call on it. */
GW_API const char *gw_plan_error(const gw_plan *plan);

/* ---- state: residuals and momentum are training state ----------------------------------------*/

/* Multiply all residuals by `factor`. They are in the units of what the caller passes in: a caller
 * that passes gradients and changes the learning rate calls this with old rate / new rate
 * (Zheng et al. 2019, Alg. 2); one that passes updates does nothing. Errors: GW_EINVAL (not
 * finite), GW_ESTATE. */
GW_API GW_MUST_CHECK gw_status gw_plan_rescale(gw_plan *plan, double factor);

/* Bytes that gw_plan_save writes. */
GW_API size_t gw_plan_state_bytes(const gw_plan *plan);

/* Write this rank's residuals, momenta and run counter to `buffer`. Local. Errors: GW_ECAPACITY,
 * GW_ESTATE (a run is under way). */
GW_API GW_MUST_CHECK gw_status gw_plan_save(const gw_plan *plan, void *buffer, size_t capacity,
                                            size_t *written);

/* Read what the same rank wrote: in an equal plan the next run then gives the bits it would have
 * given there. Pieces may have another size: a plan that measured may choose another one after a
 * restart, and residuals and momenta go, bit for bit, to the pieces that have their elements now.
 * Another algorithm may keep residuals on other ranks (direct and hierarchy do with owners, others
 * only with who sends): that is GW_EMISMATCH; name the algorithm in the options, keep the choice in
 * a file (GRADWIRE_PINS), or use gw_plan_load_folded, as for another number of ranks. Local.
 * Errors: GW_EMISMATCH (the words name what differs), GW_EPAYLOAD; nothing changed. */
GW_API GW_MUST_CHECK gw_status gw_plan_load(gw_plan *plan, const void *buffer, size_t bytes);

/* Read states that `count` ranks wrote (all of them, in rank order), into a plan whose number of
 * ranks or algorithm may differ. Every rank passes the same buffers. GW_FOLD_SUM keeps what was not
 * sent yet: old rank r's residual goes to new rank r % size, and for GW_MEAN is scaled by size /
 * count; owners' residuals move with their elements, and where the new algorithm has no owners, go
 * into the residual of rank r % size, for GW_MEAN times size, since they are of the result. Where
 * nodes carry sums, residuals go to the first node, and momenta begin anew; so do remembered votes
 * (vote:ties=previous) that move from owners to a gather. With as many ranks as the plan has,
 * residuals keep their bits where they do not move to another kind of keeper; GW_FOLD_DROP then
 * drops nothing, and GW_FOLD_REFUSE is gw_plan_load. Local. Errors: as gw_plan_load. */
GW_API GW_MUST_CHECK gw_status gw_plan_load_folded(gw_plan *plan, const void *const *buffers,
                                                   const size_t *bytes, int count, gw_fold fold);

/* ---- looking inside --------------------------------------------------------------------------*/

typedef struct gw_stats {
    uint64_t runs; /* that succeeded */
    uint64_t failed_runs;
    uint64_t sent_bytes;     /* by this rank in the last run, headers included */
    uint64_t received_bytes; /* by this rank in the last run */
    uint64_t raw_bytes;      /* what raw would have sent: 2 (n-1)/n * size for an allreduce */
    double ratio;            /* raw_bytes / sent_bytes */
    /* Of the last run. encode_s and decode_s (which includes checking, adding and merging) are sums
     * over the threads that compute, so they may exceed total_s; wait_s is what is left of total_s
     * beside the work of the run's own thread, never below 0. Steps on less than 1024 elements are
     * too short to be timed and count as waiting. */
    double encode_s, decode_s, wait_s, total_s;
    double encoded_bytes, decoded_bytes; /* float bytes that went through in those times */
    double error_norm; /* L2 norm of this rank's residuals after the last run; 0 without ef+ */
    uint64_t reserved[8];
} gw_stats;

/* Fill `*stats`. Computing error_norm reads all residuals. */
GW_API GW_MUST_CHECK gw_status gw_plan_stats(const gw_plan *plan, gw_stats *stats);

/* What the next run sends (the spec of the first tensor's codec, or "raw" where the gate decided
 * so), the algorithm in force, and the sentence that says why. They live as long as the plan; those
 * of GW_GATE_LIVE until the next gw_start. */
GW_API const char *gw_plan_codec(const gw_plan *plan);
GW_API const char *gw_plan_algorithm(const gw_plan *plan);
GW_API const char *gw_plan_reason(const gw_plan *plan);

/* Print what the plan is, why, and this rank's steps, readable. Errors: GW_EIO. */
GW_API GW_MUST_CHECK gw_status gw_plan_print(const gw_plan *plan, FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
