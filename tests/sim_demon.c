/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What goes wrong, at random moments, until config.fault_end; then all is mended, and what has to
 * end ends. */
#include "server/core_inside.h"
#include "tests/sim_world.h"

typedef void act(struct sim_world *world);

static bool yes(struct sim_world *world)
{
    return sim_below(&world->random, 2) > 0;
}

static int64_t soon(struct sim_world *world, int64_t least_ms, int64_t most_ms)
{
    return world->net.now + sim_between(&world->random, least_ms, most_ms) * SIM_MS;
}

static void cut(struct sim_world *world)
{
    struct sim_end *end = sim_any_end(&world->net, sim_number(&world->random));
    if (end)
        sim_cut(end, yes(world), yes(world));
}

/* Some for a moment, some for longer than others wait. */
static void freeze(struct sim_world *world)
{
    int nodes = SIM_SERVERS + world->workers_count;
    int node = (int)sim_below(&world->random, (uint64_t)nodes);
    int64_t until = yes(world) ? soon(world, 1, 100) : soon(world, 100, 1500);
    sim_note(&world->net, "node stands still, until ms", node, (long)(until / SIM_MS), 0);
    sim_node_freeze(&world->net, node, until);
}

static void part(struct sim_world *world)
{
    int server = (int)sim_below(&world->random, (uint64_t)world->config.servers);
    int64_t until = yes(world) ? soon(world, 1, 200) : soon(world, 200, 3000);
    for (int w = 0; w < world->workers_count; w++)
        if (yes(world)) {
            sim_note(&world->net, "no way between nodes, until ms", server, SIM_SERVERS + w,
                     (long)(until / SIM_MS));
            sim_partition(&world->net, server, SIM_SERVERS + w, until);
        }
}

/* At once, or in the middle of one of its next disk operations. */
static void kill_server(struct sim_world *world)
{
    struct sim_server *server =
        &world->servers[sim_below(&world->random, (uint64_t)world->config.servers)];
    if (!server->core)
        return;
    if (yes(world) && world->config.durability[0] != 'n')
        server->disk->crash_at = server->disk->calls + 1 + (long)sim_below(&world->random, 12);
    else
        sim_server_kill(server, yes(world));
}

static bool is_alive(const struct sim_world *world, uint32_t id)
{
    for (int w = 0; w < world->workers_count; w++)
        if (world->workers[w]->id == id && sim_worker_is_alive(world->workers[w]))
            return true;
    return false;
}

static void replace(void *user, uint64_t id)
{
    struct sim_world *world = user;
    if (!is_alive(world, (uint32_t)id))
        sim_worker_start(world, (uint32_t)id);
}

static bool has_begun(const struct sim_world *world)
{
    for (int s = 0; s < world->config.servers; s++)
        if (world->servers[s].ledger.round == 0)
            return false;
    return true;
}

/* Who never came has to be replaced, since the first round waits for a number of workers. */
static void kill_worker(struct sim_world *world)
{
    if (world->workers_count == 0)
        return;
    struct sim_worker *w =
        world->workers[sim_below(&world->random, (uint64_t)world->workers_count)];
    if (!sim_worker_is_alive(w) || w->phase >= SIM_GOES ||
        world->workers_count > SIM_WORKERS - SIM_IDS)
        return;
    bool again = !w->joined || !has_begun(world) || sim_below(&world->random, 3) > 0;
    sim_worker_kill(w, yes(world));
    if (again)
        sim_at(&world->net, soon(world, 0, 300), -1, replace, world, w->id);
}

static void join(struct sim_world *world)
{
    uint32_t id = (uint32_t)sim_below(&world->random, SIM_IDS);
    if (!is_alive(world, id) && world->workers_count < SIM_WORKERS - SIM_IDS)
        sim_worker_start(world, id);
}

static void mend_disk(void *user, uint64_t number)
{
    struct sim_world *world = user;
    struct sim_files *disk = world->servers[number].disk;
    disk->fail_at = 0;
    disk->sticky = false;
}

static void break_disk(struct sim_world *world)
{
    uint64_t which = sim_below(&world->random, (uint64_t)world->config.servers);
    struct sim_files *disk = world->servers[which].disk;
    disk->fault = (enum sim_fault)sim_below(&world->random, SIM_FAULTS);
    disk->fail_at = disk->calls + 1 + (long)sim_below(&world->random, 10);
    disk->sticky = disk->fault != SIM_EINTR && disk->fault != SIM_SHORT && yes(world);
    sim_note(&world->net, "disk of server fails, fault, sticky", (long)which, disk->fault,
             disk->sticky);
    sim_at(&world->net, soon(world, 10, 1000), -1, mend_disk, world, which);
}

static void fair_weather(void *user, uint64_t number)
{
    struct sim_world *world = user;
    (void)number;
    world->net.weather = world->config.weather;
}

static void foul_weather(struct sim_world *world)
{
    struct sim_weather *w = &world->net.weather;
    w->flips = (unsigned)sim_below(&world->random, 30000);
    w->repeats = (unsigned)sim_below(&world->random, 30000);
    w->drops = (unsigned)sim_below(&world->random, 30000);
    w->cuts = (unsigned)sim_below(&world->random, 30000);
    sim_at(&world->net, soon(world, 10, 300), -1, fair_weather, world, 0);
}

static void do_something(struct sim_world *world)
{
    const struct sim_config *c = &world->config;
    const struct {
        bool wanted;
        act *act;
    } acts[] = {
        { c->cuts, cut },
        { c->freezes, freeze },
        { c->partitions, part },
        { c->kills_servers, kill_server },
        { c->kills_workers, kill_worker },
        { c->joins, join },
        { c->bad_disks, break_disk },
        { c->bad_bytes, foul_weather },
    };
    enum { ACTS = sizeof acts / sizeof *acts };
    size_t first = (size_t)sim_below(&world->random, ACTS);
    for (size_t i = 0; i < ACTS; i++)
        if (acts[(first + i) % ACTS].wanted) {
            acts[(first + i) % ACTS].act(world);
            world->faults++;
            return;
        }
}

/* A job that a kill took back to before its first round may lack workers that have come and gone:
 * its owner starts new ones. */
static void reinforce(void *user, uint64_t number)
{
    struct sim_world *world = user;
    bool begun = true, alive = false;
    (void)number;
    for (int s = 0; s < world->config.servers; s++)
        begun &= world->servers[s].core && world->servers[s].core->policy.started;
    for (int w = 0; w < world->workers_count; w++)
        alive |= sim_worker_is_alive(world->workers[w]);
    if (begun || !alive || !world->rewound)
        return;
    for (int id = 0; id < world->config.expected; id++)
        replace(world, (uint64_t)id);
    sim_at(&world->net, soon(world, 5000, 5000), -1, reinforce, world, 0);
}

/* Frozen nodes thaw by themselves, and so do partitions. */
static void mend(struct sim_world *world)
{
    sim_note(&world->net, "all is mended; faults", world->faults, 0, 0);
    world->net.weather = world->config.weather;
    for (int s = 0; s < world->config.servers; s++) {
        world->servers[s].disk->crash_at = 0;
        mend_disk(world, (uint64_t)s);
    }
    sim_at(&world->net, soon(world, 5000, 5000), -1, reinforce, world, 0);
}

static void wake(void *user, uint64_t number)
{
    struct sim_world *world = user;
    (void)number;
    if (world->net.now >= world->config.fault_end) {
        mend(world);
        return;
    }
    do_something(world);
    int64_t next = world->net.now + sim_between(&world->random, 0, 2 * world->config.fault_every);
    if (next > world->config.fault_end)
        next = world->config.fault_end;
    sim_at(&world->net, next, -1, wake, world, 0);
}

void sim_demon_start(struct sim_world *world)
{
    if (world->config.fault_every > 0)
        sim_at(&world->net, sim_between(&world->random, 0, 2 * world->config.fault_every), -1, wake,
               world, 0);
}
