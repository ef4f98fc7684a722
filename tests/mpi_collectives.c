/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The bodies of test_collectives over MPI; rank 0 prints the digests. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/collective_bodies.h"
#include "tests/ranks.h"

int main(void)
{
    static void (*const bodies[])(gw_comm *, unsigned long long *) = { body_types, body_others,
                                                                       body_list, body_many };
    enum { BODIES = sizeof bodies / sizeof *bodies };
    gw_comm *comm;
    setenv("GRADWIRE_GATE", "off", 0); /* as tests/ranks.c does */
    if (!expect(gw_comm_open(&comm, "mpi:") == GW_OK, "mpi: %s", gw_comm_error(NULL)))
        return EXIT_FAILURE;
    int me = gw_comm_rank(comm);
    for (int i = 0; i < codec_cases_count + BODIES; i++) {
        unsigned long long digests = 0;
        if (i < codec_cases_count)
            body_codec(comm, &codec_cases[i], &digests);
        else
            bodies[i - codec_cases_count](comm, &digests);
        if (me == 0)
            printf("%d %016llx\n", i, digests);
    }
    gw_comm_close(comm);
    return failures() ? EXIT_FAILURE : EXIT_SUCCESS;
}
