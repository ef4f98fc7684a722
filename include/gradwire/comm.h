/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * A comm is a group of ranks that can reach each other.
 *
 * Threads: one comm and the plans on it belong to one thread at a time; threads of the library's
 * own (gw_options.threads, gw_options.progress) need no care. Different comms are independent (over
 * MPI that needs MPI_THREAD_MULTIPLE when they are used at the same time).
 */
#ifndef GRADWIRE_COMM_H
#define GRADWIRE_COMM_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gw_comm gw_comm;

/* Open a comm from a spec string; every rank of the group calls this.
 *
 *   "self:"    a group of one
 *   "local:ranks=4,rank=2,name=job"
 *              ranks are threads of this process; those that give the same name meet. The call
 *              returns when all have come. With nodes=K they act as if they were, in order, on
 *              K nodes: what uses shared memory within a node only can so be tried on one machine
 *   "mpi:"     MPI_COMM_WORLD; MPI is initialized if the program has not done so, and finalized
 *              by the last gw_comm_close only then
 *   "env:"     mpi: when mpirun started this process, else self:
 *   "shaped:rate=1gbit,latency=50us/mpi:"
 *              any of the above behind a simulated link: each rank has one outgoing and one
 *              incoming lane of that rate, messages become visible when such a link would have
 *              delivered them. Ranks behind it share no memory, unless nodes=K says who does
 *
 * NULL means GRADWIRE_COMM, else "env:". GRADWIRE_LINK=RATE,LATENCY shapes what is not shaped yet.
 * Errors: GW_ESPEC, GW_ENOMEM, GW_ETRANSPORT, GW_ETIMEOUT (some local: ranks did not come). The
 * words are in gw_comm_error(NULL). Close with gw_comm_close. */
GW_API GW_MUST_CHECK gw_status gw_comm_open(gw_comm **out, const char *spec);

/* Split a comm into groups of equal `colour` (>= 0; a negative colour joins none and gets NULL),
 * ranked by `key`, then by old rank. Every rank of `comm` calls this. The new comm is independent
 * of the old one, which may be closed first.
 * Errors: as gw_comm_open; the words are in gw_comm_error(comm). */
GW_API GW_MUST_CHECK gw_status gw_comm_split(gw_comm **out, gw_comm *comm, int colour, int key);

/* Close; NULL is fine. Does not wait for other ranks, except that an mpi: comm that initialized
 * MPI finalizes it here, which waits for all ranks unless the comm is broken (then MPI is left
 * unfinalized, so that the program can end and mpirun can end the others), and that with
 * GRADWIRE_TRACE set ranks gather their traces here (a rank that is silent for 10 s ends that). */
GW_API void gw_comm_close(gw_comm *comm);

/* This rank, 0 .. gw_comm_size - 1, and the number of ranks. */
GW_API int gw_comm_rank(const gw_comm *comm);
GW_API int gw_comm_size(const gw_comm *comm);

/* What hwloc and the ranks' hosts tell: ranks on this rank's node, this rank's position among
 * them, the cores this process may use there, and the node (0 .. nodes-1) of any rank. */
GW_API int gw_comm_node_ranks(const gw_comm *comm);
GW_API int gw_comm_node_rank(const gw_comm *comm);
GW_API int gw_comm_node_cores(const gw_comm *comm);
GW_API int gw_comm_node(const gw_comm *comm, int rank);

/* The spec in force, "shaped:rate=1gbit,latency=50us/mpi:"; lives as long as the comm. */
GW_API const char *gw_comm_spec(const gw_comm *comm);

/* A word for the group, for files of what was measured on it: transport and simulated link, ranks,
 * nodes, and a digest of the hosts' names. Collective; the same on all ranks. Errors: GW_ECAPACITY,
 * GW_ENOMEM, GW_ETIMEOUT. */
GW_API GW_MUST_CHECK gw_status gw_comm_group(gw_comm *comm, char *out, size_t capacity);

/* The limit, in seconds, of every wait on this comm and on plans made later without a limit of
 * their own. Default: GRADWIRE_TIMEOUT, else 60. Errors: GW_EINVAL (not above 0). */
GW_API GW_MUST_CHECK gw_status gw_comm_set_timeout(gw_comm *comm, double seconds);

/* Wait until every rank has come. Errors: GW_ETIMEOUT (the words name who did not), GW_EBROKEN. */
GW_API GW_MUST_CHECK gw_status gw_barrier(gw_comm *comm);

/* The last error of this comm in words, "" if none; valid until the next call on it. With NULL:
 * that of the calling thread's last failed open (of a comm or a codec). */
GW_API const char *gw_comm_error(const gw_comm *comm);

#ifdef __cplusplus
}
#endif

#endif
