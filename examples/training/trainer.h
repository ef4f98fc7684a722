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

/* What ranks know of the servers among them (serve.c). */
typedef struct tr_serving {
    gw_comm *everyone; /* servers and workers; NULL: no rank serves */
    int servers;
    int serves; /* this rank does */
    gw_server *server;
    char folder[256]; /* of its sockets or keys; "" for none */
    char keys[288];   /* key file, "" for none */
    char *addresses;  /* of all servers, as gw_ps_open wants them */
} tr_serving;

typedef struct tr_trainer {
    const tr_options *options;
    gw_comm *comm; /* of those that train */
    int rank, ranks;
    tr_serving serving;
    gw_reducer *reducer; /* one of these two sums gradients */
    gw_ps *ps;
    int worker;            /* this rank's number among the servers' workers */
    int lockstep;          /* all ranks take a step together: a round, if servers do */
    int replicas;          /* after it all hold the same bits */
    gw_ps_figures counted; /* what of the pushes and pulls the progress knows already */
    int marking;           /* the exit status of marking tensors ready in this step */
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

/* pushpull.c: the same through parameter servers. */

/* Join and pull; in lockstep the step is that of the servers. */
int pushpull_open(tr_trainer *trainer);

/* A step: push the gradient, pull the parameters that the servers make of it and others. */
int pushpull_step(tr_trainer *trainer, double rate);

/* Hand in what error feedback kept back. */
int pushpull_leave(tr_trainer *trainer);

/* serve.c: servers among the ranks. */

/* Make the first ranks servers, tell the others their addresses, part. */
int serve_open(tr_trainer *trainer);

/* A server: serve until the workers are done. A worker: say so. */
int serve_until_done(tr_trainer *trainer);
void serve_close(tr_trainer *trainer);

/* serve_place.c: where servers listen. */

/* Choose this rank's folder, the address to listen on, and keys if machines are apart. All ranks
 * call it. */
int serve_choose_place(tr_trainer *trainer, char *listen, size_t capacity);
/* Remove what was made and is not needed any more. */
void serve_forget_keys(tr_serving *serving);
void serve_forget_folder(tr_serving *serving);

/* evaluate.c: the held-out loss, accuracy and training loss, of all ranks together. */
int evaluate(tr_trainer *trainer);

/* Point the trainer's batch at example `index`. */
void trainer_take(tr_trainer *trainer, data_split split, size_t index, size_t place);

/* resume.c: a run's state to and from checkpoints. */
int resume_save(tr_trainer *trainer);
int resume_load(tr_trainer *trainer);

#endif
