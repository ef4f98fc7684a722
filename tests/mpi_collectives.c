/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The bodies of test_collectives over MPI; rank 0 prints the digests. And what only MPI has: its
 * own allreduce, which a rank that refuses its input has to join. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/collective_bodies.h"
#include "tests/ranks.h"

enum { REFUSED = 70000 };

static void check_refusal(gw_comm *comm, gw_plan *plan, int refuser)
{
    static float in[REFUSED], out[REFUSED];
    int me = gw_comm_rank(comm), n = gw_comm_size(comm);
    for (int i = 0; i < REFUSED; i++) {
        in[i] = (float)(me + i % 8);
        out[i] = -1;
    }
    if (me == refuser)
        in[REFUSED / 2] = NAN;
    gw_status s = gw_start(plan, in, out);
    s = s ? s : gw_wait(plan);
    gw_status expected = refuser < 0 ? GW_OK : me == refuser ? GW_ENONFINITE : GW_EPEER;
    expect(s == expected, "native, rank %d refuses: rank %d expected %s, got %s: %s", refuser, me,
           gw_status_name(expected), gw_status_name(s), gw_plan_error(plan));
    for (int i = 0; i < REFUSED; i++) {
        int added = n * (n - 1) / 2 + n * (i % 8);
        float sum = refuser < 0 ? (float)added : -1;
        if (!expect(out[i] == sum, "native, rank %d refuses: element %d of rank %d is %g, not %g",
                    refuser, i, me, (double)out[i], (double)sum))
            break;
    }
}

/* Nothing shows of a run that some rank refused, and the next one is right. */
static void refusals(gw_comm *comm)
{
    const gw_options options = { .algorithm = "native" };
    gw_plan *plan;
    if (!expect(gw_plan_allreduce(&plan, comm, REFUSED, GW_F32, GW_SUM, &options) == GW_OK,
                "native: %s", gw_comm_error(comm)))
        return;
    for (int refuser = -1; refuser < gw_comm_size(comm); refuser++) {
        check_refusal(comm, plan, refuser);
        check_refusal(comm, plan, -1);
    }
    gw_plan_close(plan);
}

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
    refusals(comm);
    gw_comm_close(comm);
    return failures() ? EXIT_FAILURE : EXIT_SUCCESS;
}
