/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of modes, and their parser. Apart from the decisions (policy.c), so that those stay a
 * page of arithmetic that knows no text. */
#include "server/choice.h"
#include "server/policy.h"

#include <math.h>

/* Whole numbers up to here are written with all their digits. */
#define COUNT_MAX 1e6
#define GRACE_MAX 86400.0

static const gw_param no_params[] = { { .key = NULL } };

enum { QUORUM_K, QUORUM_GRACE, QUORUM_LATE };
static const gw_param quorum_params[] = {
    [QUORUM_K] = { "k", GW_PARAM_INTEGER, "2", 1, COUNT_MAX, NULL, "workers",
                   "so many live workers' pushes end a round" },
    [QUORUM_GRACE] = { "grace", GW_PARAM_SECONDS, "0s", 0, GRACE_MAX, NULL, "s",
                       "a round also ends so long after its first push; 0: it does not" },
    [QUORUM_LATE] = { "late", GW_PARAM_NAME, "fold", 0, 0, "fold|drop", "",
                      "a push whose round has ended waits for the next one, or is thrown away" },
    { .key = NULL }
};

enum { SSP_S };
static const gw_param ssp_params[] = {
    [SSP_S] = { "s", GW_PARAM_INTEGER, "1", 0, COUNT_MAX, NULL, "rounds",
                "how far a worker may be ahead of the slowest live one" },
    { .key = NULL }
};

const struct gw_mode_info gw_modes[] = {
    { "sync", "a round takes one push of every live worker",
      "Li et al. 2014, \"Scaling Distributed Machine Learning with the Parameter Server\"",
      no_params, GW_MODE_SYNC },
    { "quorum", "a round ends when k workers have pushed, or after a grace time",
      "Chen et al. 2016, \"Revisiting Distributed Synchronous SGD\"", quorum_params,
      GW_MODE_QUORUM },
    { "async", "each push is applied as it comes",
      "Dean et al. 2012, \"Large Scale Distributed Deep Networks\"", no_params, GW_MODE_ASYNC },
    { "ssp", "as async, and who is more than s rounds ahead of the slowest waits",
      "Ho et al. 2013, \"More Effective Distributed ML via a Stale Synchronous Parallel Parameter "
      "Server\"",
      ssp_params, GW_MODE_SSP },
    { .name = NULL },
};

enum { ROWS = sizeof gw_modes / sizeof gw_modes[0] - 1 };

static struct gw_choice choice_of(const struct gw_mode_info *row)
{
    return (struct gw_choice){ row->name, row->params };
}

static gw_status read(const struct gw_mode_info **row, struct gw_values *values, const char *spec,
                      struct gw_error *error)
{
    struct gw_choice choices[ROWS];
    for (int i = 0; i < ROWS; i++)
        choices[i] = choice_of(&gw_modes[i]);
    size_t which = 0;
    gw_status s = gw_choice_parse(&which, values, "mode", choices, ROWS, spec, error);
    *row = &gw_modes[which];
    return s;
}

/* A time that is not zero never becomes 0, which would mean "never". */
static int64_t to_ns(double seconds)
{
    int64_t ns = (int64_t)llround(seconds * 1e9);
    return ns == 0 && seconds > 0 ? 1 : ns;
}

/* What the numbers mean, in the units in which the mode keeps them. The text is written from that,
 * so that texts are equal where modes are. */
static void settle(struct gw_values *values, const struct gw_mode_info *row)
{
    for (int i = 0; row->params[i].key; i++)
        values->number[i] = fabs(values->number[i]); /* there are none below 0, but there is -0 */
    if (row->kind == GW_MODE_QUORUM)
        values->number[QUORUM_GRACE] = (double)to_ns(values->number[QUORUM_GRACE]) * 1e-9;
}

static struct gw_mode mode_of(const struct gw_mode_info *row, const struct gw_values *values)
{
    struct gw_mode mode = { .kind = row->kind };
    if (row->kind == GW_MODE_QUORUM) {
        mode.quorum = (int)values->number[QUORUM_K];
        mode.grace_ns = to_ns(values->number[QUORUM_GRACE]);
        mode.drop_late = values->number[QUORUM_LATE] != 0;
    }
    if (row->kind == GW_MODE_SSP)
        mode.staleness = (uint64_t)values->number[SSP_S];
    return mode;
}

gw_status gw_mode_parse(struct gw_mode *mode, const char *spec, char *canonical, size_t capacity,
                        struct gw_error *error)
{
    const struct gw_mode_info *row;
    struct gw_values values;
    char text[GW_SPEC_TEXT];
    gw_status s = read(&row, &values, spec ? spec : "", error);
    if (s)
        return s;
    settle(&values, row);
    const struct gw_choice choice = choice_of(row);
    s = gw_choice_format(&choice, &values, text, sizeof text, error);
    if (!s) /* a text keeps nine digits: what it says is what is meant */
        s = read(&row, &values, text, error);
    if (!s)
        s = gw_choice_format(&choice, &values, canonical, capacity, error);
    if (!s)
        *mode = mode_of(row, &values);
    return s;
}
