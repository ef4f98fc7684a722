/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The progress thread: one per process, for all plans that asked for progress=thread. It starts
 * with the first of them and ends with the last, and sleeps while no run is under way. */
#ifndef GW_COLLECTIVES_PROGRESS_H
#define GW_COLLECTIVES_PROGRESS_H

#include "comm/comm.h"

/* A plan of this comm wants it; between gw_comm_enter and gw_comm_leave, at depth one.
 * Errors: GW_ENOTSUP (the transport does not allow it; the words say what to change), GW_ENOMEM. */
gw_status gw_progress_join(gw_comm *comm, struct gw_error *error);
/* The plan is closed; inside the comm. */
void gw_progress_leave(gw_comm *comm);

/* A run of such a plan begins, ends. */
void gw_progress_begin(void);
void gw_progress_end(void);

#endif
