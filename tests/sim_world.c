/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* All of a job together: begins it, plays it to its end, and looks at what is left. */
#include "tests/sim_world.h"

#include "compress/codec.h"
#include "server/core_inside.h"
#include "server/shard_inside.h"
#include "server/worker_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* So long after the last fault everything has to be over. */
#define PATIENCE_NS (120 * 1000 * SIM_MS)

void sim_fail(struct sim_world *world, const char *format, ...)
{
    va_list args;
    if (world->failed)
        return;
    world->failed = world->net.failed = true;
    fprintf(stderr, "\nFAULT RUN FAILED at %.3f ms: ", (double)world->net.now / 1e6);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    sim_config_print(&world->config);
    fprintf(stderr, "the last events:\n");
    sim_print_notes(&world->net);
    fprintf(stderr, "again: GW_FAULT_SEED=%" PRIu64 " GW_FAULT_SCHEDULES=1 tests/test_faults\n",
            world->config.seed);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void open_codecs(struct sim_world *world)
{
    world->job = sim_config_job(&world->config, 0);
    if (gw_job_cut(&world->parts, &world->parts_count, world->job, NULL) ||
        world->parts_count > SIM_PARTS)
        abort();
    for (size_t i = 0; i < world->parts_count; i++) {
        const struct gw_part *part = &world->parts[i];
        const struct gw_job_tensor *tensor = &world->job->tensor[part->tensor];
        const struct gw_codec_site site = {
            .tensor = tensor->name, .first = part->first, .count = part->count, .ranks = 1
        };
        if (gw_codec_open_site(&world->codecs[i], tensor->push, &site, NULL))
            abort();
    }
}

void sim_world_open(struct sim_world *world, const struct sim_config *config, uint64_t net_seed)
{
    memset(world, 0, sizeof *world);
    world->config = *config;
    sim_own++;
    sim_net_open(&world->net, net_seed);
    world->net.weather = config->weather;
    world->net.handshake_ns = config->times.handshake_ns;
    world->random.state = net_seed ^ UINT64_C(0x5bd1e995);
    for (int t = 1; t < config->tensors; t++)
        world->starts[t] = world->starts[t - 1] + config->counts[t - 1];
    world->initial = calloc(config->elements, sizeof *world->initial);
    if (!world->initial)
        abort();
    for (size_t e = 0; e < config->elements; e++)
        world->initial[e] = sim_gradient(config, 99, 0, e);
    open_codecs(world);
    for (int s = 0; s < config->servers; s++) {
        struct sim_server *server = &world->servers[s];
        server->world = world;
        server->index = server->node = s;
        server->disk = sim_files_new();
        sim_ledger_open(server);
        sim_files_gate(server);
    }
    sim_own--;
    for (int s = 0; s < config->servers; s++)
        sim_server_start(&world->servers[s]);
    for (int w = 0; w < config->workers; w++)
        sim_worker_start(world, (uint32_t)w);
    sim_demon_start(world);
}

void sim_world_close(struct sim_world *world)
{
    for (int w = 0; w < world->workers_count; w++)
        sim_worker_free(world->workers[w]);
    for (int s = 0; s < world->config.servers; s++) {
        struct sim_server *server = &world->servers[s];
        if (server->core)
            sim_server_kill(server, false);
        sim_files_free(server->disk);
        sim_ledger_close(server);
    }
    sim_net_close(&world->net);
    for (int w = 0; w < SIM_IDS; w++)
        while (world->pushes[w]) {
            struct sim_push *push = world->pushes[w];
            world->pushes[w] = push->next;
            free(push);
        }
    for (size_t i = 0; i < world->parts_count; i++)
        gw_codec_close(world->codecs[i]);
    free(world->parts);
    gw_job_close(world->job);
    free(world->replicas);
    free(world->initial);
}

/* ---- what a pull brought --------------------------------------------------------------------- */

/* Who holds the same version of the same server holds the same bits. */
static void check_replica(struct sim_worker *w, const struct sim_server *server,
                          const struct link *link, uint64_t hash)
{
    struct sim_world *world = w->world;
    bool alone = strcmp(world->config.feedback, "worker") == 0;
    const struct sim_replica mine = { link->held_incarnation, link->held_version, hash,
                                      server->index, alone ? w->instance : 0 };
    for (size_t i = 0; i < world->replicas_count; i++) {
        const struct sim_replica *r = &world->replicas[i];
        if (r->server == mine.server && r->incarnation == mine.incarnation &&
            r->version == mine.version && r->instance == mine.instance) {
            if (r->hash != hash)
                sim_fail(world,
                         "worker %" PRIu32 " holds other bits of version %" PRIu64
                         " of server %d than another worker",
                         w->id, mine.version, server->index);
            return;
        }
    }
    if (world->replicas_count == world->replicas_room) {
        sim_own++;
        world->replicas_room = world->replicas_room ? 2 * world->replicas_room : 64;
        world->replicas = realloc(world->replicas, world->replicas_room * sizeof *world->replicas);
        sim_own--;
        if (!world->replicas)
            abort();
    }
    world->replicas[world->replicas_count++] = mine;
}

/* What the server believes that this worker holds, if it still believes it. */
static const gw_f32 *copy_of(const struct sim_server *server, const struct sim_worker *w,
                             const struct link *link)
{
    struct gw_shard *shard = server->core->shard;
    if (!shard || server->work || gw_shard_version(shard, w->id) != link->held_version)
        return NULL;
    if (shard->difference)
        return gw_holder_find(shard, w->id)->copy;
    bool raw = strcmp(w->world->config.pull, "raw") == 0 && w->world->config.judged;
    return raw && server->ledger.round == link->done.round ? server->ledger.model : NULL;
}

void sim_check_pull(struct sim_worker *w)
{
    struct sim_world *world = w->world;
    /* Who was away may get a round that went on without it, and see its own push in the next. */
    bool in_step = strcmp(world->config.mode, "sync") == 0 && world->config.fault_every == 0;
    size_t start = 0;
    for (int s = 0; s < world->config.servers; s++) {
        struct sim_server *server = &world->servers[s];
        const struct link *link = &w->core->links[s];
        size_t count = server->ledger.elements;
        if (count == 0)
            continue;
        check_replica(w, server, link, sim_hash(w->values + start, count, 1));
        bool same = server->core && server->incarnation == link->held_incarnation;
        const gw_f32 *copy = same ? copy_of(server, w, link) : NULL;
        if (copy && memcmp(copy, w->values + start, count * sizeof *copy) != 0)
            sim_fail(world, "worker %" PRIu32 " holds other bits than server %d believes", w->id,
                     s);
        if (same && in_step)
            sim_ledger_read_own(server, w, link->done.round);
        start += count;
    }
}

/* ---- the run --------------------------------------------------------------------------------- */

static bool workers_are_done(const struct sim_world *world)
{
    for (int w = 0; w < world->workers_count; w++)
        if (sim_worker_is_alive(world->workers[w]))
            return false;
    return true;
}

/* Every push is applied, nobody is connected, the disk has what it should. */
static bool server_is_done(const struct sim_server *server)
{
    const struct gw_core *core = server->core;
    if (!core || server->work || server->task || server->task_done || core->peers)
        return false;
    for (size_t i = 0; i < core->members_count; i++)
        if (core->members[i]->waiting > 0 && core->policy.started)
            return false;
    return true;
}

static bool is_done(const struct sim_world *world)
{
    if (world->net.now < world->config.fault_end || !workers_are_done(world))
        return false;
    for (int s = 0; s < world->config.servers; s++)
        if (!server_is_done(&world->servers[s]))
            return false;
    return true;
}

/* Why is nothing more happening? */
static void fail_stuck(struct sim_world *world)
{
    for (int i = 0; i < world->workers_count; i++) {
        const struct sim_worker *w = world->workers[i];
        char text[512];
        if (!w->core)
            continue;
        gw_worker_missing(w->core, text, sizeof text);
        fprintf(stderr, "worker %" PRIu32 ", phase %d, step %d of %d: %s\n", w->id, w->phase,
                w->step, w->steps, text);
    }
    for (int s = 0; s < world->config.servers; s++) {
        struct gw_core *core = world->servers[s].core;
        char *text = core ? gw_core_status(core, world->net.now) : NULL;
        fprintf(stderr, "server %d: %s\n", s, text ? text : "down");
        free(text);
    }
    sim_fail(world, "nothing happens any more, and not all are done");
}

/* A worker may give up only where a server has lost its parameters. */
static void check_worker_end(struct sim_world *world, const struct sim_worker *w)
{
    if (!w->broke)
        return;
    if (world->config.walks && w->why.status == GW_ENOMEM)
        return;
    if (!world->lost_values || w->why.status != GW_ESTATE || !strstr(w->why.text, "durability"))
        sim_fail(world, "worker %" PRIu32 " has given up: %s", w->id, w->why.text);
}

static void stop_server(struct sim_world *world, struct sim_server *server)
{
    struct gw_error error;
    int64_t limit = world->net.now + PATIENCE_NS;
    struct gw_shard *shard = server->core->shard;
    for (size_t p = 0; shard && p < gw_shard_parts(shard); p++)
        world->digest = sim_hash((const float *)shard->part[p].memory, shard->part[p].part.count,
                                 world->digest);
    sim_ledger_final(server);
    gw_core_stop(server->core, 0, world->net.now);
    while (!world->failed && !gw_core_has_stopped(server->core))
        if (!sim_step(&world->net, limit))
            break;
    if (!gw_core_has_stopped(server->core))
        sim_fail(world, "server %d does not stop", server->index);
    else if (gw_core_result(server->core, &error) &&
             !(world->config.walks && error.status == GW_ENOMEM))
        sim_fail(world, "server %d stopped with: %s", server->index, error.text);
}

/* What a server that stopped wrote is what it had: nothing may be struck out. */
static void restart_server(struct sim_world *world, struct sim_server *server)
{
    size_t count = server->ledger.count;
    uint64_t round = server->ledger.round;
    bool had_values = server->core->has_values;
    if (world->config.durability[0] == 'n' || !had_values ||
        gw_core_result(server->core, NULL) != GW_OK)
        return;
    sim_server_kill(server, false);
    while (!world->failed && !server->core)
        if (!sim_step(&world->net, world->net.now + PATIENCE_NS))
            break;
    if (!world->failed && (server->ledger.count != count || server->ledger.round != round))
        sim_fail(world,
                 "server %d stopped with %zu pushes and round %" PRIu64
                 ", and came back with %zu and %" PRIu64,
                 server->index, count, round, server->ledger.count, server->ledger.round);
}

bool sim_world_run(struct sim_world *world)
{
    int64_t limit = world->config.fault_end + PATIENCE_NS;
    while (!world->failed && !world->net.failed && !is_done(world))
        if (!sim_step(&world->net, limit)) {
            fail_stuck(world);
            break;
        }
    if (world->net.failed)
        sim_fail(world, "see above");
    for (int w = 0; w < world->workers_count && !world->failed; w++)
        check_worker_end(world, world->workers[w]);
    for (int s = 0; s < world->config.servers && !world->failed; s++) {
        stop_server(world, &world->servers[s]);
        if (!world->failed)
            restart_server(world, &world->servers[s]);
    }
    return !world->failed;
}
