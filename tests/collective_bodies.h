/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What every transport must show of the collectives; run on threads and over MPI. */
#ifndef GW_TESTS_COLLECTIVE_BODIES_H
#define GW_TESTS_COLLECTIVE_BODIES_H

#include <gradwire.h>

/* Every algorithm that applies, for one codec: counts 0, 1, 3, n, 17, 1000, 65537; twice each.
 * Replica identity, error bound, the stated order of raw sums. `*digests` gets a digest of all
 * results. */
struct codec_case {
    const char *spec;
    double bound; /* |result - exact|^2 over n * sum |x_r|^2 may not exceed this */
};

extern const struct codec_case codec_cases[];
extern const int codec_cases_count;

void body_codec(gw_comm *comm, const struct codec_case *c, unsigned long long *digests);

/* All types and operations of raw; reduce_scatter, allgather, broadcast; in place. */
void body_types(gw_comm *comm, unsigned long long *digests);
void body_others(gw_comm *comm, unsigned long long *digests);

/* A list of tensors with rules; several plans in flight, started and waited for in an order that
 * differs by rank. */
void body_list(gw_comm *comm, unsigned long long *digests);
void body_many(gw_comm *comm, unsigned long long *digests);

#endif
