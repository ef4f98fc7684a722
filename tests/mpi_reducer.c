/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The bodies of test_reducer over MPI; rank 0 prints the digests. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/ranks.h"
#include "tests/reducer_bodies.h"

int main(void)
{
    static void (*const bodies[])(gw_comm *, unsigned long long *) = { body_orders, body_sizes,
                                                                       body_saved };
    gw_comm *comm;
    setenv("GRADWIRE_GATE", "off", 0); /* as tests/ranks.c does */
    if (!expect(gw_comm_open(&comm, "mpi:") == GW_OK, "mpi: %s", gw_comm_error(NULL)))
        return EXIT_FAILURE;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        unsigned long long digests = 0;
        bodies[i](comm, &digests);
        if (gw_comm_rank(comm) == 0)
            printf("%zu %016llx\n", i, digests);
    }
    gw_comm_close(comm);
    return failures() ? EXIT_FAILURE : EXIT_SUCCESS;
}
