/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The bodies of test_collectives over whatever launched this process, which test_run.sh has be
 * gradwire run; rank 0 prints the digests.
 *
 *   tcp_collectives                  the bodies
 *   tcp_collectives barriers TOKEN   barriers without end, for those who kill; rank 0 says when */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/collective_bodies.h"
#include "tests/ranks.h"

static int run_barriers(gw_comm *comm)
{
    gw_status s = gw_barrier(comm);
    printf("ready, rank %d\n", gw_comm_rank(comm));
    fflush(stdout);
    while (s == GW_OK)
        s = gw_barrier(comm);
    fprintf(stderr, "rank %d: %s: %s\n", gw_comm_rank(comm), gw_status_name(s),
            gw_comm_error(comm));
    gw_comm_close(comm);
    return 5;
}

int main(int argc, char **argv)
{
    static void (*const bodies[])(gw_comm *, unsigned long long *) = { body_types, body_others,
                                                                       body_list, body_many };
    enum { BODIES = sizeof bodies / sizeof *bodies };
    gw_comm *comm;
    setenv("GRADWIRE_GATE", "off", 0); /* as tests/ranks.c does */
    if (!expect(gw_comm_open(&comm, NULL) == GW_OK, "open: %s", gw_comm_error(NULL)))
        return EXIT_FAILURE;
    if (argc > 1 && strcmp(argv[1], "barriers") == 0)
        return run_barriers(comm);
    expect(strstr(gw_comm_spec(comm), "tcp:") != NULL, "NULL became %s under gradwire run",
           gw_comm_spec(comm));
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
