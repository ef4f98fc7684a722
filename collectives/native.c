/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* native: raw data through the transport's own allreduce (MPI_Iallreduce). Nobody knows the
 * machine's fast paths better; nothing else here sends raw data over MPI's own algorithms.
 *
 * A rank that refuses its input takes part all the same, since the others have begun: ranks ask
 * each other while the data is on its way, and what came of it shows only when all have agreed. */
#include "collectives/algorithms.h"

static bool applicable(const struct gw_problem *p)
{
    return p->dense && p->native;
}

static void write(struct gw_step_list *list, const struct gw_problem *p)
{
    gw_steps_add(list, GW_STEP_PREPARE, -1, -1);
    if (p->checks)
        gw_steps_consult(list, p->rank, p->size);
    for (int k = 0; k < p->pieces; k++) {
        gw_steps_add(list, GW_STEP_NATIVE, k, -1);
        if (p->divides)
            gw_steps_add(list, GW_STEP_DIVIDE, k, -1);
    }
    gw_steps_add(list, GW_STEP_COMMIT, -1, -1);
    for (int k = 0; k < p->pieces; k++)
        gw_steps_add(list, GW_STEP_COPY, k, -1);
}

const struct gw_algorithm_row gw_native = {
    .info = { "native", "raw data through the transport's own allreduce (MPI only)",
              "MPI's own; the same on all ranks", "MPI_Iallreduce of the MPI library" },
    .collectives = GW_ALLREDUCE,
    .whole = true,
    .applicable = applicable,
    .write = write,
};
