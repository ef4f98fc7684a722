/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of transports. A new one is one file and one row here. */
#include "config.h"

#include "comm/comm.h"

#include <stdio.h>
#include <string.h>

const struct gw_transport_row *const gw_transport_rows[] = {
    &gw_env_row, &gw_self_row,   &gw_local_row,
#ifdef GW_WITH_MPI
    &gw_mpi_row,
#endif
    &gw_tcp_row, &gw_shaped_row, NULL,
};

enum { ROWS = sizeof gw_transport_rows / sizeof gw_transport_rows[0] - 1 };

const gw_transport_info *gw_info_transport(size_t index)
{
    return index < ROWS ? &gw_transport_rows[index]->info : NULL;
}

static const struct gw_transport_row *find(const char *name, size_t length)
{
    for (int i = 0; i < ROWS; i++) {
        const char *row = gw_transport_rows[i]->info.name;
        if (strlen(row) == length && memcmp(row, name, length) == 0)
            return gw_transport_rows[i];
    }
    return NULL;
}

const struct gw_transport_row *gw_transport_find(const char *name, size_t length,
                                                 struct gw_error *error)
{
    const struct gw_transport_row *row = find(name, length);
    if (row)
        return row;
    const char *names[ROWS];
    char list[GW_SPEC_TEXT] = "";
    for (int i = 0; i < ROWS; i++) {
        names[i] = gw_transport_rows[i]->info.name;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s:", i ? ", " : "", names[i]);
    }
    const char *near = gw_nearest(name, length, names, ROWS);
    (void)gw_fail(error, GW_ESPEC, "there is no transport '%.*s'%s%s%s; valid: %s", (int)length,
                  name, near ? " (did you mean '" : "", near ? near : "", near ? ":'?)" : "", list);
    return NULL;
}
