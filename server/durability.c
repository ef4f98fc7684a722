/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a server may promise about pushes when it is killed: the table and its parser. */
#include "server/choice.h"
#include "server/core.h"

static const gw_param no_params[] = { { 0 } };

static const gw_param snapshot_params[] = {
    { "every", GW_PARAM_INTEGER, "100", 1, 1e12, NULL, "rounds", "between snapshots" }, { 0 }
};

static const gw_param log_params[] = {
    { "every", GW_PARAM_INTEGER, "1000", 1, 1e12, NULL, "rounds", "between snapshots" }, { 0 }
};

const struct gw_durability_info gw_durabilities[] = {
    [GW_DURABLE_NONE] = { "none", "a killed server has lost everything", no_params },
    [GW_DURABLE_SNAPSHOT] = { "snapshot", "all rewind to the last snapshot", snapshot_params },
    [GW_DURABLE_LOG] = { "log", "a push that was acknowledged is on disk", log_params },
    { 0 },
};

enum { ROWS = sizeof gw_durabilities / sizeof *gw_durabilities - 1 };

gw_status gw_durability_parse(struct gw_durability *out, const char *spec, struct gw_error *error)
{
    struct gw_choice choices[ROWS];
    for (int i = 0; i < ROWS; i++)
        choices[i] = (struct gw_choice){ gw_durabilities[i].name, gw_durabilities[i].params };
    struct gw_values values;
    size_t which = 0;
    gw_status s = gw_choice_parse(&which, &values, "durability", choices, ROWS, spec, error);
    if (!s)
        *out =
            (struct gw_durability){ (enum gw_durability_kind)which,
                                    choices[which].params[0].key ? (uint64_t)values.number[0] : 0 };
    return s;
}
