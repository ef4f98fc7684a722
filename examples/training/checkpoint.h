/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Checkpoint files: a few byte strings ("parts") in one file per rank. The file before is kept, so
 * that a job killed while its ranks were saving still has one step that all ranks have.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_PARTS 5

typedef struct checkpoint_part {
    const void *bytes;
    uint64_t count;
} checkpoint_part;

typedef struct checkpoint_file {
    uint64_t step;
    checkpoint_part parts[CHECKPOINT_PARTS];
    void *memory;
} checkpoint_file;

/* Write PATH.RANK in full or not at all; what stood there becomes PATH.RANK.previous. Returns an
 * exit status. */
int checkpoint_write(const char *path, int rank, uint64_t step, const checkpoint_part *parts);

/* Read PATH.RANK (or PATH.RANK.previous). A file that is not there is step 0 without parts; a
 * damaged one is an error. Free with checkpoint_free. Returns an exit status. */
int checkpoint_read(checkpoint_file *out, const char *path, int rank, int previous);
void checkpoint_free(checkpoint_file *file);

#endif
