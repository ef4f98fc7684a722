/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of algorithms, and the choice among them. */
#include "collectives/algorithms.h"

#include <stdio.h>
#include <string.h>

#include "base/spec.h"

const struct gw_algorithm_row *const gw_algorithm_rows[] = {
    &gw_native, &gw_ring, &gw_doubling,      &gw_direct, &gw_gather,
    &gw_linear, &gw_tree, &gw_shared_memory, NULL,
};

enum { ROWS = sizeof gw_algorithm_rows / sizeof *gw_algorithm_rows - 1 };

const gw_algorithm_info *gw_info_algorithm(size_t index)
{
    return index < ROWS ? &gw_algorithm_rows[index]->info : NULL;
}

double gw_cost_wire(const struct gw_problem *p, double bytes)
{
    return bytes * 8 / p->bits_per_s;
}

double gw_cost_codec(const struct gw_problem *p, double raw_bytes)
{
    return raw_bytes / (p->dense ? p->memory_bytes_per_s : p->codec_bytes_per_s);
}

double gw_cost_confirm(const struct gw_problem *p)
{
    double rounds = 0;
    for (int distance = 1; distance < p->size; distance *= 2)
        rounds++;
    return rounds * p->latency_s;
}

static bool applies(const struct gw_algorithm_row *row, const struct gw_problem *p)
{
    return (row->collectives & p->collective) && row->applicable(p);
}

static gw_status unknown_name(const char *name, struct gw_error *error)
{
    const char *names[ROWS];
    char list[GW_SPEC_TEXT] = "";
    for (size_t i = 0; i < ROWS; i++) {
        names[i] = gw_algorithm_rows[i]->info.name;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = gw_nearest(name, strlen(name), names, ROWS);
    return gw_fail(error, GW_ESPEC, "unknown algorithm '%s'%s%s%s; valid: %s", name,
                   near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "", list);
}

static gw_status choose_forced(const struct gw_algorithm_row **out, const struct gw_problem *p,
                               const char *forced, char *reason, size_t capacity,
                               struct gw_error *error)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct gw_algorithm_row *row = gw_algorithm_rows[i];
        if (strcmp(row->info.name, forced) != 0)
            continue;
        if (!applies(row, p))
            return gw_fail(error, GW_ENOTSUP,
                           "algorithm '%s' does not apply to this collective, codec and "
                           "transport: %s",
                           forced, row->info.sentence);
        *out = row;
        snprintf(reason, capacity, "%s: asked for; predicted %.4g ms", forced, row->cost(p) * 1e3);
        return GW_OK;
    }
    return unknown_name(forced, error);
}

gw_status gw_algorithm_choose(const struct gw_algorithm_row **out, const struct gw_problem *p,
                              const char *forced, char *reason, size_t capacity,
                              struct gw_error *error)
{
    if (forced && *forced)
        return choose_forced(out, p, forced, reason, capacity, error);
    const struct gw_algorithm_row *best = NULL;
    double best_cost = 0;
    char others[GW_SPEC_TEXT] = "";
    for (size_t i = 0; i < ROWS; i++) {
        const struct gw_algorithm_row *row = gw_algorithm_rows[i];
        if (!applies(row, p))
            continue;
        double cost = row->cost(p);
        size_t used = strlen(others);
        snprintf(others + used, sizeof others - used, "%s%s %.4g ms", used ? ", " : "",
                 row->info.name, cost * 1e3);
        if (!best || cost < best_cost) {
            best = row;
            best_cost = cost;
        }
    }
    if (!best)
        return gw_fail(error, GW_ENOTSUP,
                       "no algorithm applies to this collective with these codecs: tensors that "
                       "merge (vote, int, randomk, terngrad) and tensors that do not need separate "
                       "plans");
    *out = best;
    snprintf(reason, capacity, "%s: cheapest of %s", best->info.name, others);
    return GW_OK;
}
