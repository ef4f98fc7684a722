/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The machine's cores, as hwloc sees them. */
#ifndef GW_COMM_CORES_H
#define GW_COMM_CORES_H

#include <hwloc.h>

#include "comm/comm.h"

/* A topology of cores alone. */
gw_status gw_topology_load(hwloc_topology_t *topology);

#endif
