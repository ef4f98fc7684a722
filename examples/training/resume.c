/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * What a run must remember to go on as if it had never stopped: parameters, the optimizer's
 * moments, how far it is, and what the reducer keeps back (residuals, momenta, the run counter that
 * keys its random numbers). Examples are a function of seed and step, so nothing of them is saved.
 */
#include "trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"

enum { PART_DESCRIPTION, PART_PROGRESS, PART_PARAMETERS, PART_MOMENTS, PART_REDUCER };

/* The options, data and number of ranks that a checkpoint belongs to. */
static size_t describe(const tr_trainer *trainer, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "ranks %d, data %016" PRIx64 ", ",
                                   trainer->ranks, trainer->data.digest);
    options_describe(trainer->options, text + used, capacity - used);
    return strlen(text);
}

int resume_save(tr_trainer *trainer)
{
    char description[4096];
    size_t described = describe(trainer, description, sizeof description);
    size_t capacity = gw_reducer_state_bytes(trainer->reducer), written = 0;
    void *state = malloc(capacity + 1);
    if (!state)
        return report_error(EXIT_COMM, "no memory for %zu bytes of state", capacity);
    gw_status status = gw_reducer_save(trainer->reducer, state, capacity, &written);
    int code = EXIT_GOOD;
    if (status != GW_OK)
        code = report_status(status, "saving the reducer", gw_reducer_error(trainer->reducer));
    const tr_model *model = &trainer->model;
    const checkpoint_part parts[CHECKPOINT_PARTS] = {
        [PART_DESCRIPTION] = { description, described },
        [PART_PROGRESS] = { &trainer->progress, sizeof trainer->progress },
        [PART_PARAMETERS] = { model->parameters, model->parameters_count * sizeof(float) },
        [PART_MOMENTS] = { trainer->optimizer.moments,
                           trainer->optimizer.moments_count * sizeof(float) },
        [PART_REDUCER] = { state, written },
    };
    if (code == EXIT_GOOD)
        code = checkpoint_write(trainer->options->checkpoint, trainer->rank, trainer->progress.step,
                                parts);
    free(state);
    return code;
}

static int copy_part(void *to, size_t bytes, const checkpoint_part *part)
{
    if (part->count != bytes)
        return report_error(EXIT_USAGE, "a part of the checkpoint has %" PRIu64 " bytes, not %zu",
                            part->count, bytes);
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
        code = copy_part(model->parameters, model->parameters_count * sizeof(float),
                         &part[PART_PARAMETERS]);
    if (code == EXIT_GOOD)
        code = copy_part(trainer->optimizer.moments,
                         trainer->optimizer.moments_count * sizeof(float), &part[PART_MOMENTS]);
    if (code != EXIT_GOOD)
        return code;
    gw_status status =
        gw_reducer_load(trainer->reducer, part[PART_REDUCER].bytes, part[PART_REDUCER].count);
    if (status != GW_OK)
        return report_status(status, "loading the reducer", gw_reducer_error(trainer->reducer));
    trainer->resumed = 1;
    return EXIT_GOOD;
}

/* A step's gradient needs all ranks, so no rank can save step s + k before all have saved step s:
 * what ranks saved last differs by one checkpoint at most, and the older one is still there. */
int resume_load(tr_trainer *trainer)
{
    const char *path = trainer->options->checkpoint;
    checkpoint_file file;
    uint64_t step;
    int code = checkpoint_read(&file, path, trainer->rank, 0);
    if (code != EXIT_GOOD)
        return code;
    code = exchange_least(trainer, file.step, &step);
    if (code == EXIT_GOOD && file.step != step) {
        checkpoint_free(&file);
        code = checkpoint_read(&file, path, trainer->rank, 1);
    }
    if (code == EXIT_GOOD && step && file.step != step)
        code = report_error(EXIT_USAGE,
                            "rank %d has no checkpoint of step %" PRIu64
                            ", the newest that every rank has reached",
                            trainer->rank, step);
    if (code == EXIT_GOOD && step)
        code = restore(trainer, &file);
    checkpoint_free(&file);
    return code;
}
