/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Aggregators: n workers' gradients of one part to one. The table is aggregators.c, a row a file or
 * a function. */
#ifndef GW_SERVER_AGGREGATE_H
#define GW_SERVER_AGGREGATE_H

#include <gradwire/info.h>

#include <stdbool.h>

#include "base/error.h"
#include "base/spec.h"
#include "base/types.h"

/* One row. `combine` gets n >= 1 rows of `count` floats in worker order, `rows[i]`, and writes
 * `out`; `scratch` has scratch_count(n, count) floats. All inputs are finite; so is the output
 * (an overflow becomes the largest finite number of its sign). The bits depend on the inputs and
 * their order alone. */
struct gw_aggregator {
    const char *name, *sentence, *paper;
    const gw_param *params; /* ends with a NULL key */
    bool linear;            /* a sum, then `finish`: rows may be added one by one as decoded */
    bool whole;             /* looks at all elements of a part at once (norms): not in chunks */
    /* linear: `sum` of n rows, which may have overflowed, to the result. Then the others are NULL.
     */
    void (*finish)(const struct gw_values *values, size_t n, float *sum, size_t count);
    /* Of packed payloads, not of floats: the spec of the codec whose merge it is. Likewise. */
    const char *(*codec)(const struct gw_values *values);
    size_t (*scratch_count)(const struct gw_values *values, size_t n, size_t count);
    void (*combine)(const struct gw_values *values, const float *const *rows, size_t n, float *out,
                    size_t count, float *scratch);
};

extern const struct gw_aggregator *const gw_aggregators[]; /* ends with NULL */

/* "trimmed:cut=0.2"; canonical as in gw_mode_parse. */
gw_status gw_aggregator_parse(const struct gw_aggregator **row, struct gw_values *values,
                              const char *spec, char *canonical, size_t capacity,
                              struct gw_error *error);

#endif
