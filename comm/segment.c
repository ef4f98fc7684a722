/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Memory that the ranks of one node share, whether they are processes or threads.
 *
 * It has no name: the first rank of the node makes a file that exists in memory only
 * (memfd_create), the others open it through that rank's folder in /proc. So no names clash,
 * nothing is left behind by whoever is killed at whatever moment, and its size is not bounded by
 * that of /dev/shm (64 MiB in many containers). All of it is allocated here, each part by its owner
 * (posix_fallocate), so that too little memory is a status now and not a signal later. */
#define _GNU_SOURCE
#include "comm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A look at flags lasts as long as one takes to come from another core. Longer would be lost where
 * ranks happen to share a core. */
enum { SPINS = 4 };

struct offer { /* what every rank tells every other */
    int64_t process;
    int32_t file;
    int32_t status;
    uint64_t bytes;
};

/* ---- one rank's side of opening -------------------------------------------------------------- */

static bool leads(const gw_comm *comm)
{
    return comm->node_rank == 0;
}

static gw_status failure(int code)
{
    return code == ENOMEM || code == ENOSPC || code == EFBIG || code == EMFILE || code == ENFILE
               ? GW_ENOMEM
               : GW_ENOTSUP;
}

static struct gw_shared *allocate(int ranks)
{
    struct gw_shared *shared = calloc(1, sizeof *shared);
    if (!shared)
        return NULL;
    shared->parts = calloc((size_t)ranks, sizeof *shared->parts);
    shared->ranks = ranks;
    if (!shared->parts) {
        free(shared);
        return NULL;
    }
    return shared;
}

static gw_status make_file(int *file)
{
    *file = memfd_create("gradwire", MFD_CLOEXEC);
    return *file < 0 ? failure(errno) : GW_OK;
}

static gw_status open_file(int *file, const struct offer *leader)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/fd/%d", (long long)leader->process, leader->file);
    *file = open(path, O_RDWR | O_CLOEXEC);
    return *file < 0 ? failure(errno) : GW_OK;
}

/* Where the parts stand, in the order of ranks; the data behind the head. */
static size_t lay_out(struct gw_shared *shared, const gw_comm *comm, const struct offer *offers,
                      size_t *mine)
{
    size_t at = 0;
    for (int r = 0, part = 0; r < comm->size; r++) {
        if (comm->nodes[r] != comm->nodes[comm->rank])
            continue;
        if (r == comm->rank) {
            shared->rank = part;
            *mine = at;
        }
        shared->parts[part++] = (struct gw_shared_part){ .bytes = offers[r].bytes, .rank = r };
        at += offers[r].bytes;
    }
    return at;
}

/* With several NUMA nodes the part goes to the one on which this rank runs now; where hwloc cannot
 * do that, to the one that the system finds near whoever allocates, which is this rank too. */
static void place_near(void *part, size_t bytes, int numa_nodes)
{
    hwloc_topology_t topology;
    if (numa_nodes < 2 || hwloc_topology_init(&topology))
        return;
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    if (cpus && hwloc_topology_load(topology) == 0 &&
        hwloc_get_last_cpu_location(topology, cpus, HWLOC_CPUBIND_THREAD) == 0)
        (void)hwloc_set_area_membind(topology, part, bytes, cpus, HWLOC_MEMBIND_BIND, 0);
    hwloc_bitmap_free(cpus);
    hwloc_topology_destroy(topology);
}

static gw_status map(struct gw_shared *shared, const gw_comm *comm, int file,
                     const struct offer *offers)
{
    size_t mine = 0;
    shared->crowded = comm->crowded;
    shared->bytes = lay_out(shared, comm, offers, &mine);
    uint8_t *base = mmap(NULL, shared->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (base == MAP_FAILED)
        return failure(errno);
    shared->base = base;
    for (int i = 0; i < shared->ranks; i++) {
        struct gw_shared_part *part = &shared->parts[i];
        part->head = (struct gw_shared_head *)base;
        part->data = base + sizeof *part->head;
        base += part->bytes;
        part->bytes -= sizeof *part->head;
    }
    size_t bytes = (size_t)offers[comm->rank].bytes;
    place_near(shared->base + mine, bytes, comm->numa_nodes);
    int code = posix_fallocate(file, (off_t)mine, (off_t)bytes);
    return code ? failure(code) : GW_OK;
}

/* ---- open and close -------------------------------------------------------------------------- */

/* The first of the node's ranks. */
static const struct offer *leader_of(const gw_comm *comm, const struct offer *offers)
{
    int r = 0;
    while (comm->nodes[r] != comm->nodes[comm->rank])
        r++;
    return &offers[r];
}

static gw_status judge(const gw_comm *comm, const struct offer *offers, struct gw_error *error)
{
    for (int r = 0; r < comm->size; r++)
        if (offers[r].status)
            return gw_fail(error, (gw_status)offers[r].status,
                           "rank %d cannot share %llu bytes of memory with its node: %s", r,
                           (unsigned long long)offers[r].bytes,
                           offers[r].status == GW_ENOMEM ? "there is not enough" : "refused");
    return GW_OK;
}

/* The two exchanges: who has made a file; and, all having mapped it, whether that went well. */
static gw_status meet(struct gw_shared *shared, gw_comm *comm, struct offer *mine,
                      struct offer *offers, struct gw_error *error)
{
    int file = mine->file;
    gw_status s = gw_control_allgather(comm, mine, sizeof *mine, offers, error);
    if (!s)
        s = judge(comm, offers, error);
    if (s)
        return s;
    if (!shared) /* said by this rank's offer already */
        return gw_fail(error, GW_ENOMEM, "out of memory for what ranks share");
    mine->status = leads(comm) ? GW_OK : open_file(&file, leader_of(comm, offers));
    if (!mine->status)
        mine->status = map(shared, comm, file, offers);
    s = gw_control_allgather(comm, mine, sizeof *mine, offers, error);
    if (!leads(comm) && file >= 0)
        close(file);
    return s ? s : judge(comm, offers, error);
}

gw_status gw_shared_open(struct gw_shared **out, gw_comm *comm, size_t bytes,
                         struct gw_error *error)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct offer mine = { .process = getpid(), .file = -1 };
    struct offer *offers = calloc((size_t)comm->size, sizeof *offers);
    struct gw_shared *shared = allocate(comm->node_ranks);
    mine.bytes = gw_round_up(bytes + sizeof(struct gw_shared_head), page);
    if (!offers) {
        (void)gw_comm_break(comm, GW_ENOMEM, "out of memory while others wait");
        gw_shared_close(shared);
        return gw_fail(error, GW_ENOMEM, "out of memory for what ranks share");
    }
    mine.status = shared ? GW_OK : GW_ENOMEM;
    if (shared && leads(comm))
        mine.status = make_file(&mine.file);
    gw_status s = meet(shared, comm, &mine, offers, error);
    if (leads(comm) && mine.file >= 0)
        close(mine.file);
    free(offers);
    if (s)
        gw_shared_close(shared);
    else
        *out = shared;
    return s;
}

void gw_shared_close(struct gw_shared *shared)
{
    if (!shared)
        return;
    if (shared->base)
        munmap(shared->base, shared->bytes);
    free(shared->parts);
    free(shared);
}

/* ---- meetings -------------------------------------------------------------------------------- */

void gw_shared_raise(struct gw_shared *shared, const void *words, size_t bytes)
{
    struct gw_shared_head *head = shared->parts[shared->rank].head;
    uint64_t meeting = ++shared->meeting;
    shared->seen = shared->looks = 0;
    if (bytes > 0) {
        head->words_bytes[meeting % 2] = gw_min_size(bytes, GW_SHARED_WORDS);
        memcpy(head->words[meeting % 2], words, head->words_bytes[meeting % 2]);
    }
    atomic_store_explicit(&head->flag[meeting % 2], meeting * 2 + (bytes > 0),
                          memory_order_release);
}

static uint64_t flag_of(const struct gw_shared *shared, int part)
{
    return atomic_load_explicit(&shared->parts[part].head->flag[shared->meeting % 2],
                                memory_order_acquire);
}

bool gw_shared_arrived(const struct gw_shared *shared, int part)
{
    return flag_of(shared, part) / 2 == shared->meeting;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Others are often a moment behind, if they have cores of their own. */
gw_status gw_shared_look(struct gw_shared *shared)
{
    shared->looks++;
    for (int spins = shared->crowded || shared->lent ? 1 : SPINS; spins > 0; spins--) {
        while (shared->seen < shared->ranks && gw_shared_arrived(shared, shared->seen))
            shared->seen++;
        if (shared->seen == shared->ranks) {
            shared->lent = shared->looks > 3;
            return GW_OK;
        }
        relax();
    }
    return GW_PENDING;
}

size_t gw_shared_failed(const struct gw_shared *shared, int part, const void **words)
{
    const struct gw_shared_head *head = shared->parts[part].head;
    if (flag_of(shared, part) % 2 == 0)
        return 0;
    *words = head->words[shared->meeting % 2];
    return gw_min_size(head->words_bytes[shared->meeting % 2], GW_SHARED_WORDS);
}
