/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Which ranks share a node, and how many cores each may use there: each rank looks at its own
 * place with hwloc and tells the others. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "comm/cores.h"

struct place {
    uint64_t node;     /* the same on ranks that share memory */
    uint64_t cores_id; /* the same on ranks that share their cores */
    int32_t island;    /* of the machine, if it simulates several nodes */
    uint32_t cores;
    uint32_t status; /* 0, or this rank is out of memory */
};

/* The running kernel; "" where it does not tell. */
static void read_boot_id(char *text, int capacity)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    *text = '\0';
    if (file) {
        if (!fgets(text, capacity, file))
            *text = '\0';
        fclose(file);
    }
}

/* The running kernel and the name of the host: containers of one machine with names of their own
 * count as nodes of their own, because they may not share memory. */
static uint64_t node_id(void)
{
    char text[320];
    read_boot_id(text, 64);
    size_t used = strlen(text);
    (void)gethostname(text + used, sizeof text - used - 1);
    return gw_hash_text(text);
}

/* Cores of which this process may use at least one thread. */
static void count_cores(hwloc_topology_t topology, hwloc_const_bitmap_t bound, struct place *place)
{
    int cores = 0;
    for (int i = 0; i < hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE); i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
        cores += core && hwloc_bitmap_intersects(core->cpuset, bound);
    }
    if (cores > 0)
        place->cores = (uint32_t)cores;
    /* Containers share cores where they run under one kernel. */
    char text[512];
    read_boot_id(text, 64);
    size_t used = strlen(text);
    hwloc_bitmap_snprintf(text + used, sizeof text - used, bound);
    place->cores_id = gw_hash_text(text);
}

gw_status gw_topology_load(hwloc_topology_t *topology)
{
    if (hwloc_topology_init(topology))
        return GW_ENOMEM;
    /* Cores only, and not by asking the CPU: that takes long and moves the thread about. */
    hwloc_topology_set_all_types_filter(*topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(*topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
#if HWLOC_API_VERSION >= 0x00020100
    hwloc_topology_set_components(*topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
#endif
    if (hwloc_topology_load(*topology)) {
        hwloc_topology_destroy(*topology);
        return GW_ENOMEM;
    }
    return GW_OK;
}

/* Where hwloc cannot say, what the system says. */
static void look_around(struct place *place, gw_comm *comm)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    place->node = place->cores_id = node_id();
    place->cores = online > 0 ? (uint32_t)online : 1;
    hwloc_topology_t topology;
    if (gw_topology_load(&topology))
        return;
    comm->numa_nodes = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    if (bound && hwloc_get_cpubind(topology, bound, HWLOC_CPUBIND_PROCESS) == 0)
        count_cores(topology, bound, place);
    hwloc_bitmap_free(bound);
    hwloc_topology_destroy(topology);
}

/* Nodes are numbered in the order of their first rank. Returns how many there are. */
static int number_nodes(gw_comm *comm, const struct place *places)
{
    int count = 0;
    for (int r = 0; r < comm->size; r++) {
        int first = 0;
        while (places[first].node != places[r].node || places[first].island != places[r].island)
            first++;
        comm->nodes[r] = first == r ? count++ : comm->nodes[first];
    }
    return count;
}

static void look_at_node(gw_comm *comm, const struct place *places)
{
    const struct place *mine = &places[comm->rank];
    int before = 0; /* ranks with the same cores, below this one */
    comm->node_cores = (int)mine->cores;
    for (int r = 0; r < comm->size; r++) {
        comm->core_ranks += places[r].cores_id == mine->cores_id;
        before += places[r].cores_id == mine->cores_id && r < comm->rank;
        if (comm->nodes[r] != comm->nodes[comm->rank])
            continue;
        comm->node_ranks++;
        comm->node_rank += r < comm->rank;
    }
    comm->crowded = comm->core_ranks > comm->node_cores;
    comm->crowding = comm->crowded ? (double)comm->core_ranks / comm->node_cores : 1;
    comm->share_cores = (int)gw_max_size((size_t)(comm->node_cores / comm->core_ranks), 1);
    comm->share_first = before % (comm->node_cores / comm->share_cores) * comm->share_cores;
}

/* What wires usually are, until they are probed. */
static void assume_links(gw_comm *comm, int nodes)
{
    comm->near = (struct gw_link){
        .bits_per_s = 40e9, .latency_s = 5e-6, .message_s = GW_MESSAGE_S, .copied = true
    };
    comm->far =
        (struct gw_link){ .bits_per_s = 1e9, .latency_s = 50e-6, .message_s = GW_MESSAGE_S };
    if (comm->shaped)
        comm->near = comm->far = comm->link;
    comm->link = nodes == 1 ? comm->near : comm->far;
}

static gw_status fill(gw_comm *comm, const struct place *places, struct gw_error *error)
{
    for (int r = 0; r < comm->size; r++)
        if (places[r].status)
            return gw_fail(error, GW_ENOMEM, "rank %d is out of memory for a comm", r);
    int count = number_nodes(comm, places);
    look_at_node(comm, places);
    for (int r = 1; r < comm->size && comm->shaped; r++)
        if (places[r].node != places[0].node)
            return gw_fail(error, GW_ENOTSUP,
                           "a simulated link needs all ranks on one machine, whose clock they "
                           "share; ranks 0 and %d are on two",
                           r);
    /* A simulated link stands for a wire between any two ranks, unless nodes are simulated too. */
    comm->shares = !comm->shaped || comm->simulated;
    assume_links(comm, count);
    return GW_OK;
}

gw_status gw_topology_fill(gw_comm *comm, struct gw_error *error)
{
    struct place mine = { 0 };
    struct place *places = calloc((size_t)comm->size, sizeof *places);
    comm->nodes = calloc((size_t)comm->size, sizeof *comm->nodes);
    if (!places) {
        (void)gw_comm_break(comm, GW_ENOMEM, "out of memory for a comm");
        return gw_fail(error, GW_ENOMEM, "out of memory for a comm of %d ranks", comm->size);
    }
    look_around(&mine, comm);
    mine.island = comm->island;
    mine.status = comm->nodes == NULL;
    gw_status s = gw_control_allgather(comm, &mine, sizeof mine, places, error);
    if (!s)
        s = fill(comm, places, error);
    free(places);
    return s;
}
