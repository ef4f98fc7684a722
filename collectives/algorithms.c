/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of algorithms. */
#include "collectives/algorithms.h"

#include <stdio.h>
#include <string.h>

#include "base/spec.h"

const struct gw_algorithm_row *const gw_algorithm_rows[] = {
    &gw_native, &gw_ring, &gw_doubling,      &gw_direct,    &gw_gather,
    &gw_linear, &gw_tree, &gw_shared_memory, &gw_hierarchy, NULL,
};

enum { ROWS = sizeof gw_algorithm_rows / sizeof *gw_algorithm_rows - 1 };

const gw_algorithm_info *gw_info_algorithm(size_t index)
{
    return index < ROWS ? &gw_algorithm_rows[index]->info : NULL;
}

bool gw_algorithm_applies(const struct gw_algorithm_row *row, const struct gw_problem *p)
{
    return (row->collectives & p->collective) && row->applicable(p);
}

const struct gw_algorithm_row *gw_algorithm_find(const char *name, struct gw_error *error)
{
    const char *names[ROWS];
    char list[GW_SPEC_TEXT] = "";
    for (size_t i = 0; i < ROWS; i++) {
        names[i] = gw_algorithm_rows[i]->info.name;
        if (strcmp(names[i], name) == 0)
            return gw_algorithm_rows[i];
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = gw_nearest(name, strlen(name), names, ROWS);
    (void)gw_fail(error, GW_ESPEC, "unknown algorithm '%s'%s%s%s; valid: %s", name,
                  near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "", list);
    return NULL;
}
