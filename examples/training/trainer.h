/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* All that one rank of a run holds, and what its files do with it. Functions that return int
 * return an exit status, after saying on stderr what is wrong. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include <gradwire.h>

#include "data.h"
#include "model.h"
#include "optimizer.h"
#include "options.h"
#include "report.h"

typedef struct tr_trainer {
    const tr_options *options;
    gw_comm *comm;
    int rank, ranks;
    gw_reducer *reducer;
    int marking; /* the exit status of marking tensors ready in this step */
    tr_data data;
    tr_model model;
    tr_optimizer optimizer;
    float *gradient;
    const uint8_t **inputs; /* of one batch */
    uint8_t *labels;
    double rate; /* of the last step; 0 before the first */
    tr_progress progress;
    int resumed;
} tr_trainer;

/* exchange.c: what the ranks tell each other. */

/* Make the reducer of the gradient's tensors. */
int exchange_open(tr_trainer *trainer);

/* A tensor of this rank's gradient is final (a model_ready; `context` is the trainer): it may leave
 * while the backward pass goes on. */
void exchange_ready(void *context, size_t tensor);

/* Wait for the mean of all ranks' gradients, in place. */
int exchange_gradient(tr_trainer *trainer);

/* The plan that most of the gradient goes through, for its algorithm and reason. */
const gw_plan *exchange_largest(const tr_trainer *trainer);

/* Sums over all ranks, in place. */
int exchange_sums(tr_trainer *trainer, double *values, size_t count);

/* The smallest of all ranks' numbers. */
int exchange_least(tr_trainer *trainer, uint64_t value, uint64_t *least);

/* The digest of the parameters; EXIT_WRONG when a rank has others. */
int exchange_digest(tr_trainer *trainer, uint64_t *digest);

/* evaluate.c: the held-out loss, accuracy and training loss, of all ranks together. */
int evaluate(tr_trainer *trainer);

/* Point the trainer's batch at example `index`. */
void trainer_take(tr_trainer *trainer, data_split split, size_t index, size_t place);

/* resume.c: a run's state to and from checkpoints. */
int resume_save(tr_trainer *trainer);
int resume_load(tr_trainer *trainer);

#endif
