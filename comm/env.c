/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport "env:": whatever launched this process. It only picks another row. `gradwire run`
 * says itself which; mpirun shows by variables of its own. */
#include "comm/comm.h"

#include <stdlib.h>
#include <string.h>

#include "base/settings.h"

static bool launched_by_mpi(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

/* By a launcher's spec; the comm is named so too. */
static gw_status open_launched(gw_comm *comm, const char *spec, struct gw_error *error)
{
    struct gw_values values;
    const char *colon = strchr(spec, ':');
    if (!colon)
        return gw_fail(error, GW_ESPEC, "GRADWIRE_LAUNCH=%s is no comm spec: it has no ':'", spec);
    const struct gw_transport_row *row = gw_transport_find(spec, (size_t)(colon - spec), error);
    if (!row)
        return GW_ESPEC;
    if (row->decorates || row == &gw_env_row)
        return gw_fail(error, GW_ESPEC, "GRADWIRE_LAUNCH=%s: %s: does not start by itself", spec,
                       row->info.name);
    gw_status s = gw_spec_parse(&values, row->info.name, row->info.params, colon + 1,
                                strlen(colon + 1), error);
    if (s)
        return s;
    comm->row = row;
    s = gw_comm_name(comm, colon + 1, NULL, error);
    return s ? s : row->open(comm, &values, NULL, error);
}

static gw_status open_env(gw_comm *comm, const struct gw_values *values, const char *rest,
                          struct gw_error *error)
{
    const char *launch = gw_setting_text(GW_SET_LAUNCH);
    if (*launch)
        return open_launched(comm, launch, error);
    const struct gw_transport_row *mpi = gw_transport_find("mpi", 3, NULL);
    comm->row = mpi && launched_by_mpi() ? mpi : &gw_self_row;
    return comm->row->open(comm, values, rest, error);
}

static const gw_param no_params[] = { { 0 } };

const struct gw_transport_row gw_env_row = {
    .info = { "env",
              "what launched this process: tcp: under gradwire run, mpi: under mpirun, else self:",
              no_params },
    .open = open_env,
};
