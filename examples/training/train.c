/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Data-parallel training: every rank computes the gradient of its own examples, gradwire makes
 * their mean, every rank takes the same step; or they push gradients to parameter servers, which
 * take the step, and pull what became of the parameters. The rest is measuring what that cost. See
 * doc/training.md.
 */
#include "trainer.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cblas.h>

#include "digest.h"

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The gradient of this rank's examples of this step; parts that are final leave at once. */
static void compute_gradient(tr_trainer *trainer)
{
    const tr_options *options = trainer->options;
    for (size_t i = 0; i < options->batch; i++) {
        uint64_t bits =
            random_bits(options->seed, trainer->progress.step, (uint64_t)trainer->worker, i);
        trainer_take(trainer, DATA_TRAIN, bits % trainer->data.counts[DATA_TRAIN], i);
    }
    tr_batch batch = { trainer->inputs, trainer->labels, options->batch };
    tr_score score =
        model_gradient(&trainer->model, &batch, trainer->gradient, exchange_ready, trainer);
    trainer->progress.loss_sum += score.loss;
    trainer->progress.loss_count += (double)batch.count;
}

static double rate_of(const tr_trainer *trainer, uint64_t step)
{
    const tr_options *options = trainer->options;
    return schedule_rate(options->schedule, options->rate, options->rate_end, options->warmup, step,
                         options->steps);
}

static int step_once(tr_trainer *trainer)
{
    tr_progress *progress = &trainer->progress;
    double rate = rate_of(trainer, progress->step), start = seconds_now();
    if (trainer->options->rescale && progress->step) {
        gw_status status =
            gw_reducer_rescale(trainer->reducer, rate_of(trainer, progress->step - 1) / rate);
        if (status != GW_OK)
            return report_status(status, "rescaling", gw_reducer_error(trainer->reducer));
    }
    compute_gradient(trainer);
    double computed = seconds_now();
    int code = trainer->ps ? pushpull_step(trainer, rate) : exchange_gradient(trainer);
    if (code != EXIT_GOOD)
        return code;
    double exchanged = seconds_now();
    if (!trainer->ps)
        optimizer_step(&trainer->optimizer, trainer->model.parameters, trainer->gradient, rate,
                       progress->step);
    progress->compute_s += computed - start;
    progress->exchange_s += exchanged - computed;
    progress->update_s += seconds_now() - exchanged;
    progress->step++;
    return EXIT_GOOD;
}

/* What is done between steps; `*stop` is set when the target is reached. */
static int look(tr_trainer *trainer, int *stop)
{
    const tr_options *options = trainer->options;
    tr_progress *progress = &trainer->progress;
    uint64_t step = progress->step, digest;
    int last = step == options->steps;
    double start = seconds_now();
    int code = EXIT_GOOD;
    if (!step || last || (options->eval_every && step % options->eval_every == 0)) {
        code = evaluate(trainer);
        if (code == EXIT_GOOD && options->curve && trainer->rank == 0)
            code = report_curve(options->curve, progress, step == 0);
        if (code == EXIT_GOOD && options->verify)
            code = exchange_digest(trainer, &digest);
        *stop = last || (step && progress->heldout_loss <= options->target_loss);
    }
    if (code == EXIT_GOOD && options->checkpoint && step && !last &&
        step % options->checkpoint_every == 0)
        code = resume_save(trainer);
    progress->evaluation_s += seconds_now() - start;
    if (trainer->rank == 0 && (options->show_progress || isatty(STDERR_FILENO)))
        report_progress(progress, options->steps, rate_of(trainer, step ? step - 1 : 0));
    return code;
}

static int train(tr_trainer *trainer)
{
    int stop = 0, code = EXIT_GOOD;
    if (!trainer->resumed || trainer->progress.step == trainer->options->steps)
        code = look(trainer, &stop);
    while (code == EXIT_GOOD && !stop) {
        if (trainer->options->die_at == trainer->progress.step + 1 &&
            trainer->rank == trainer->ranks - 1)
            raise(SIGKILL);
        code = step_once(trainer);
        if (code == EXIT_GOOD)
            code = look(trainer, &stop);
    }
    if (trainer->rank == 0 && (trainer->options->show_progress || isatty(STDERR_FILENO)))
        report_progress_end();
    return code;
}

static int report(tr_trainer *trainer)
{
    const tr_options *options = trainer->options;
    const tr_serving *serving = &trainer->serving;
    const gw_plan *plan = trainer->ps ? NULL : exchange_largest(trainer);
    tr_result result = {
        .codec = options->codec,
        .algorithm = plan ? gw_plan_algorithm(plan) : "push and pull",
        .reason = plan ? gw_plan_reason(plan) : "parameter servers were asked for",
        .comm = plan                 ? gw_comm_spec(trainer->comm)
                : serving->addresses ? serving->addresses
                                     : options->ps,
        .data = options->images ? options->images
                : options->text ? options->text
                                : "licenses",
        .optimizer = options->optimizer == OPTIMIZER_ADAM ? "adam" : "sgd",
        .ranks = trainer->ranks,
        .parameters = trainer->model.parameters_count,
        .rate = options->rate,
        .momentum = options->momentum,
        .resumed = trainer->resumed,
        .equal = trainer->replicas,
        .pushes = trainer->ps != NULL,
    };
    int code = exchange_digest(trainer, &result.digest);
    if (code != EXIT_GOOD || trainer->rank != 0)
        return code;
    if (options->json)
        code = report_json(options->json, &trainer->progress, &result);
    if (!options->json || options->json[0] != '-')
        report_words(&trainer->progress, &result);
    return code;
}

/* Data, model and buffers: what needs no other rank. */
static int open_local(tr_trainer *trainer)
{
    const tr_options *options = trainer->options;
    int code = options->images ? data_open_images(&trainer->data, options->images)
                               : data_open_text(&trainer->data, options->text, options->context);
    if (code != EXIT_GOOD)
        return code;
    model_shape shape = {
        .inputs = trainer->data.inputs,
        .alphabet = trainer->data.alphabet,
        .embed = options->embed,
        .hidden_count = options->hidden_count,
        .classes = trainer->data.classes,
        .activation = options->activation,
        .batch = options->batch,
    };
    for (size_t i = 0; i < options->hidden_count; i++)
        shape.hidden[i] = options->hidden[i];
    if (model_open(&trainer->model, &shape, options->seed) != 0)
        return report_error(EXIT_USAGE, "no memory for the model");
    size_t count = trainer->model.parameters_count;
    trainer->gradient = malloc(count * sizeof(float));
    trainer->inputs = malloc(options->batch * sizeof *trainer->inputs);
    trainer->labels = malloc(options->batch);
    int bad = !trainer->gradient || !trainer->inputs || !trainer->labels;
    if (!bad && !options->pushes) /* else it is the servers' */
        bad = optimizer_open(&trainer->optimizer, options->optimizer, options->momentum, count);
    return bad ? report_error(EXIT_USAGE, "no memory for %zu parameters", count) : EXIT_GOOD;
}

static int open_comm(tr_trainer *trainer)
{
    gw_status status = gw_comm_open(&trainer->comm, trainer->options->comm);
    if (status != GW_OK)
        return report_status(status, "opening the comm", gw_comm_error(NULL));
    trainer->rank = gw_comm_rank(trainer->comm);
    trainer->ranks = gw_comm_size(trainer->comm);
    trainer->worker = trainer->rank + (int)trainer->options->worker;
    trainer->lockstep = trainer->replicas = 1;
    if (trainer->options->timeout_s > 0)
        status = gw_comm_set_timeout(trainer->comm, trainer->options->timeout_s);
    if (status != GW_OK)
        return report_status(status, "setting the limit", gw_comm_error(trainer->comm));
    return EXIT_GOOD;
}

static void close_local(tr_trainer *trainer)
{
    free(trainer->gradient);
    free(trainer->inputs);
    free(trainer->labels);
    optimizer_close(&trainer->optimizer);
    model_close(&trainer->model);
    data_close(&trainer->data);
}

/* From here on a rank that fails alone, over a file of its own or a server, leaves without a word,
 * so that mpirun ends the job: closing the comm would wait for the others. `*together`: all ranks
 * have come here, or all fail. */
static int work(tr_trainer *trainer, int *together)
{
    const tr_options *options = trainer->options;
    int code = options->pushes ? pushpull_open(trainer) : exchange_open(trainer);
    *together = code != EXIT_COMM;
    if (code == EXIT_GOOD && options->resume) {
        code = resume_load(trainer);
        *together = code == EXIT_GOOD;
    }
    if (code == EXIT_GOOD) {
        code = train(trainer);
        *together = code == EXIT_GOOD || code == EXIT_WRONG;
    }
    if (code == EXIT_GOOD)
        code = report(trainer);
    if (code == EXIT_GOOD && trainer->ps)
        code = pushpull_leave(trainer);
    return code;
}

/* Servers' work is to wait for the others. */
static int run(tr_trainer *trainer, int *together)
{
    int code = trainer->options->serve ? serve_open(trainer) : EXIT_GOOD;
    *together = code != EXIT_COMM;
    if (code != EXIT_GOOD)
        return code;
    if (!trainer->serving.serves)
        code = work(trainer, together);
    *together = *together && code != EXIT_COMM;
    if (trainer->options->serve && *together) {
        int end = serve_until_done(trainer);
        code = code == EXIT_GOOD ? end : code;
    }
    return code;
}

static void close_comm(tr_trainer *trainer)
{
    gw_comm *everyone = trainer->serving.everyone;
    gw_comm_close(trainer->comm);
    if (everyone)
        gw_comm_close(everyone);
}

int main(int argc, char **argv)
{
    tr_options options;
    options_parse(&options, argc, argv);
    openblas_set_num_threads(1);
    tr_trainer trainer = { .options = &options };
    int together = 1, code = open_local(&trainer);
    if (code == EXIT_GOOD)
        code = open_comm(&trainer);
    if (code == EXIT_GOOD)
        code = run(&trainer, &together);
    gw_reducer_close(trainer.reducer);
    gw_ps_close(trainer.ps);
    serve_close(&trainer);
    int alone = trainer.ranks == 1 && !trainer.serving.everyone;
    if (alone || (together && code != EXIT_COMM))
        close_comm(&trainer);
    close_local(&trainer);
    return code;
}
