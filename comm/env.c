/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport "env:": whatever launched this process. It only picks another row. */
#include "comm/comm.h"

#include <stdlib.h>

static bool launched_by_mpi(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

static gw_status open_env(gw_comm *comm, const struct gw_values *values, const char *rest,
                          struct gw_error *error)
{
    const struct gw_transport_row *mpi = gw_transport_find("mpi", 3, NULL);
    comm->row = mpi && launched_by_mpi() ? mpi : &gw_self_row;
    return comm->row->open(comm, values, rest, error);
}

static const gw_param no_params[] = { { 0 } };

const struct gw_transport_row gw_env_row = {
    .info = { "env", "what launched this process: mpi: under mpirun, else self:", no_params },
    .open = open_env,
};
