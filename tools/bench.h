/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of `gradwire bench` share:
 *
 *     bench_options.c  flags to a struct
 *     bench_input.c    the floats that are summed
 *     bench_ranks.c    one rank per process, or per thread
 *     bench.c          one rank: all sizes
 *     bench_size.c     one size: plans, runs interleaved, one row per codec
 *     bench_overlap.c  one size with --overlap: what hides behind computing
 *     bench_pushpull.c one size with --op pushpull: workers of a parameter server
 *     bench_echo.c     its limit: an echo of the same bytes
 *     bench_tune.c     all algorithms at all sizes, to a tuning file
 *     bench_mpi.c      the baseline: MPI_Allreduce
 *     bench_check.c    results against a double sum and against other ranks
 *     bench_report.c   rows to text and JSON
 *     bench_units.c    arithmetic */
#ifndef GW_TOOLS_BENCH_H
#define GW_TOOLS_BENCH_H

#include <gradwire.h>

#include <stdio.h>

#include "tools/bench_input.h"
#include "tools/bench_units.h"
#include "tools/tool.h"

struct bench_options {
    size_t min_bytes, max_bytes;
    double factor;
    int runs, warmup;
    int check;
    char *specs, **codecs; /* owned; codecs are parts of specs */
    size_t codecs_count;
    const char *algorithm; /* NULL: the cheapest */
    gw_gate gate;          /* of the codecs, not of the baselines */
    enum bench_op op;
    const char *dist;
    const char *json; /* NULL: no file */
    const char *tune; /* write this tuning file, instead of rows; NULL: no */
    double min_busbw; /* 0: no floor */
    double timeout;   /* 0: the comm's own */
    int ranks;        /* threads of this process; 0: one rank per process */
    const char *link; /* NULL: what GRADWIRE_LINK says */
    int overlap;
    int tests; /* calls of gw_test during the computation of --overlap; -1: chosen */
    gw_progress progress;
    int threads;        /* 0: GRADWIRE_THREADS */
    size_t piece_count; /* 0: GRADWIRE_PIECE */
    /* --op pushpull */
    int workers[16], workers_count;
    int unix_socket;
    const char *pull;
    int follows; /* rows go behind those of an earlier number of workers */
};

/* Read the flags. Ends the program itself after --help and bad flags (status 1); -1 after another
 * error. Call bench_options_close in any case. */
int bench_options_parse(struct bench_options *options, int argc, char **argv);
void bench_options_close(struct bench_options *options);

/* One row: what was measured of one codec at one size; the same on every rank. Values that could
 * not be measured are NaN. */
struct bench_row {
    const char *codec, *sent_codec, *algorithm, *reason;
    size_t count;
    double wire_bytes, ratio;
    struct bench_times times;
    double algbw, busbw, encode, decode; /* GB/s */
    double nmse, cosine, bias, wrong;
    double vs_raw, vs_fp16, vs_echo, vs_mpi;
    double pure, compute, overall, overlap; /* of --overlap: seconds, and percent */
    int tests;
};

/* Where rows go; of rank 0 only. */
struct bench_report {
    FILE *text, *json;     /* either may be NULL */
    double started, shown; /* progress: clock when the bench began; whether a line is up */
};

struct bench {
    const struct bench_options *options;
    const struct bench_input *input;
    gw_comm *comm;
    int rank, ranks;
    struct bench_report report;
    float *in, *out; /* one tensor each, large enough for the largest size */
    int status;      /* worst so far: enum tool_exit */
};

/* Is this process one rank of a job, of mpirun or gradwire run? */
int bench_is_launched(void);

/* Seconds of a clock that only goes forward. */
double bench_clock(void);

/* ---- bench_ranks.c: run every rank of this process; the exit status */
int bench_ranks_run(const struct bench_options *options, const struct bench_input *input);

/* ---- bench.c: one rank, over the comm that `spec` opens (NULL: the environment's) */
int bench_run(const struct bench_options *options, const struct bench_input *input,
              const char *spec);

/* Say what failed (rank 0 does, and who timed out) and give the exit status for it. */
int bench_fail(const struct bench *bench, gw_status status, const char *what, const char *words);

/* Elementwise sum or max over ranks, in place. An exit status. */
int bench_reduce(struct bench *bench, double *values, size_t count, gw_operation operation);

/* ---- bench_mpi.c: sum in to out by MPI_Allreduce itself; 0 if it failed or is not there */
int bench_mpi_allreduce(const struct bench *bench, size_t count);

/* What is asked of every plan that is measured, of one codec and algorithm. */
gw_options bench_plan_options(const struct bench *bench, const char *codec, const char *algorithm);

/* Who moves runs: what was asked for, else the environment. */
gw_progress bench_progress(const struct bench *bench);

/* Make the plan of the op that is measured. */
gw_status bench_plan(gw_plan **plan, struct bench *bench, size_t count, const gw_options *options);

/* ---- bench_size.c: an exit status */
int bench_size(struct bench *bench, size_t count);

/* ---- bench_overlap.c: an exit status */
int bench_overlap(struct bench *bench, size_t count);

/* ---- bench_pushpull.c: an exit status */
int bench_pushpull(struct bench *bench, size_t count);

/* ---- bench_tune.c: measure every algorithm and codec at every size, and write the tuning file; an
 * exit status */
int bench_tune(struct bench *bench);

/* ---- bench_check.c */

/* Elements that this rank gives and gets, of a tensor of `count`. */
size_t bench_in_count(const struct bench *bench, size_t count);
size_t bench_out_count(const struct bench *bench, size_t count);

/* How many elements of bench->out differ from rank 0's, over all ranks, added to `*wrong`. */
int bench_check_replicas(struct bench *bench, size_t count, double *wrong);

/* bench->out against a double sum, over all ranks. `exact_codec`: also count what float rounding
 * does not explain. */
int bench_check_errors(struct bench *bench, size_t count, int exact_codec,
                       struct bench_errors *errors);

/* What these come to in a row; NaN if errors were not asked for. */
void bench_row_errors(const struct bench *bench, struct bench_row *row,
                      const struct bench_errors *errors);

/* ---- bench_report.c */

int bench_report_open(struct bench *bench);
/* Print it, and judge by it: every rank calls this. */
void bench_report_row(struct bench *bench, const struct bench_row *row);
int bench_report_close(struct bench *bench);

/* A line on a terminal while a bench takes long; NULL takes it away. */
void bench_report_progress(struct bench *bench, size_t count, const char *what);

#endif
