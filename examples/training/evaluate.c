/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * The held-out loss. The examples, spread evenly over the held-out split, are shared out over the
 * ranks; one exact allreduce adds what they found, so all ranks know the same numbers.
 *
 * Workers of parameter servers that are not in lockstep wait for nobody, here neither, and their
 * parameters are of different moments: each that needs the loss finds all of it by itself.
 */
#include "trainer.h"

void trainer_take(tr_trainer *trainer, data_split split, size_t index, size_t place)
{
    trainer->inputs[place] = data_example(&trainer->data, split, index, &trainer->labels[place]);
}

/* Add the scores of this rank's share of `count` examples. */
static void score_share(tr_trainer *trainer, size_t count, double *loss, double *right)
{
    size_t all = trainer->data.counts[DATA_HELDOUT], taken = 0;
    size_t first = trainer->lockstep ? (size_t)trainer->rank : 0;
    size_t step = trainer->lockstep ? (size_t)trainer->ranks : 1;
    for (size_t i = first; i < count; i += step) {
        trainer_take(trainer, DATA_HELDOUT, (size_t)((double)i * (double)all / (double)count),
                     taken++);
        if (taken == trainer->options->batch || i + step >= count) {
            tr_batch batch = { trainer->inputs, trainer->labels, taken };
            tr_score score = model_score(&trainer->model, &batch);
            *loss += score.loss;
            *right += score.right;
            taken = 0;
        }
    }
}

int evaluate(tr_trainer *trainer)
{
    tr_progress *progress = &trainer->progress;
    size_t count = trainer->data.counts[DATA_HELDOUT];
    if (trainer->options->eval_count && trainer->options->eval_count < count)
        count = trainer->options->eval_count;
    /* Only rank 0 reports, and only a target makes others stop. */
    if (!trainer->lockstep && trainer->rank > 0 && trainer->options->target_loss <= 0)
        return EXIT_GOOD;
    double sums[4] = { progress->loss_sum, progress->loss_count };
    score_share(trainer, count, &sums[2], &sums[3]);
    int code = trainer->lockstep ? exchange_sums(trainer, sums, 4) : EXIT_GOOD;
    if (code != EXIT_GOOD)
        return code;
    progress->heldout_loss = sums[2] / (double)count;
    progress->accuracy = sums[3] / (double)count;
    progress->train_loss = sums[1] > 0 ? sums[0] / sums[1] : progress->heldout_loss;
    progress->loss_sum = progress->loss_count = 0;
    return EXIT_GOOD;
}
