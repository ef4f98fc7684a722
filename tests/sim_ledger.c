/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The ledger of a server: its history is the list of pushes it accepted, in order, each with the
 * round that applied it. The parameters must be the initial values less, round by round, the sum of
 * what that round took: computed here with plain additions in the same order, so that the bits have
 * to be the same whatever the codec. A server that comes back knows some beginning of its history;
 * the rest is struck out, and must not hold anything that a worker was promised. */
#include "tests/sim_world.h"

#include "server/core_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool keeps_log(const struct sim_server *server)
{
    return server->world->config.durability[0] == 'l';
}

/* ---- whose elements -------------------------------------------------------------------------- */

/* Copies the server's elements out of an array of all; to and from are in layout order. */
static size_t take_share(const struct sim_server *server, const float *all, float *out)
{
    const struct sim_world *world = server->world;
    struct gw_job *job = sim_config_job(&world->config, server->index);
    struct gw_part *parts;
    size_t count, used = 0;
    if (gw_job_cut(&parts, &count, job, NULL))
        abort();
    for (size_t i = 0; i < count; i++) {
        if (parts[i].server != server->index)
            continue;
        if (out)
            memcpy(out + used, all + world->starts[parts[i].tensor] + parts[i].first,
                   parts[i].count * sizeof *out);
        used += parts[i].count;
    }
    free(parts);
    gw_job_close(job);
    return used;
}

/* Where the server's elements begin in an array of all: shares are in layout order. */
static size_t share_start(const struct sim_server *server)
{
    size_t start = 0;
    for (int s = 0; s < server->index; s++)
        start += server->world->servers[s].ledger.elements;
    return start;
}

void sim_ledger_open(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    sim_own++;
    l->elements = take_share(server, server->world->initial, NULL);
    l->initial = calloc(l->elements + 1, sizeof *l->initial);
    l->model = calloc(l->elements + 1, sizeof *l->model);
    if (!l->initial || !l->model)
        abort();
    (void)take_share(server, server->world->initial, l->initial);
    sim_own--;
    memcpy(l->model, l->initial, l->elements * sizeof *l->model);
}

void sim_ledger_close(struct sim_server *server)
{
    free(server->ledger.entries);
    free(server->ledger.initial);
    free(server->ledger.model);
}

/* ---- accepted -------------------------------------------------------------------------------- */

static const struct sim_push *find_push(const struct sim_world *world, uint32_t worker,
                                        uint64_t instance, uint64_t number)
{
    for (const struct sim_push *p = world->pushes[worker]; p; p = p->next)
        if (p->instance == instance && p->number == number)
            return p;
    return NULL;
}

static void accept_push(struct sim_server *server, const struct member *m, bool late)
{
    struct sim_ledger *l = &server->ledger;
    const struct sim_push *push = find_push(server->world, m->worker, m->instance, m->accepted);
    if (!push) {
        sim_fail(server->world,
                 "server %d accepted push %" PRIu64 " of worker %" PRIu32 ", which never made it",
                 server->index, m->accepted, m->worker);
        return;
    }
    if (m->peer && gw_session_peer(m->peer->session)->epoch != m->epoch)
        sim_fail(server->world,
                 "server %d: a push over a session of epoch %" PRIu32 ", worker %" PRIu32
                 " has epoch %" PRIu32,
                 server->index, gw_session_peer(m->peer->session)->epoch, m->worker, m->epoch);
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 32;
        sim_own++;
        l->entries = realloc(l->entries, l->room * sizeof *l->entries);
        sim_own--;
        if (!l->entries)
            abort();
    }
    l->entries[l->count++] = (struct sim_entry){ push, late, 0 };
    sim_note(&server->world->net,
             late ? "late: server, worker, number" : "accepted: server, worker, number",
             server->index, m->worker, (long)m->accepted);
}

void sim_ledger_catch_up(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    const struct gw_core *core = server->core;
    for (size_t i = 0; core && i < core->members_count; i++) {
        const struct member *m = core->members[i];
        if (m->accepted < l->accepted[m->worker])
            sim_fail(server->world,
                     "server %d: the last push of worker %" PRIu32 " is %" PRIu64
                     ", it was %" PRIu64,
                     server->index, m->worker, m->accepted, l->accepted[m->worker]);
        if (m->accepted > l->accepted[m->worker])
            accept_push(server, m, m->late > l->late[m->worker]);
        l->accepted[m->worker] = m->accepted;
        l->late[m->worker] = m->late;
    }
}

/* ---- applied --------------------------------------------------------------------------------- */

static struct sim_entry *find_entry(struct sim_ledger *l, uint32_t worker, uint64_t number)
{
    for (size_t i = l->count; i-- > 0;)
        if (l->entries[i].push->worker == worker && l->entries[i].push->number == number)
            return &l->entries[i];
    return NULL;
}

/* One round onto the model: the sum first, in worker order, then the step. */
static void apply_sum(struct sim_ledger *l, size_t start, const struct sim_push *const *pushes,
                      size_t count)
{
    for (size_t e = 0; e < l->elements && count > 0; e++) {
        float sum = pushes[0]->said[start + e];
        for (size_t k = 1; k < count; k++)
            sum += pushes[k]->said[start + e];
        l->model[e] -= sum;
    }
}

static int by_worker(const void *a, const void *b)
{
    const struct sim_push *p = *(const struct sim_push *const *)a;
    const struct sim_push *q = *(const struct sim_push *const *)b;
    if (p->worker != q->worker)
        return p->worker < q->worker ? -1 : 1;
    return p->number < q->number ? -1 : p->number > q->number;
}

void sim_ledger_take(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    for (const struct push *p = server->core->taken; p; p = p->next) {
        struct sim_entry *entry = find_entry(l, p->worker, p->sequence);
        if (!entry || entry->round || entry->late) {
            sim_fail(server->world,
                     "server %d, round %" PRIu64 " applies push %" PRIu64 " of worker %" PRIu32
                     ", which %s",
                     server->index, l->round + 1, p->sequence, p->worker,
                     !entry        ? "it did not accept"
                     : entry->late ? "was late"
                                   : "was applied before");
            return;
        }
        entry->round = l->round + 1;
    }
}

/* The pushes of a round in the order in which they are added: by worker, then by number. */
static size_t pushes_of(const struct sim_ledger *l, uint64_t round, const struct sim_push **pushes)
{
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].round == round)
            pushes[count++] = l->entries[i].push;
    qsort(pushes, count, sizeof(const struct sim_push *), by_worker);
    return count;
}

void sim_ledger_apply(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    const struct sim_push *pushes[SIM_IDS * GW_WAITING_MAX];
    size_t count = pushes_of(l, ++l->round, pushes);
    sim_note(&server->world->net, "applied: server, round, pushes", server->index, (long)l->round,
             (long)count);
    apply_sum(l, share_start(server), pushes, count);
    sim_ledger_compare(server, "after a round");
}

void sim_ledger_compare(struct sim_server *server, const char *when)
{
    struct sim_ledger *l = &server->ledger;
    struct gw_shard *shard = server->core->shard;
    size_t e = 0;
    if (!server->world->config.judged)
        return;
    for (size_t p = 0; shard && p < gw_shard_parts(shard); p++) {
        const gw_f32 *values = gw_shard_values(shard, p);
        size_t count = gw_shard_part(shard, p)->count;
        if (memcmp(values, l->model + e, count * sizeof *values) != 0) {
            size_t i = 0;
            while (values[i] == l->model[e + i] && i + 1 < count)
                i++;
            sim_fail(server->world,
                     "server %d %s (round %" PRIu64 "): element %zu of part %zu is %.9g, expected "
                     "%.9g",
                     server->index, when, l->round, i, p, (double)values[i],
                     (double)l->model[e + i]);
            return;
        }
        e += count;
    }
}

/* ---- back from the disk ---------------------------------------------------------------------- */

static uint64_t accepted_of(const struct gw_core *core, uint32_t worker)
{
    for (size_t i = 0; i < core->members_count; i++)
        if (core->members[i]->worker == worker)
            return core->members[i]->accepted;
    return 0;
}

/* How much of the history the server knows; SIZE_MAX: that is no beginning of it. */
static size_t known(const struct sim_server *server)
{
    const struct sim_ledger *l = &server->ledger;
    uint64_t last[SIM_IDS] = { 0 };
    for (size_t n = 0;; n++) {
        uint32_t w = 0;
        while (w < SIM_IDS && last[w] == accepted_of(server->core, w))
            w++;
        if (w == SIM_IDS)
            return n;
        if (n == l->count)
            return SIZE_MAX;
        last[l->entries[n].push->worker] = l->entries[n].push->number;
    }
}

static void strike_out(struct sim_server *server, size_t from)
{
    struct sim_ledger *l = &server->ledger;
    for (size_t i = from; i < l->count; i++) {
        const struct sim_push *p = l->entries[i].push;
        if (keeps_log(server) && p->acked[server->index])
            sim_fail(server->world,
                     "server %d has lost push %" PRIu64 " of worker %" PRIu32
                     ", which it had acknowledged",
                     server->index, p->number, p->worker);
        if (l->entries[i].round && l->entries[i].round <= server->core->policy.round)
            sim_fail(server->world,
                     "server %d: round %" PRIu64 " had push %" PRIu64 " of worker %" PRIu32
                     ", which it does not know any more",
                     server->index, l->entries[i].round, p->number, p->worker);
    }
    server->world->rewound |= l->count > from;
    l->count = from;
}

static void replay(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    const struct sim_push *pushes[SIM_IDS * GW_WAITING_MAX];
    memcpy(l->model, l->initial, l->elements * sizeof *l->model);
    for (uint64_t round = 1; round <= l->round; round++) {
        size_t count = pushes_of(l, round, pushes);
        if (count == 0)
            sim_fail(server->world, "server %d says it has round %" PRIu64 ", which never was",
                     server->index, round);
        apply_sum(l, share_start(server), pushes, count);
    }
}

static void check_waiting(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    size_t waiting = 0, expected = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->entries[i].round > l->round)
            l->entries[i].round = 0;
        expected += !l->entries[i].round && !l->entries[i].late;
    }
    for (size_t i = 0; i < server->core->members_count; i++)
        waiting += server->core->members[i]->waiting;
    if (waiting != expected)
        sim_fail(server->world, "server %d came back with %zu waiting pushes, expected %zu",
                 server->index, waiting, expected);
}

void sim_ledger_recover(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    size_t count = known(server);
    if (count == SIZE_MAX) {
        sim_fail(server->world,
                 "server %d came back with pushes that are no beginning of its "
                 "history",
                 server->index);
        return;
    }
    sim_note(&server->world->net, "recovered: server, pushes of, round", server->index, (long)count,
             (long)l->count);
    strike_out(server, count);
    l->round = server->core->policy.round;
    memset(l->accepted, 0, sizeof l->accepted);
    memset(l->late, 0, sizeof l->late);
    for (uint32_t w = 0; w < SIM_IDS; w++)
        l->accepted[w] = accepted_of(server->core, w);
    check_waiting(server);
    replay(server);
    if (server->core->has_values)
        sim_ledger_compare(server, "back from its disk");
}

/* ---- what workers see, and the end ----------------------------------------------------------- */

void sim_ledger_read_own(struct sim_server *server, const struct sim_worker *worker, uint64_t round)
{
    const struct sim_ledger *l = &server->ledger;
    for (size_t i = 0; i < l->count; i++) {
        const struct sim_entry *e = &l->entries[i];
        if (e->push->worker != worker->id || e->late || e->push->number > worker->last_number)
            continue;
        if (e->round == 0 || e->round > round)
            sim_fail(server->world,
                     "worker %" PRIu32 " pulled round %" PRIu64 " of server %d, its push %" PRIu64
                     " is of round %" PRIu64,
                     worker->id, round, server->index, e->push->number, e->round);
    }
}

/* Also in another way: numbers are exact, so the order does not matter. */
void sim_ledger_final(struct sim_server *server)
{
    struct sim_ledger *l = &server->ledger;
    size_t start = share_start(server);
    if (server->core->has_values)
        sim_ledger_compare(server, "in the end");
    if (!server->core->policy.started && !server->world->rewound && l->count > 0)
        sim_fail(server->world, "server %d: its first round never came", server->index);
    for (size_t i = 0; i < l->count; i++)
        if (!l->entries[i].round && !l->entries[i].late && server->core->policy.started)
            sim_fail(server->world, "server %d never applied push %" PRIu64 " of worker %" PRIu32,
                     server->index, l->entries[i].push->number, l->entries[i].push->worker);
    for (size_t e = 0;
         e < l->elements && server->world->config.exact && server->world->config.judged; e++) {
        double sum = 0;
        for (size_t i = 0; i < l->count; i++)
            if (l->entries[i].round)
                sum += (double)l->entries[i].push->said[start + e];
        if ((double)l->model[e] != (double)l->initial[e] - sum)
            sim_fail(server->world, "server %d, element %zu: %.9g, initial less accepted is %.9g",
                     server->index, e, (double)l->model[e], (double)l->initial[e] - sum);
    }
}
