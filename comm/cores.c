/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Keeping threads on a rank's share of the node's cores. */
#include "comm/cores.h"

#include <stdlib.h>

struct gw_cores {
    hwloc_topology_t topology;
    hwloc_bitmap_t set;
};

/* The share_cores cores from number share_first on, of those that this process may use. */
static void collect(hwloc_topology_t topology, hwloc_const_bitmap_t bound, const gw_comm *comm,
                    hwloc_bitmap_t out)
{
    int seen = 0;
    for (int i = 0; i < hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE); i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
        if (!core || !hwloc_bitmap_intersects(core->cpuset, bound))
            continue;
        if (seen >= comm->share_first && seen < comm->share_first + comm->share_cores)
            hwloc_bitmap_or(out, out, core->cpuset);
        seen++;
    }
    hwloc_bitmap_and(out, out, bound);
}

struct gw_cores *gw_cores_open(const gw_comm *comm)
{
    /* All that the process has: the system may do as it likes. */
    if (comm->share_cores >= comm->node_cores)
        return NULL;
    struct gw_cores *cores = calloc(1, sizeof *cores);
    if (!cores)
        return NULL;
    if (gw_topology_load(&cores->topology)) {
        free(cores);
        return NULL;
    }
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    cores->set = hwloc_bitmap_alloc();
    if (bound && cores->set &&
        hwloc_get_cpubind(cores->topology, bound, HWLOC_CPUBIND_PROCESS) == 0)
        collect(cores->topology, bound, comm, cores->set);
    hwloc_bitmap_free(bound);
    return cores;
}

void gw_cores_bind(const struct gw_cores *cores)
{
    if (cores->set && !hwloc_bitmap_iszero(cores->set))
        (void)hwloc_set_cpubind(cores->topology, cores->set, HWLOC_CPUBIND_THREAD);
}

void gw_cores_close(struct gw_cores *cores)
{
    if (!cores)
        return;
    hwloc_bitmap_free(cores->set);
    hwloc_topology_destroy(cores->topology);
    free(cores);
}
