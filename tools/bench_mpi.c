/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The baseline that vs_raw compares with: MPI_Allreduce itself, as a program without gradwire would
 * call it. A build without MPI, other transports and other operations have the raw plan instead. */
#include "config.h"

#include "tools/bench.h"

#ifdef GW_WITH_MPI
#include <gradwire/mpi.h>

int bench_mpi_allreduce(const struct bench *bench, size_t count)
{
    return MPI_Allreduce(bench->in, bench->out, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD) ==
           MPI_SUCCESS;
}
#else
int bench_mpi_allreduce(const struct bench *bench, size_t count)
{
    (void)bench;
    (void)count;
    return 0;
}
#endif
