/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a server may promise about pushes when it is killed: the table and its parser. */
#include "server/core.h"

#include "base/spec.h"

#include <string.h>

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

gw_status gw_durability_parse(struct gw_durability *out, const char *spec, struct gw_error *error)
{
    size_t name = strcspn(spec, ":");
    const char *params = spec[name] ? spec + name + 1 : "";
    for (int i = 0; gw_durabilities[i].name; i++) {
        const struct gw_durability_info *row = &gw_durabilities[i];
        struct gw_values values;
        if (strlen(row->name) != name || memcmp(row->name, spec, name) != 0)
            continue;
        gw_status s = gw_spec_parse(&values, row->name, row->params, params, strlen(params), error);
        if (!s)
            *out = (struct gw_durability){ (enum gw_durability_kind)i,
                                           row->params[0].key ? (uint64_t)values.number[0] : 0 };
        return s;
    }
    return gw_fail(error, GW_ESPEC, "there is no durability '%.*s'; valid: none, snapshot, log",
                   (int)gw_min_size(name, 64), spec);
}
