/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Measuring together: first every rank says what it needs, then all measure at the same time (so
 * that they disturb each other as they will in a run), then all take the worst that any found. */
#include "collectives/costs.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"

struct need {
    uint64_t what; /* a digest; 0: nothing */
    int32_t status, threads;
};

struct finding { /* nothing but numbers: compared across ranks one by one */
    double status, crowding;
    struct gw_memory_rates memory;
    struct gw_native_times native;
    struct gw_rates rates[];
};

struct errand { /* of one gw_costs_measure */
    gw_comm *comm;
    const char **specs; /* that are lacking */
    int count;
    size_t bytes; /* of a finding */
    struct finding *mine, *all;
    struct need *needs;
    bool memory;
    void *room; /* of what probes the link, the transport and memory */
    size_t room_bytes;
};

static int find(const struct gw_costs *costs, const char *spec)
{
    for (int i = 0; costs && i < costs->count; i++)
        if (strcmp(costs->specs[i].spec, spec) == 0)
            return i;
    return -1;
}

const struct gw_rates *gw_costs_of(const gw_comm *comm, const char *spec)
{
    const struct gw_costs *costs = comm->costs;
    int i = find(costs, spec);
    return i < 0 ? &gw_rates_assumed : &costs->specs[i].rates;
}

/* ---- what is needed ----------------------------------------------------------------------------
 */

static bool listed(const struct errand *e, const char *spec)
{
    for (int i = 0; i < e->count; i++)
        if (strcmp(e->specs[i], spec) == 0)
            return true;
    return find(e->comm->costs, spec) >= 0;
}

static gw_status make_room(gw_comm *comm, int more)
{
    struct gw_costs *costs = comm->costs;
    int count = costs ? costs->count : 0;
    if (costs && count + more <= costs->capacity)
        return GW_OK;
    int capacity = 2 * (count + more);
    struct gw_costs *block =
        realloc(costs, sizeof *costs + (size_t)capacity * sizeof *costs->specs);
    if (!block)
        return GW_ENOMEM;
    if (!costs)
        memset(block, 0, sizeof *block);
    block->crowding = costs ? block->crowding : comm->crowding;
    block->capacity = capacity;
    comm->costs = block;
    return GW_OK;
}

/* Ranks of one node measure memory at the same time, and share what caches they share. */
static size_t room_bytes(const struct errand *e)
{
    enum { NODE_BYTES = 64 << 20, LEAST_BYTES = 4 << 20 };
    size_t bytes = e->comm->probed ? 1 : gw_max_size(gw_probe_bytes(e->comm), GW_NATIVE_ROOM);
    if (e->memory)
        bytes = gw_max_size(gw_max_size(bytes, LEAST_BYTES), NODE_BYTES / e->comm->node_ranks);
    return bytes;
}

/* Everything that needs memory comes before the others are told. */
static gw_status open_errand(struct errand *e, const char *const *specs, int count, bool large)
{
    size_t size = (size_t)e->comm->size;
    e->needs = calloc(size, sizeof *e->needs);
    e->specs = calloc((size_t)count + 1, sizeof *e->specs);
    if (!e->needs || !e->specs)
        return GW_ENOMEM;
    for (int i = 0; i < count; i++)
        if (!listed(e, specs[i]))
            e->specs[e->count++] = specs[i];
    const struct gw_costs *costs = e->comm->costs;
    e->memory = large && !(costs && costs->memory.read_s > 0);
    if (e->count == 0 && !e->memory)
        return GW_OK;
    e->bytes = sizeof *e->mine + (size_t)e->count * sizeof *e->mine->rates;
    e->mine = calloc(1, e->bytes);
    e->all = calloc(size, e->bytes);
    e->room_bytes = room_bytes(e);
    e->room = malloc(e->room_bytes);
    if (!e->mine || !e->all || !e->room)
        return GW_ENOMEM;
    return make_room(e->comm, e->count);
}

static void close_errand(struct errand *e)
{
    free(e->needs);
    free(e->specs);
    free(e->mine);
    free(e->all);
    free(e->room);
}

static uint64_t digest(const struct errand *e)
{
    uint64_t what = e->memory ? 3 : 0;
    for (int i = 0; i < e->count; i++)
        what = gw_mix64(what + gw_hash_text(e->specs[i])) | 1;
    return what;
}

/* Do all need the same, and something at all? */
static gw_status ask_round(struct errand *e, int *threads, gw_status local, bool *go,
                           struct gw_error *error)
{
    struct need mine = { digest(e), local, *threads };
    struct gw_error own = *error;
    gw_status s = gw_control_allgather(e->comm, &mine, sizeof mine, e->needs, error);
    if (local) {
        *error = own;
        return local;
    }
    *go = !s && e->mine;
    for (int r = 0; r < e->comm->size; r++)
        *go = *go && e->needs[r].status == GW_OK && e->needs[r].what == mine.what;
    for (int r = 0; r < e->comm->size && !s; r++)
        *threads = e->needs[r].threads < *threads ? e->needs[r].threads : *threads;
    return s;
}

/* ---- findings ----------------------------------------------------------------------------------
 */

static gw_status look(struct errand *e, struct gw_error *error)
{
    gw_comm *comm = e->comm;
    gw_status s = GW_OK;
    bool first = !comm->probed, lost = false;
    if (first)
        s = gw_comm_probe(comm, e->room, &lost, error);
    if (!s && first && comm->row->native)
        s = gw_native_measure(&e->mine->native, comm, e->room, &lost, error);
    if (!s && e->memory)
        gw_memory_measure(&e->mine->memory, e->room, e->room_bytes);
    if (lost) {
        gw_comm_keep(comm, e->room);
        e->room = NULL;
    }
    e->mine->crowding = comm->crowding;
    for (int i = 0; i < e->count && !s; i++)
        s = gw_rates_measure(&e->mine->rates[i], e->specs[i], comm->size, error);
    return s;
}

static void worst(double *into, const double *from, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *into; i++)
        if (from[i] > into[i])
            into[i] = from[i];
}

static void keep(struct errand *e)
{
    struct gw_costs *costs = e->comm->costs;
    struct finding *mine = e->mine;
    for (int r = 0; r < e->comm->size; r++) {
        const struct finding *theirs =
            (const void *)((const uint8_t *)e->all + (size_t)r * e->bytes);
        worst(&mine->crowding, &theirs->crowding, sizeof mine->crowding);
        worst(&mine->memory.read_s, &theirs->memory.read_s, sizeof mine->memory);
        worst(mine->native.seconds, theirs->native.seconds, sizeof mine->native.seconds);
        worst((double *)mine->rates, (const double *)theirs->rates,
              (size_t)e->count * sizeof *mine->rates);
    }
    costs->crowding = mine->crowding;
    if (mine->memory.read_s > 0)
        costs->memory = mine->memory;
    if (mine->native.count > 0)
        costs->native = mine->native;
    for (int i = 0; i < e->count; i++) {
        struct gw_spec_rates *place = &costs->specs[costs->count++];
        size_t length = strnlen(e->specs[i], sizeof place->spec - 1);
        memcpy(place->spec, e->specs[i], length);
        place->spec[length] = '\0';
        place->rates = mine->rates[i];
    }
}

/* A rank that failed says so in the agreement that follows; the others measured for nothing. */
static gw_status measure(struct errand *e, struct gw_error *error)
{
    gw_status s = look(e, error);
    struct gw_error own = *error;
    if (s == GW_ETIMEOUT || s == GW_ETRANSPORT || s == GW_EBROKEN || s == GW_EMISMATCH)
        return s;
    e->mine->status = s != GW_OK;
    gw_status heard = gw_control_allgather(e->comm, e->mine, e->bytes, e->all, error);
    if (s) {
        *error = own;
        return s;
    }
    bool good = !heard;
    for (int r = 0; r < e->comm->size && good; r++) {
        const struct finding *theirs =
            (const void *)((const uint8_t *)e->all + (size_t)r * e->bytes);
        good = theirs->status <= 0;
    }
    if (good)
        keep(e);
    return heard;
}

gw_status gw_costs_measure(gw_comm *comm, struct gw_want *want, gw_status local,
                           struct gw_error *error)
{
    struct errand e = { .comm = comm };
    bool go = false;
    if (comm->size == 1 && (local || want->count == 0))
        return local;
    gw_status s = local ? open_errand(&e, NULL, 0, false)
                        : open_errand(&e, want->specs, want->count, want->large);
    if (s && !local)
        local = gw_fail(error, s, "not enough memory to measure codecs");
    if (!e.needs) { /* not even room to hear the others */
        (void)gw_comm_break(comm, GW_ENOMEM, "out of memory while others wait");
        close_errand(&e);
        return local;
    }
    s = ask_round(&e, &want->threads, local, &go, error);
    if (!s && go)
        s = measure(&e, error);
    close_errand(&e);
    return s;
}
