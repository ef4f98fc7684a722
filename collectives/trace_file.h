/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What trace.c records and trace_file.c writes. */
#ifndef GW_COLLECTIVES_TRACE_FILE_H
#define GW_COLLECTIVES_TRACE_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "collectives/steps.h"

/* Rows of a rank in the picture; each takes as many as it needs for its spans not to overlap. */
enum gw_trace_row {
    GW_TRACE_EXECUTOR,
    GW_TRACE_POOL,
    GW_TRACE_SEND,
    GW_TRACE_RECV,
    GW_TRACE_WAIT,
    GW_TRACE_RUN,
    GW_TRACE_ROWS
};

/* A plan in words; it outlives the plan. */
struct gw_trace_label {
    struct gw_trace_label *next;
    unsigned number;
    char *title;    /* of its runs */
    char **tensors; /* by piece: what is in it; last: everything */
    int tensors_count;
};

struct gw_trace_span {
    int64_t start_ns, end_ns;
    uint64_t bytes;
    const struct gw_trace_label *label;
    int piece, peer; /* -1: none */
    uint8_t row, kind;
    bool failed; /* of a run */
};

/* A rank's clock against that of rank 0: what is to be added at two moments; in between in
 * proportion, for clocks that drift. */
struct gw_trace_clock {
    int64_t at_ns[2], offset_ns[2];
    int64_t base_ns; /* of rank 0's clock: 0 of the trace */
};

/* The events of one rank, separated by commas, malloced; NULL: out of memory. Sorts the spans.
 * `dropped`: so many more there would have been. */
char *gw_trace_events(struct gw_trace_span *spans, size_t count, size_t dropped, int rank, int node,
                      const struct gw_trace_clock *clock);

/* A whole file of some ranks' events. `trouble`: NULL, or why there are not all of them. */
gw_status gw_trace_write(FILE *file, char *const *events, int ranks, const char *trouble);

#endif
