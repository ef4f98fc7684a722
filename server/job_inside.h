/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of a job share: limits, and a layout while it is being made, by a program
 * (job_layout.c) or from text that a peer sent (job_text.c). */
#ifndef GW_SERVER_JOB_INSIDE_H
#define GW_SERVER_JOB_INSIDE_H

#include "server/job.h"

#include <stdbool.h>

enum {
    GW_SERVERS_MAX = 1024,
    GW_PART_MIN = 1024,
    GW_PART_MAX = 1 << 24,
    GW_PART_STANDARD = 262144,
    /* Longer specs are refused before anything looks into them. */
    GW_JOB_SPEC_MAX = 1023,
    GW_JOB_CODECS_MAX = 1024, /* different ones in a layout */
    /* Room that a layout leaves in GW_JOB_TEXT_MAX for all other lines. */
    GW_JOB_HEAD_MAX = 16 << 10
};

#define GW_TENSOR_COUNT_MAX ((uint64_t)1 << 40)

/* Decimal digits to a number; false if they are not one from `min` to `max`. */
bool gw_job_number(uint64_t *out, const char *text, size_t length, uint64_t min, uint64_t max);

struct gw_layout {
    struct gw_job_tensor *tensor;
    size_t count, capacity;
    size_t text_bytes; /* of its lines */
    uint64_t elements;
};

/* Add a tensor whose codec spec is canonical. Errors: GW_EINVAL with words, GW_ENOMEM. */
gw_status gw_layout_add(struct gw_layout *layout, const char *name, size_t name_length,
                        uint64_t count, const char *push, struct gw_error *error);

/* Looks for a name that is given twice: `*again` gets the index of the later one and `*first` that
 * of the earlier one, both the count of tensors if there is none. GW_ENOMEM. */
gw_status gw_layout_find_twice(const struct gw_layout *layout, size_t *first, size_t *again,
                               struct gw_error *error);

void gw_layout_clear(struct gw_layout *layout);

/* The job's layout becomes this one; `layout` is empty then. */
void gw_layout_give(struct gw_layout *layout, struct gw_job *job);

/* The push codecs that a layout names, and what they are in full. Starts as zeros. */
struct gw_codec_book {
    struct gw_book_entry *entries;
    size_t count;
};

/* `*push` is the full form of a spec of `length` bytes, until the book is cleared. Errors:
 * GW_ESPEC, GW_EINVAL (its length, or one codec too many), GW_ENOMEM. */
gw_status gw_codec_book_find(struct gw_codec_book *book, const char **push, const char *spec,
                             size_t length, struct gw_error *error);

void gw_codec_book_clear(struct gw_codec_book *book);

#endif
