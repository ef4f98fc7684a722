/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Everything that the trainer asks of an allreduce: a reducer of the gradient's tensors, a step of
 * it for every step of training, and a few small exact collectives beside it.
 */
#include "trainer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "digest.h"

/* Small collectives travel exactly, whatever the gradient's codec or GRADWIRE_CODEC says. */
static const gw_options exact = { .codec = "raw" };

int exchange_open(tr_trainer *trainer)
{
    const tr_options *options = trainer->options;
    const tr_model *model = &trainer->model;
    gw_tensor tensors[MODEL_TENSORS_MAX];
    for (size_t i = 0; i < model->tensors_count; i++)
        tensors[i] = (gw_tensor){ model->tensors[i].name, model->tensors[i].count };
    gw_options reducer = { .codec = options->codec,
                           .algorithm = options->algorithm,
                           .rules = options->rules,
                           .rules_count = options->rules_count,
                           .seed = options->seed,
                           .bucket_bytes = options->bucket_bytes,
                           .progress = options->driver,
                           .threads = (int)options->threads,
                           .gate = options->gate };
    /* A majority is a direction, and the rate its length: it is not divided by the ranks. */
    gw_operation operation = options->vote ? GW_SUM : GW_MEAN;
    gw_status status = gw_reducer_open(&trainer->reducer, trainer->comm, tensors,
                                       model->tensors_count, GW_F32, operation, &reducer);
    if (status != GW_OK)
        return report_status(status, "making the reducer", gw_comm_error(trainer->comm));
    return EXIT_GOOD;
}

void exchange_ready(void *context, size_t tensor)
{
    tr_trainer *trainer = context;
    const model_tensor *place = &trainer->model.tensors[tensor];
    float *at = trainer->gradient + place->first;
    if ((uint64_t)(trainer->ranks - trainer->rank) <= trainer->options->invert_ranks)
        for (size_t i = 0; i < place->count; i++)
            at[i] = -at[i];
    if (!trainer->reducer) /* servers get all of it at once */
        return;
    gw_status status = gw_reducer_ready(trainer->reducer, tensor, at, at);
    if (status != GW_OK)
        trainer->marking =
            report_status(status, "marking a gradient", gw_reducer_error(trainer->reducer));
}

int exchange_gradient(tr_trainer *trainer)
{
    gw_stats stats;
    if (trainer->marking != EXIT_GOOD)
        return trainer->marking;
    gw_status status = gw_reducer_wait(trainer->reducer);
    if (status == GW_OK)
        status = gw_reducer_stats(trainer->reducer, &stats);
    if (status != GW_OK)
        return report_status(status, "summing gradients", gw_reducer_error(trainer->reducer));
    trainer->progress.sent_bytes += stats.sent_bytes;
    trainer->progress.raw_bytes += stats.raw_bytes;
    trainer->progress.received_bytes += stats.received_bytes;
    trainer->progress.raw_received_bytes += stats.raw_bytes;
    return EXIT_GOOD;
}

const gw_plan *exchange_largest(const tr_trainer *trainer)
{
    const gw_plan *largest = NULL, *plan;
    uint64_t most = 0;
    gw_stats stats;
    for (size_t i = 0; (plan = gw_reducer_plan(trainer->reducer, i)) != NULL; i++) {
        if (gw_plan_stats(plan, &stats) == GW_OK && (!largest || stats.raw_bytes > most)) {
            largest = plan;
            most = stats.raw_bytes;
        }
    }
    return largest;
}

int exchange_sums(tr_trainer *trainer, double *values, size_t count)
{
    gw_status status = gw_allreduce(trainer->comm, values, values, count, GW_F64, GW_SUM, &exact);
    if (status != GW_OK)
        return report_status(status, "summing losses", gw_comm_error(trainer->comm));
    return EXIT_GOOD;
}

/* Every rank's number, in rank order; the caller frees it. NULL and *code on failure. */
static uint64_t *gather(tr_trainer *trainer, uint64_t value, int *code)
{
    size_t ranks = (size_t)trainer->ranks;
    uint64_t *all = malloc(ranks * sizeof *all);
    if (!all) {
        *code = report_error(EXIT_COMM, "no memory for %zu numbers", ranks);
        return NULL;
    }
    gw_status status = gw_allgather(trainer->comm, &value, all, 2, GW_I32, &exact);
    if (status != GW_OK) {
        *code = report_status(status, "comparing ranks", gw_comm_error(trainer->comm));
        free(all);
        return NULL;
    }
    return all;
}

int exchange_least(tr_trainer *trainer, uint64_t value, uint64_t *least)
{
    int code = EXIT_GOOD;
    uint64_t *all = gather(trainer, value, &code);
    if (!all)
        return code;
    *least = all[0];
    for (int r = 1; r < trainer->ranks; r++)
        if (all[r] < *least)
            *least = all[r];
    free(all);
    return EXIT_GOOD;
}

int exchange_digest(tr_trainer *trainer, uint64_t *digest)
{
    const tr_model *model = &trainer->model;
    uint64_t mine =
        digest_bytes(DIGEST_START, model->parameters, model->parameters_count * sizeof(float));
    int code = EXIT_GOOD;
    *digest = mine;
    if (!trainer->replicas)
        return EXIT_GOOD;
    uint64_t *all = gather(trainer, mine, &code);
    if (!all)
        return code;
    for (int r = 1; r < trainer->ranks && code == EXIT_GOOD; r++)
        if (all[r] != all[0])
            code = report_error(EXIT_WRONG,
                                "after step %" PRIu64 " rank %d's parameters are %016" PRIx64
                                ", rank 0's %016" PRIx64,
                                trainer->progress.step, r, all[r], all[0]);
    free(all);
    return code;
}
