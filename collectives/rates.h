/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* How long a codec and the memory take on this CPU: a straight line per kind of work, through two
 * measured points, so that small pieces pay for their calls and large ones for their bytes. */
#ifndef GW_COLLECTIVES_RATES_H
#define GW_COLLECTIVES_RATES_H

#include "base/error.h"
#include "base/spec.h"

/* Kinds of work, each on one payload of a number of elements. MERGE: for each payload merged. */
enum gw_work {
    GW_WORK_PREPARE,
    GW_WORK_ENCODE,
    GW_WORK_CHECK,
    GW_WORK_DECODE,
    GW_WORK_ADD,
    GW_WORK_MERGE,
    GW_WORK_COPY, /* from here on of floats, without a codec */
    GW_WORK_DIVIDE,
    GW_WORK_SUM,
    GW_WORKS
};

/* seconds = fixed_s + element_s * elements */
struct gw_line {
    double fixed_s, element_s;
};

/* Of one codec spec. Numbers only: ranks agree on each by taking the largest. */
struct gw_rates {
    struct gw_line work[GW_WORKS];
    double coded_bytes, merged_bytes; /* per element of 4 bytes, of normally distributed floats */
    double state_floats;              /* per element: read, and written anew, by each encode */
};

/* Of memory that is in no cache, per byte. */
struct gw_memory_rates {
    double read_s, write_s;
};

/* Measure a canonical spec with payloads of `ranks` ranks to merge; takes a few milliseconds.
 * Errors: as gw_codec_open. */
gw_status gw_rates_measure(struct gw_rates *out, const char *spec, int ranks,
                           struct gw_error *error);

/* Measure memory in `room`, in processor time; together with what other ranks of the node measure
 * it must be more than caches hold. */
void gw_memory_measure(struct gw_memory_rates *out, void *room, size_t bytes);

/* What is assumed where nothing was measured because nothing depends on it. */
extern const struct gw_rates gw_rates_assumed;
extern const struct gw_memory_rates gw_memory_assumed;

#endif
