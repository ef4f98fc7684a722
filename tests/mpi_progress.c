/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* progress=thread where MPI does not allow it: refused on all ranks alike, with words that say what
 * to change, and the comm works on. */
#include <gradwire/mpi.h>
#include <stdlib.h>
#include <string.h>

#include "gradwire.h"
#include "tests/ranks.h"

int main(int argc, char **argv)
{
    int level = MPI_THREAD_MULTIPLE;
    gw_comm *comm;
    gw_plan *plan = NULL;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
    if (!expect(gw_comm_from_mpi(&comm, MPI_COMM_WORLD) == GW_OK, "%s", gw_comm_error(NULL)))
        return EXIT_FAILURE;
    gw_options options = { .progress = GW_PROGRESS_THREAD };
    gw_status s = gw_plan_allreduce(&plan, comm, 100, GW_F32, GW_SUM, &options);
    if (level < MPI_THREAD_MULTIPLE) {
        expect(s == GW_ENOTSUP, "%s instead of GW_ENOTSUP", gw_status_name(s));
        expect(strstr(gw_comm_error(comm), "MPI_THREAD_MULTIPLE") != NULL,
               "'%s' does not say what to pass", gw_comm_error(comm));
    }
    float x[100] = { 0 };
    options.progress = GW_PROGRESS_CALLER;
    expect(gw_allreduce(comm, x, x, 100, GW_F32, GW_SUM, &options) == GW_OK, "%s",
           gw_comm_error(comm));
    gw_plan_close(plan);
    gw_comm_close(comm);
    MPI_Finalize();
    return failures() ? EXIT_FAILURE : EXIT_SUCCESS;
}
