/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Training through parameter servers: the parameters are theirs, and so is the optimizer; a step
 * pushes this worker's gradient, with the learning rate of the schedule, and pulls what became of
 * the parameters. What the ranks tell each other beside that (losses, digests) still goes through
 * the comm, which has one rank where workers were started one by one.
 */
#include "trainer.h"

#include <stdio.h>
#include <string.h>

static int failed(const tr_trainer *trainer, gw_status status, const char *doing)
{
    return report_status(status, doing, gw_ps_error(trainer->ps));
}

/* The example's optimizers as the servers name them. Every push tells its rate, but for that of a
 * worker who leaves, which hands in what its codecs kept back: at the rate of the last step. */
static void name_optimizer(const tr_options *options, char *text, size_t capacity)
{
    double rate = schedule_rate(options->schedule, options->rate, options->rate_end,
                                options->warmup, options->steps - 1, options->steps);
    if (options->optimizer == OPTIMIZER_ADAM)
        snprintf(text, capacity, "adam:lr=%.9g,beta1=%.9g,beta2=%g,epsilon=%g", rate,
                 options->momentum, OPTIMIZER_ADAM_BETA2, OPTIMIZER_ADAM_EPSILON);
    else if (options->momentum > 0)
        snprintf(text, capacity, "momentum:lr=%.9g,momentum=%.9g", rate, options->momentum);
    else
        snprintf(text, capacity, "sgd:lr=%.9g", rate);
}

static gw_status open_worker(tr_trainer *trainer, const char *optimizer)
{
    const tr_options *options = trainer->options;
    const tr_serving *serving = &trainer->serving;
    uint64_t workers =
        options->workers ? options->workers : options->worker + (uint64_t)trainer->ranks;
    const char *keys = *serving->keys ? serving->keys : options->keys;
    return gw_ps_open(&trainer->ps, serving->addresses ? serving->addresses : options->ps,
                      &(gw_ps_options){ .job = options->job,
                                        .worker = trainer->worker,
                                        .keys = keys,
                                        .codec = options->codec,
                                        .rules = options->rules,
                                        .rules_count = options->rules_count,
                                        .workers = (int)workers,
                                        .seed = options->seed,
                                        .mode = options->mode,
                                        .aggregator = options->aggregator,
                                        .optimizer = optimizer,
                                        .pull = options->pull,
                                        .feedback = options->feedback,
                                        .timeout_s = options->timeout_s });
}

/* Where each tensor of an array of all parameters begins. */
static void point(const tr_model *model, float *all, float *tensors[MODEL_TENSORS_MAX])
{
    for (size_t i = 0; i < model->tensors_count; i++)
        tensors[i] = all + model->tensors[i].first;
}

static gw_status register_model(tr_trainer *trainer)
{
    const tr_model *model = &trainer->model;
    gw_tensor tensors[MODEL_TENSORS_MAX];
    const void *values[MODEL_TENSORS_MAX];
    for (size_t i = 0; i < model->tensors_count; i++) {
        tensors[i] = (gw_tensor){ model->tensors[i].name, model->tensors[i].count };
        values[i] = model->parameters + model->tensors[i].first;
    }
    return gw_ps_register(trainer->ps, tensors, model->tensors_count, values);
}

static gw_status pull(tr_trainer *trainer)
{
    float *values[MODEL_TENSORS_MAX];
    gw_ps_ticket ticket;
    point(&trainer->model, trainer->model.parameters, values);
    gw_status status = gw_ps_pull(trainer->ps, (void *const *)values, &ticket);
    if (status == GW_OK)
        status = gw_ps_wait(trainer->ps, ticket);
    return status;
}

/* Is this the term in force? One that nobody named is the default. */
static int has_term(const tr_trainer *trainer, const char *line, int standard)
{
    const char *at = gw_ps_terms(trainer->ps);
    size_t length = strlen(line), name = strcspn(line, ":") + 1;
    for (; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncmp(at, line, name) == 0)
            return strncmp(at, line, length) == 0 && at[length] == '\n';
    return standard;
}

/* Who comes to servers that are in round 30 goes on with step 30. All ranks of a job are in step:
 * nobody has pushed since the first of them pulled. */
static int find_step(tr_trainer *trainer)
{
    uint64_t round = trainer->counted.round, steps = trainer->options->steps;
    int code = exchange_least(trainer, round, &round);
    if (code == EXIT_GOOD && trainer->lockstep)
        trainer->progress.step = round < steps ? round : steps;
    return code;
}

int pushpull_open(tr_trainer *trainer)
{
    char optimizer[128];
    name_optimizer(trainer->options, optimizer, sizeof optimizer);
    gw_status status = open_worker(trainer, optimizer);
    if (status != GW_OK)
        return report_status(status, "making a worker", gw_ps_error(NULL));
    serve_forget_keys(&trainer->serving);
    status = register_model(trainer);
    if (status != GW_OK)
        return failed(trainer, status, "joining the parameter servers");
    trainer->lockstep = has_term(trainer, "mode: sync", 1);
    trainer->replicas = trainer->lockstep && has_term(trainer, "feedback: shared", 1);
    status = pull(trainer);
    if (status == GW_OK)
        status = gw_ps_stats(trainer->ps, &trainer->counted);
    if (status != GW_OK)
        return failed(trainer, status, "pulling parameters");
    return find_step(trainer);
}

static gw_status count(tr_trainer *trainer)
{
    tr_progress *progress = &trainer->progress;
    gw_ps_figures now, *before = &trainer->counted;
    gw_status status = gw_ps_stats(trainer->ps, &now);
    if (status != GW_OK)
        return status;
    progress->sent_bytes += now.sent_bytes - before->sent_bytes;
    progress->raw_bytes += now.raw_sent_bytes - before->raw_sent_bytes;
    progress->received_bytes += now.received_bytes - before->received_bytes;
    progress->raw_received_bytes += now.raw_received_bytes - before->raw_received_bytes;
    *before = now;
    return GW_OK;
}

int pushpull_step(tr_trainer *trainer, double rate)
{
    float *gradients[MODEL_TENSORS_MAX], *values[MODEL_TENSORS_MAX];
    gw_ps_ticket ticket;
    point(&trainer->model, trainer->gradient, gradients);
    point(&trainer->model, trainer->model.parameters, values);
    gw_status status =
        gw_ps_push_pull(trainer->ps, (const void *const *)gradients, (void *const *)values,
                        &(gw_ps_push_options){ .rate = rate }, &ticket);
    if (status == GW_OK)
        status = gw_ps_wait(trainer->ps, ticket);
    if (status == GW_OK)
        status = count(trainer);
    return status == GW_OK ? EXIT_GOOD : failed(trainer, status, "pushing and pulling");
}

int pushpull_leave(tr_trainer *trainer)
{
    gw_status status = gw_ps_leave(trainer->ps);
    return status == GW_OK ? EXIT_GOOD : failed(trainer, status, "leaving the parameter servers");
}
