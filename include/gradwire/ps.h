/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * A worker's end of a parameter server: push gradients, pull parameters, both small on the wire.
 *
 *     gw_ps *ps;
 *     gw_ps_open(&ps, "tcp:127.0.0.1:4500", &(gw_ps_options){ .worker = id, .workers = n,
 *                .codec = "ef+qsgd:bits=4", .optimizer = "adam:lr=0.001", .pull = "fp16" });
 *     gw_ps_register(ps, tensors, count, initial);
 *     gw_ps_pull(ps, w, &ticket);  gw_ps_wait(ps, ticket);
 *     for each step {
 *         gradient(w, g);
 *         gw_ps_push_pull(ps, g, w, NULL, &ticket);
 *         gw_ps_wait(ps, ticket);
 *     }
 *     gw_ps_leave(ps);
 *     gw_ps_close(ps);
 *
 * The servers are `gradwire serve`, or gw_server_open (server.h). With several addresses the layout
 * is cut over them by size; every worker gives them in the same order.
 *
 * Promises: a push counts exactly once however often the connection breaks, a server with
 * durability "log" is killed, or this process asks again; what was pushed plus what the codec keeps
 * back is what was given, bit for bit; a pull changes the caller's arrays when all of it has
 * arrived, or not at all; every wait ends at its deadline with words that say whom it waited for;
 * both ends prove that they agree on the layout, the codecs and the modes before the first float.
 *
 * Threads: a gw_ps has a thread of its own, which keeps connections alive while the program
 * computes, and opens them again when they break. Calls come from one thread at a time. The
 * library's thread never touches the caller's arrays.
 */
#ifndef GRADWIRE_PS_H
#define GRADWIRE_PS_H

#include "info.h"
#include "plan.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gw_ps gw_ps;

/* A push or pull under way; never 0. */
typedef uint64_t gw_ps_ticket;

/* Zero in any field means "you choose", or, for the terms of the job, "whatever the server or
 * another worker says"; who says something different from the others is refused with words that
 * name both sides. */
typedef struct gw_ps_options {
    const char *job;  /* its name, which server and workers share; default "gradwire" */
    int worker;       /* this worker's number, from 0; two at a time cannot have the same */
    const char *keys; /* key file, for servers on other machines (`gradwire key`) */

    const char *codec;    /* of pushes; default GRADWIRE_CODEC, else "raw" */
    const gw_rule *rules; /* codec by tensor name, as in gw_options */
    size_t rules_count;
    gw_nonfinite nonfinite;

    /* The terms of the job. */
    int workers;            /* that the first round waits for; default 1 */
    uint64_t seed;          /* of random numbers; default 1 */
    const char *mode;       /* "sync" (default), "quorum:k=3", "async", "ssp:s=2" */
    const char *aggregator; /* "mean" (default), "sum", "vote", "median", "trimmed", "clip" */
    const char *optimizer;  /* "sgd" (default), "momentum", "nesterov", "adam", "adamw", "lamb",
                             * "adagrad"; "none": what is pulled is the aggregate itself */
    const char *pull;       /* codec of pulls; default "raw" */
    const char *feedback;   /* "shared" (default), "worker": what a pull keeps back, for whom */

    size_t part_count; /* the most elements of a part; default 262144 */
    double timeout_s;  /* of every wait and of reconnecting; default GRADWIRE_TIMEOUT, else 60 */
    int observer;      /* 1: pulls only, is no member, nobody waits for it; its layout and codecs
                        * are compared like a worker's */
    uint64_t reserved[8];
} gw_ps_options;

/* Make a worker's end; connects in the background. `addresses`: "tcp:HOST:PORT" or "unix:PATH",
 * separated by commas, all of them servers of the same job. Servers on other machines need keys.
 * Close with gw_ps_close. Errors: GW_EINVAL, GW_ESPEC, GW_EIO and GW_EPAYLOAD (the key file),
 * GW_ENOTSUP (another machine and no keys), GW_ENOMEM; the words are in gw_ps_error(NULL). */
GW_API GW_MUST_CHECK gw_status gw_ps_open(gw_ps **out, const char *addresses,
                                          const gw_ps_options *options);

/* Say BYE and close; NULL is fine. Pushes that are not acknowledged are given up, and what error
 * feedback keeps back is lost, unless gw_ps_wait, gw_ps_save or gw_ps_leave came first. */
GW_API void gw_ps_close(gw_ps *ps);

/* Register the layout and join the job; waits for all servers. `initial[i]` are the tensor's first
 * values (f32), which a server that has none takes from the worker that comes first: give the same
 * everywhere. They are copied. NULL: zeros. A worker that joins later, or takes the place of one
 * that died, finds the values of the moment by a pull. Once per gw_ps. Errors: GW_EMISMATCH (job,
 * layout, codecs or modes differ: the words name both sides), GW_ESTATE (another process is this
 * worker; registered already), GW_ENONFINITE, GW_ETIMEOUT, GW_ESPEC, GW_ENOTSUP, GW_ENOMEM. */
GW_API GW_MUST_CHECK gw_status gw_ps_register(gw_ps *ps, const gw_tensor *tensors, size_t count,
                                              const void *const *initial);

/* ---- a step ---------------------------------------------------------------------------------- */

typedef struct gw_ps_push_options {
    double rate; /* learning rate of this push; 0: the optimizer's own. A round that takes several
                  * pushes uses that of the lowest worker */
    uint64_t reserved[4];
} gw_ps_push_options;

/* Encode one gradient per tensor (f32, in the order registered) and send it. The arrays are the
 * caller's again when this returns. The ticket is done when every server has acknowledged the push
 * (with durability "log": has it on disk). At most GW_PS_PUSHES may be under way. `options` may be
 * NULL.
 * Errors: GW_ENONFINITE (words name tensor and element; nothing changed), GW_ESTATE (not
 * registered; too many under way; an observer; it has left), GW_ENOMEM, and what broke the worker
 * earlier. */
enum { GW_PS_PUSHES = 4 };
GW_API GW_MUST_CHECK gw_status gw_ps_push(gw_ps *ps, const void *const *gradients,
                                          const gw_ps_push_options *options, gw_ps_ticket *ticket);

/* Ask for the parameters: in modes sync and quorum those of the round that this worker's last push
 * was meant for, else those of the moment (under ssp once this worker is not too far ahead). They
 * are written to `values` by gw_ps_wait or gw_ps_test, when all have come. One at a time.
 * Errors: GW_ESTATE, GW_EINVAL, GW_ENOMEM. */
GW_API GW_MUST_CHECK gw_status gw_ps_pull(gw_ps *ps, void *const *values, gw_ps_ticket *ticket);

/* Both; the ticket is done when the push is acknowledged and the values stand. `gradients[i]` and
 * `values[i]` may be the same array. */
GW_API GW_MUST_CHECK gw_status gw_ps_push_pull(gw_ps *ps, const void *const *gradients,
                                               void *const *values,
                                               const gw_ps_push_options *options,
                                               gw_ps_ticket *ticket);

/* Wait until a ticket is done; 0: all of them. A ticket is spent when its result was returned.
 * Errors: GW_ETIMEOUT (the words say what is missing; the ticket stays, and may be waited for
 * again: a push is still tried), GW_EINVAL (no such ticket), GW_EMISMATCH, GW_ESTATE and others
 * that a server answered: the worker is broken, close it. */
GW_API GW_MUST_CHECK gw_status gw_ps_wait(gw_ps *ps, gw_ps_ticket ticket);

/* GW_PENDING, or as gw_ps_wait; never waits. */
GW_API GW_MUST_CHECK gw_status gw_ps_test(gw_ps *ps, gw_ps_ticket ticket);

/* Hand in what error feedback keeps back, as this worker's last push with the learning rate of the
 * one before, and leave the job: nobody waits for it any more. Waits for what is under way and for
 * the acknowledgement. Only gw_ps_stats, gw_ps_error and gw_ps_close may follow. Errors: as
 * gw_ps_push and gw_ps_wait. */
GW_API GW_MUST_CHECK gw_status gw_ps_leave(gw_ps *ps);

/* ---- between steps --------------------------------------------------------------------------- */

/* Bytes that gw_ps_save writes; after gw_ps_register. */
GW_API size_t gw_ps_state_bytes(const gw_ps *ps);

/* Write what the push codecs keep (residuals, momenta) to `buffer`. Errors: GW_ESTATE (pushes are
 * under way: wait for them first; not registered), GW_ECAPACITY. */
GW_API GW_MUST_CHECK gw_status gw_ps_save(gw_ps *ps, void *buffer, size_t capacity,
                                          size_t *written);

/* Read it back, in a worker of the same number and layout. Errors: GW_EMISMATCH, GW_EPAYLOAD,
 * GW_ESTATE; nothing changed. */
GW_API GW_MUST_CHECK gw_status gw_ps_load(gw_ps *ps, const void *buffer, size_t bytes);

typedef struct gw_ps_figures {
    uint64_t pushes, pulls; /* acknowledged; arrived */
    uint64_t round;         /* rounds that had ended at the last pull (the smallest of servers) */
    uint64_t staleness;     /* clocks that this worker was ahead of the slowest then */
    uint32_t contributors;  /* pushes in that round */
    uint32_t members;       /* workers of the job then */
    uint64_t dropped;       /* pushes that came too late and were thrown away (late=drop) */
    uint64_t resent;        /* pushes sent more than once */
    uint64_t reconnects;    /* after the first connection of each server */
    uint64_t sent_bytes, received_bytes;         /* payloads and frame headers, since the open */
    uint64_t raw_sent_bytes, raw_received_bytes; /* what raw floats would have been */
    double push_ratio, pull_ratio;               /* the quotients */
    double encode_s, decode_s;                   /* of the last push, the last pull */
    double error_norm;                           /* L2 norm of this worker's residuals */
    uint64_t reserved[8];
} gw_ps_figures;

GW_API GW_MUST_CHECK gw_status gw_ps_stats(gw_ps *ps, gw_ps_figures *stats);

/* The terms in force, as text, a line each ("mode: sync"); after gw_ps_register. Lives as long as
 * `ps`. */
GW_API const char *gw_ps_terms(const gw_ps *ps);

/* The last error in words, "" if none; valid until the next call. NULL: that of the thread's last
 * failed gw_ps_open. */
GW_API const char *gw_ps_error(const gw_ps *ps);

#ifdef __cplusplus
}
#endif

#endif
