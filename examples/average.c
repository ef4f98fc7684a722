/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The mean of a vector over all ranks, as README.md shows it: mpirun -np 4 average */
#include <gradwire.h>
#include <stdio.h>

int main(void)
{
    static float g[1000000];
    gw_comm *comm;
    gw_plan *plan;
    if (gw_comm_open(&comm, "env:") != GW_OK)
        return fprintf(stderr, "%s\n", gw_comm_error(NULL)), 1;
    if (gw_plan_allreduce(&plan, comm, 1000000, GW_F32, GW_MEAN,
                          &(gw_options){ .codec = "ef+qsgd:bits=4" }) != GW_OK)
        return fprintf(stderr, "%s\n", gw_comm_error(comm)), 1;
    for (int i = 0; i < 1000000; i++)
        g[i] = (float)gw_comm_rank(comm);
    if (gw_start(plan, g, g) != GW_OK || gw_wait(plan) != GW_OK)
        return fprintf(stderr, "%s\n", gw_plan_error(plan)), 1;
    printf("rank %d of %d: mean %g\n", gw_comm_rank(comm), gw_comm_size(comm), (double)g[0]);
    gw_plan_close(plan);
    gw_comm_close(comm);
    return 0;
}
