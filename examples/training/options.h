/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the command line says. Everything has a default; see train --help. */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include <gradwire.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "optimizer.h"

#define OPTIONS_RULES_MAX 32

typedef struct tr_options {
    /* exchange */
    const char *comm, *codec, *algorithm;
    gw_rule rules[OPTIONS_RULES_MAX];
    size_t rules_count;
    double timeout_s;
    uint64_t bucket_bytes, threads; /* 0: the library's choice */
    gw_progress driver;
    gw_gate gate;
    uint64_t invert_ranks;
    int rescale, vote; /* vote: the codec gives +1 and -1 */
    /* parameter servers instead of an allreduce; NULL: what the server says */
    int pushes;       /* this is asked for: --ps or --serve */
    const char *ps;   /* their addresses */
    uint64_t serve;   /* so many of the first ranks are servers */
    uint64_t worker;  /* number of this job's first worker */
    uint64_t workers; /* that the first round waits for; 0: this job's */
    const char *mode, *aggregator, *pull, *feedback, *keys, *job;
    /* data and model */
    const char *text, *images;
    uint64_t context, embed;
    size_t hidden[MODEL_HIDDEN_MAX];
    size_t hidden_count;
    tr_activation activation;
    /* training */
    uint64_t steps, batch, warmup, seed;
    optimizer_kind optimizer;
    tr_schedule schedule;
    double rate, rate_end, momentum;
    double target_loss;
    /* reports */
    uint64_t eval_every, eval_count;
    const char *json, *curve;
    int show_progress, verify;
    /* checkpoints */
    const char *checkpoint;
    uint64_t checkpoint_every, die_at;
    int resume;
} tr_options;

/* Read the command line and choose what it leaves open; bad use ends the program with status 1. */
void options_parse(tr_options *out, int argc, char **argv);

/* Write everything that a run depends on, ranks and buckets aside: two runs with equal texts, data,
 * ranks and buckets end with equal bits, and one may go on with other buckets. */
void options_describe(const tr_options *options, char *text, size_t capacity);

#endif
