/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * What a run must remember to go on as if it had never stopped: parameters, the optimizer's
 * moments, how far it is, and what the reducer keeps back (residuals, momenta, the run counter that
 * keys its random numbers). Examples are a function of seed and step, so nothing of them is saved.
 *
 * Of a worker of parameter servers, which have the parameters and moments, it is how far it is and
 * what its pushes keep back. That belongs to the round that the servers stand at when they are
 * started again; if they stand at another one, it was sent meanwhile, or never will be.
 */
#include "trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"

enum { PART_DESCRIPTION, PART_PROGRESS, PART_PARAMETERS, PART_MOMENTS, PART_STATE };

/* The options, data and number of ranks that a checkpoint belongs to. */
static size_t describe(const tr_trainer *trainer, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "ranks %d, data %016" PRIx64 ", ",
                                   trainer->ranks, trainer->data.digest);
    options_describe(trainer->options, text + used, capacity - used);
    return strlen(text);
}

static int state_failed(const tr_trainer *trainer, gw_status status, const char *doing)
{
    return report_status(
        status, doing, trainer->ps ? gw_ps_error(trainer->ps) : gw_reducer_error(trainer->reducer));
}

/* What the codecs keep, malloced; NULL and *code on failure. */
static void *save_state(tr_trainer *trainer, size_t *written, int *code)
{
    size_t capacity =
        trainer->ps ? gw_ps_state_bytes(trainer->ps) : gw_reducer_state_bytes(trainer->reducer);
    void *state = malloc(capacity + 1);
    *written = 0;
    if (!state) {
        *code = report_error(EXIT_COMM, "no memory for %zu bytes of state", capacity);
        return NULL;
    }
    gw_status status = trainer->ps ? gw_ps_save(trainer->ps, state, capacity, written)
                                   : gw_reducer_save(trainer->reducer, state, capacity, written);
    *code = status == GW_OK ? EXIT_GOOD : state_failed(trainer, status, "saving what codecs keep");
    return state;
}

static int load_state(tr_trainer *trainer, const checkpoint_part *part)
{
    gw_status status = trainer->ps ? gw_ps_load(trainer->ps, part->bytes, part->count)
                                   : gw_reducer_load(trainer->reducer, part->bytes, part->count);
    return status == GW_OK ? EXIT_GOOD : state_failed(trainer, status, "loading what codecs keep");
}

/* Bytes of parameters that a checkpoint holds: none where servers do. */
static size_t parameter_bytes(const tr_trainer *trainer)
{
    return trainer->ps ? 0 : trainer->model.parameters_count * sizeof(float);
}

int resume_save(tr_trainer *trainer)
{
    char description[4096];
    int code;
    size_t described = describe(trainer, description, sizeof description), written;
    void *state = save_state(trainer, &written, &code);
    const checkpoint_part parts[CHECKPOINT_PARTS] = {
        [PART_DESCRIPTION] = { description, described },
        [PART_PROGRESS] = { &trainer->progress, sizeof trainer->progress },
        [PART_PARAMETERS] = { trainer->model.parameters, parameter_bytes(trainer) },
        [PART_MOMENTS] = { trainer->optimizer.moments,
                           trainer->optimizer.moments_count * sizeof(float) },
        [PART_STATE] = { state, written },
    };
    if (code == EXIT_GOOD)
        code = checkpoint_write(trainer->options->checkpoint, trainer->worker,
                                trainer->progress.step, parts);
    free(state);
    return code;
}

static int copy_part(void *to, size_t bytes, const checkpoint_part *part)
{
    if (part->count != bytes)
        return report_error(EXIT_USAGE, "a part of the checkpoint has %" PRIu64 " bytes, not %zu",
                            part->count, bytes);
    if (bytes > 0)
        memcpy(to, part->bytes, bytes);
    return EXIT_GOOD;
}

static int restore(tr_trainer *trainer, const checkpoint_file *file)
{
    char description[4096];
    size_t described = describe(trainer, description, sizeof description);
    const checkpoint_part *part = file->parts;
    const tr_model *model = &trainer->model;
    if (part[PART_DESCRIPTION].count != described ||
        memcmp(part[PART_DESCRIPTION].bytes, description, described) != 0)
        return report_error(EXIT_USAGE, "the checkpoint is of another run:\n  its: %.*s\n  now: %s",
                            (int)part[PART_DESCRIPTION].count,
                            (const char *)part[PART_DESCRIPTION].bytes, description);
    int code = copy_part(&trainer->progress, sizeof trainer->progress, &part[PART_PROGRESS]);
    if (code == EXIT_GOOD)
        code = copy_part(model->parameters, parameter_bytes(trainer), &part[PART_PARAMETERS]);
    if (code == EXIT_GOOD)
        code = copy_part(trainer->optimizer.moments,
                         trainer->optimizer.moments_count * sizeof(float), &part[PART_MOMENTS]);
    if (code == EXIT_GOOD)
        code = load_state(trainer, &part[PART_STATE]);
    trainer->resumed = code == EXIT_GOOD;
    return code;
}

/* The checkpoint of `step`, the newest or the one before; another one if there is none. */
static int find(const tr_trainer *trainer, uint64_t step, checkpoint_file *file)
{
    if (file->step == step)
        return EXIT_GOOD;
    checkpoint_free(file);
    return checkpoint_read(file, trainer->options->checkpoint, trainer->worker, 1);
}

/* In lockstep the servers say which step it is. Only if all workers have saved that one the run
 * goes on as if it had never stopped; else they go on without what they had kept back. */
static int follow_servers(tr_trainer *trainer, checkpoint_file *file)
{
    uint64_t step = trainer->progress.step, newest = file->step, all = 0;
    int code = find(trainer, step, file);
    if (code == EXIT_GOOD)
        code = exchange_least(trainer, file->step == step, &all);
    if (code == EXIT_GOOD && all && step)
        return restore(trainer, file);
    if (code == EXIT_GOOD && (step || newest))
        report_words_of_error("worker %d: the servers stand at round %" PRIu64
                              ", which not all workers have saved (its newest: %" PRIu64
                              "): going on from there, without what codecs had kept back",
                              trainer->worker, step, newest);
    trainer->resumed = step > 0;
    return code;
}

/* A step's gradient needs all ranks, so no rank can save step s + k before all have saved step s:
 * what ranks saved last differs by one checkpoint at most, and the older one is still there. */
static int follow_slowest(tr_trainer *trainer, checkpoint_file *file)
{
    uint64_t step;
    int code = exchange_least(trainer, file->step, &step);
    if (code == EXIT_GOOD)
        code = find(trainer, step, file);
    if (code != EXIT_GOOD || !step)
        return code;
    if (file->step != step)
        return report_error(EXIT_USAGE,
                            "rank %d has no checkpoint of step %" PRIu64
                            ", the newest that every rank has reached",
                            trainer->rank, step);
    return restore(trainer, file);
}

/* A worker that waits for nobody may be any number of checkpoints ahead of another. */
static int follow_own(tr_trainer *trainer, const checkpoint_file *file)
{
    return file->step ? restore(trainer, file) : EXIT_GOOD;
}

int resume_load(tr_trainer *trainer)
{
    checkpoint_file file;
    int code = checkpoint_read(&file, trainer->options->checkpoint, trainer->worker, 0);
    if (code == EXIT_GOOD)
        code = !trainer->lockstep ? follow_own(trainer, &file)
               : trainer->ps      ? follow_servers(trainer, &file)
                                  : follow_slowest(trainer, &file);
    checkpoint_free(&file);
    return code;
}
