/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* For programs that hold an MPI_Comm: the only public header that names MPI. */
#ifndef GRADWIRE_MPI_H
#define GRADWIRE_MPI_H

#include "comm.h"
#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Open a comm over an MPI intracommunicator; every rank of `mpi` calls this, after MPI_Init.
 * `mpi` is duplicated, so gradwire's messages never meet the program's, and stays the caller's.
 * Works at any MPI thread level: gradwire calls MPI only from the thread that calls gradwire,
 * except for plans with GW_PROGRESS_THREAD, which need MPI_THREAD_MULTIPLE. Close before
 * MPI_Finalize. Errors: GW_EINVAL (an intercommunicator, MPI not initialized), GW_ETRANSPORT,
 * GW_ENOMEM; the words are in gw_comm_error(NULL). */
GW_API GW_MUST_CHECK gw_status gw_comm_from_mpi(gw_comm **out, MPI_Comm mpi);

#ifdef __cplusplus
}
#endif

#endif
