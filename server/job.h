/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A job's terms: what a server and all its workers have to agree on, and the text in which they
 * compare it. Either side may leave a line open (mode, aggregator, optimizer, pull, feedback, seed,
 * workers); the first to say something decides, and who says something else later is refused with
 * words that name both sides and the line.
 *
 *     job: NAME
 *     servers: 2
 *     server: 0                      which of them this is
 *     part: 262144                   the most elements of a part
 *     workers: 4                     that the first round waits for
 *     seed: 1
 *     mode: sync
 *     aggregator: mean
 *     optimizer: sgd:lr=0.1,...
 *     pull: raw
 *     feedback: shared
 *     tensor: 1000 ef+qsgd:bits=4,... layer1.weight       one line each, in order
 *
 * Specs stand in their canonical form, every parameter written out, so that texts compare as
 * meanings. */
#ifndef GW_SERVER_JOB_H
#define GW_SERVER_JOB_H

#include <gradwire/plan.h>

#include "base/error.h"

#include <stdint.h>

struct gw_job_tensor {
    char *name;
    size_t count;
    char *push; /* codec spec in full */
};

/* Lines in which one side may keep silent. */
enum gw_term {
    GW_TERM_WORKERS,
    GW_TERM_SEED,
    GW_TERM_MODE,
    GW_TERM_AGGREGATOR,
    GW_TERM_OPTIMIZER,
    GW_TERM_PULL,
    GW_TERM_FEEDBACK,
    GW_TERMS
};

struct gw_job {
    char *name;
    uint64_t id; /* hash of the name; never 0 */
    int servers, server;
    size_t part_count;
    char *term[GW_TERMS]; /* canonical; NULL: left open */
    size_t tensors;       /* 0: no layout yet (a server before its first worker) */
    struct gw_job_tensor *tensor;
};

enum { GW_JOB_TEXT_MAX = 8 << 20, GW_JOB_NAME_MAX = 64, GW_TENSOR_NAME_MAX = 255 };

/* What is true of a term nobody has named: "1", "1", "sync", "mean", "sgd...", "raw", "shared". */
const char *gw_term_standard(enum gw_term term);
const char *gw_term_name(enum gw_term term);
/* What is true of a term in this job; as a number, for those that are one. */
const char *gw_job_term(const struct gw_job *job, enum gw_term term);
uint64_t gw_job_term_number(const struct gw_job *job, enum gw_term term);

/* The name that a program gave its job, or the one that it has if it gave none. */
const char *gw_job_name(const char *given);

/* A job without terms and layout. Errors: GW_EINVAL (name empty, too long, or with characters other
 * than letters, digits, '.', '_', '-'), GW_ENOMEM. */
gw_status gw_job_open(struct gw_job **out, const char *name, struct gw_error *error);
void gw_job_close(struct gw_job *job); /* NULL is fine */

/* Set a term after putting it into canonical form; NULL or "" leaves it open. GW_ESPEC with words.
 */
gw_status gw_job_set(struct gw_job *job, enum gw_term term, const char *value,
                     struct gw_error *error);

/* A job with the terms that a program gave; a number 0 and a text NULL or "" are left open. */
gw_status gw_job_open_with(struct gw_job **out, const char *name, int workers, uint64_t seed,
                           const char *const texts[GW_TERMS], struct gw_error *error);

/* Set the layout: the push codec of each tensor is the first rule that matches, else `codec`.
 * Errors: GW_EINVAL (no tensors, no elements, names twice or not printable or too long, too many),
 * GW_ESPEC, GW_ENOTSUP (a codec that cannot be pushed), GW_ENOMEM. */
gw_status gw_job_set_layout(struct gw_job *job, const gw_tensor *tensors, size_t count,
                            const char *codec, const gw_rule *rules, size_t rules_count,
                            struct gw_error *error);

/* The text, malloced; NULL: out of memory. Open terms have no line. */
char *gw_job_write(const struct gw_job *job);

/* Any bytes: a job, or GW_EPAYLOAD with the line's number, GW_ESPEC, GW_ENOMEM. */
gw_status gw_job_read(struct gw_job **out, const char *text, size_t length, struct gw_error *error);

/* `ours` (the server's) takes from `theirs` what it left open; how a layout is cut (servers,
 * server, part) is open to whom has none. GW_EMISMATCH names the first line that differs with both
 * values, "the server says mode: sync, worker 3 says mode: async"; then `ours` is as it was. */
gw_status gw_job_agree(struct gw_job *ours, const struct gw_job *theirs, uint32_t worker,
                       struct gw_error *error);

/* ---- shards: who keeps what -------------------------------------------------------------------
 */

/* A run of one tensor's elements: the unit of frames, codecs and threads. */
struct gw_part {
    uint32_t tensor;
    size_t first, count; /* elements of the tensor */
    int server;
};

/* Cut a layout by size over job->servers: server s keeps the s-th equal share of all elements (a
 * tensor that crosses a border is cut there), in parts of at most job->part_count. A pure function
 * of the job, so every worker and server computes the same; parts are in layout order. Malloced. */
gw_status gw_job_cut(struct gw_part **parts, size_t *count, const struct gw_job *job,
                     struct gw_error *error);

#endif
