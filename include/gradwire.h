/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * gradwire: sums of gradients across processes, made small before they travel.
 *
 *     gw_comm *comm;
 *     gw_plan *plan;
 *     gw_comm_open(&comm, "env:");
 *     gw_plan_allreduce(&plan, comm, count, GW_F32, GW_MEAN, &(gw_options){ .codec = "ef+qsgd" });
 *     for each step { gw_start(plan, g, g); gw_wait(plan); }
 *     gw_plan_close(plan);
 *     gw_comm_close(comm);
 *
 * Read in order of need: status.h (results of calls), comm.h (the group of ranks), plan.h
 * (collectives), reducer.h (sums behind a backward pass), ps.h and server.h (a parameter server's
 * two ends), codec.h (a codec alone), info.h (the tables, for programs that list them).
 * A program that holds an MPI_Comm includes <gradwire/mpi.h> too.
 */
#ifndef GRADWIRE_H
#define GRADWIRE_H

#include "gradwire/status.h"
#include "gradwire/comm.h"
#include "gradwire/plan.h"
#include "gradwire/reducer.h"
#include "gradwire/codec.h"
#include "gradwire/info.h"
#include "gradwire/ps.h"
#include "gradwire/server.h"

#endif
