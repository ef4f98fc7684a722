/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server of the simulated world: the core, its connections, its work (at once, or later and in a
 * random order on random threads), its disk, and its deaths. */
#include "tests/sim_world.h"

#include "server/core_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void arm(void *node);

/* ---- work ------------------------------------------------------------------------------------ */

static bool at_once(struct sim_server *server)
{
    return sim_chance(&server->world->random, server->world->config.at_once);
}

static int64_t later(struct sim_server *server, int64_t most)
{
    return server->world->net.now + sim_between(&server->world->random, 0, most);
}

static void run_parts(struct sim_server *server)
{
    struct gw_work *work = server->work;
    uint64_t threads = (uint64_t)server->world->config.threads;
    size_t count = gw_work_parts(work);
    for (int phase = 0; phase < gw_work_phases(work); phase++) {
        size_t first = count ? (size_t)sim_below(&server->world->random, count) : 0;
        for (size_t i = 0; i < count; i++)
            gw_work_part(work, phase, (first + i) % count,
                         (int)sim_below(&server->world->random, threads));
    }
}

static void end_work(void *user, uint64_t life)
{
    struct sim_server *server = user;
    if (life != server->life || !server->work)
        return;
    void (*done)(struct gw_core * core) = server->work_done;
    run_parts(server);
    server->work = NULL;
    if (server->applying)
        sim_ledger_apply(server);
    done(server->core);
    sim_server_check(server);
    arm(server);
}

static void compute(void *user, struct gw_work *work, void (*done)(struct gw_core *core),
                    struct gw_core *core)
{
    struct sim_server *server = user;
    server->work = work;
    server->work_done = done;
    server->applying = core->applying;
    if (server->applying) { /* perhaps within the call that accepted the push */
        sim_ledger_catch_up(server);
        sim_ledger_take(server);
    }
    if (at_once(server))
        end_work(server, server->life);
    else
        sim_at(&server->world->net, later(server, 5 * SIM_MS), server->node, end_work, server,
               server->life);
}

/* ---- disk ------------------------------------------------------------------------------------ */

static void die_of_crash(void *user, uint64_t life)
{
    struct sim_server *server = user;
    if (life == server->life && server->core)
        sim_server_kill(server, true);
}

static void end_task(void *user, uint64_t life)
{
    struct sim_server *server = user;
    if (life != server->life || !server->task_done)
        return;
    void (*done)(struct gw_core * core) = server->task_done;
    server->task_done = NULL;
    done(server->core);
    sim_server_check(server);
    arm(server);
}

static void run_task(void *user, uint64_t life)
{
    struct sim_server *server = user;
    if (life != server->life || !server->task)
        return;
    void (*task)(struct gw_core * core) = server->task;
    server->task = NULL;
    task(server->core);
    if (server->disk->crashed) /* the machine stopped in the middle of it */
        sim_at(&server->world->net, server->world->net.now, server->node, die_of_crash, server,
               life);
    else if (at_once(server))
        end_task(server, life);
    else
        sim_at(&server->world->net, later(server, 3 * SIM_MS), server->node, end_task, server,
               life);
}

static void background(void *user, void (*task)(struct gw_core *core),
                       void (*done)(struct gw_core *core), struct gw_core *core)
{
    struct sim_server *server = user;
    (void)core;
    server->task = task;
    server->task_done = done;
    if (at_once(server))
        run_task(server, server->life);
    else
        sim_at(&server->world->net, later(server, 5 * SIM_MS), server->node, run_task, server,
               server->life);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void flush(void *user, void *link)
{
    (void)user;
    sim_flush(((struct sim_peer *)link)->end);
}

static void say(void *user, const char *line)
{
    struct sim_server *server = user;
    sim_note_text(&server->world->net, "server says", line);
}

static bool accepted(void *node, struct sim_end *end)
{
    struct sim_server *server = node;
    const struct sim_config *config = &server->world->config;
    char name[32];
    sim_own++;
    struct sim_peer *peer = calloc(1, sizeof *peer);
    sim_own--;
    snprintf(name, sizeof name, "sim:%d", end->other->node);
    if (peer)
        peer->peer = gw_core_accept(server->core, peer, name);
    if (!peer || !peer->peer) {
        free(peer);
        return false;
    }
    peer->server = server;
    peer->end = end;
    const struct gw_session_setup setup = {
        .serves = true,
        .job = server->core->job->id,
        .times = config->times,
        .rules = { .admit = gw_core_admit, .user = peer->peer, .terms_bytes = GW_JOB_TEXT_MAX }
    };
    end->session = gw_session_open(&setup, server->world->net.now);
    end->user = peer;
    if (!end->session) {
        gw_core_gone(peer->peer, server->world->net.now);
        free(peer);
        return false;
    }
    gw_core_bind(peer->peer, end->session);
    return true;
}

static void event(struct sim_end *end, struct gw_event *event)
{
    struct sim_peer *peer = end->user;
    struct sim_server *server = peer->server;
    if (event->kind == GW_EVENT_FRAME && event->frame.type == GW_PS_COMMIT)
        sim_note(&server->world->net, "commit to server, worker, number", server->index,
                 event->frame.worker, (long)event->frame.sequence);
    gw_core_event(peer->peer, event, server->world->net.now);
    sim_ledger_catch_up(server);
    sim_server_check(server);
}

static void gone(struct sim_end *end)
{
    struct sim_peer *peer = end->user;
    gw_core_gone(peer->peer, peer->server->world->net.now);
    sim_server_check(peer->server);
    free(peer);
}

static bool opened(void *node, int tag, struct sim_end *end)
{
    (void)node;
    (void)tag;
    (void)end;
    return false;
}

static void failed(void *node, int tag, const struct gw_error *why)
{
    (void)node;
    (void)tag;
    (void)why;
}

static const struct sim_node_calls calls = { accepted, opened, failed, event, gone, arm };

/* ---- the clock ------------------------------------------------------------------------------- */

static void tick(void *user, uint64_t life)
{
    struct sim_server *server = user;
    int64_t now = server->world->net.now;
    if (life != server->life || !server->core)
        return;
    server->armed_ns = INT64_MAX;
    if (gw_core_deadline(server->core) <= now) {
        gw_core_tick(server->core, now);
        if (gw_core_deadline(server->core) <= now)
            sim_fail(server->world,
                     "server %d: its deadline %" PRId64 " ns is not behind its tick at %" PRId64
                     " ns: a loop would spin",
                     server->index, gw_core_deadline(server->core), now);
        sim_server_check(server);
    }
    arm(server);
}

static void arm(void *node)
{
    struct sim_server *server = node;
    if (!server->core)
        return;
    int64_t due = gw_core_deadline(server->core);
    if (due >= server->armed_ns)
        return;
    server->armed_ns = due;
    sim_at(&server->world->net, due, server->node, tick, server, server->life);
}

/* ---- life and death -------------------------------------------------------------------------- */

static void start_again(void *user, uint64_t life)
{
    struct sim_server *server = user;
    if (life == server->life && !server->core)
        sim_server_start(server);
}

void sim_server_start(struct sim_server *server)
{
    struct sim_world *world = server->world;
    struct gw_error error;
    struct gw_job *job = sim_config_job(&world->config, server->index);
    const struct gw_core_world core_world = { server, compute, background, flush, say };
    struct gw_core_setup setup = { .job = job,
                                   .folder = "/d",
                                   .files = &server->files,
                                   .incarnation = sim_number(&world->random) | 1,
                                   .lost_ns = world->config.lost_ns,
                                   .back_ns = world->config.back_ns,
                                   .threads = world->config.threads };
    gw_status s = gw_durability_parse(&setup.durability, world->config.durability, &error);
    server->armed_ns = INT64_MAX;
    if (!s)
        s = gw_core_open(&server->core, &setup, &core_world, world->net.now, &error);
    if (s) {
        sim_note_text(&world->net, "a server cannot start:", error.text);
        gw_job_close(job);
        server->core = NULL;
        sim_files_kill(server->disk);
        if (s != GW_EIO && !(world->config.walks && s == GW_ENOMEM))
            sim_fail(world, "server %d cannot start: %s", server->index, error.text);
        else
            sim_at(&world->net, world->net.now + 100 * SIM_MS, -1, start_again, server,
                   server->life);
        return;
    }
    server->incarnation = setup.incarnation;
    sim_note(&world->net, "server starts, round", server->index, (long)gw_core_round(server->core),
             0);
    sim_node_start(&world->net, server->node, &calls, server);
    if (server->kills > 0)
        sim_ledger_recover(server);
    sim_server_check(server);
    arm(server);
}

/* The process is gone between two instructions of the core; what other threads had been handed is
 * gone with it. */
void sim_server_kill(struct sim_server *server, bool machine)
{
    struct sim_world *world = server->world;
    sim_note(&world->net, machine ? "machine of server goes down" : "server is killed",
             server->index, 0, 0);
    for (struct sim_end *e = world->net.ends; e; e = e->next)
        if (e->open && e->node == server->node) {
            struct sim_peer *peer = e->user;
            peer->peer->core->world.say = NULL;
        }
    if (server->work) { /* its memory only */
        run_parts(server);
        (void)gw_work_end(server->work, NULL);
        server->core->work = NULL;
        server->work = NULL;
    }
    server->task = server->task_done = NULL;
    for (struct sim_end *e = world->net.ends; e; e = e->next) {
        if (!e->open || e->node != server->node)
            continue;
        struct sim_peer *peer = e->user;
        struct gw_core_peer *p = peer->peer;
        gw_blob_drop(p->incoming); /* as gw_core_gone, but nobody is told */
        free(p);
        free(peer);
    }
    sim_node_kill(&world->net, server->node, machine);
    gw_core_close(server->core);
    server->core = NULL;
    server->life++;
    server->kills++;
    sim_own++;
    if (machine || server->disk->crashed)
        sim_files_crash(server->disk, sim_number(&world->random));
    else
        sim_files_kill(server->disk);
    sim_own--;
    world->lost_values |= world->config.durability[0] == 'n';
    sim_at(&world->net, world->net.now + sim_between(&world->random, 0, 400) * SIM_MS, -1,
           start_again, server, server->life);
}

/* ---- at all times ---------------------------------------------------------------------------- */

static void check_member(struct sim_server *server, const struct member *m)
{
    size_t acks = 0, waiting = 0;
    for (const struct ack *a = m->acks; a; a = a->next)
        acks++;
    for (const struct push *p = m->first; p; p = p->next)
        waiting++;
    if (waiting != m->waiting || waiting > GW_WAITING_MAX)
        sim_fail(server->world, "server %d: worker %" PRIu32 " has %zu pushes waiting, counts %d",
                 server->index, m->worker, waiting, (int)m->waiting);
    if (acks > 2 * GW_WAITING_MAX)
        sim_fail(server->world, "server %d owes worker %" PRIu32 " %zu acknowledgements",
                 server->index, m->worker, acks);
    if (m->stage && !m->peer)
        sim_fail(server->world, "server %d keeps parts of worker %" PRIu32 ", which is gone",
                 server->index, m->worker);
}

void sim_server_check(struct sim_server *server)
{
    const struct gw_core *core = server->core;
    if (!core)
        return;
    for (size_t i = 0; i < core->members_count; i++)
        check_member(server, core->members[i]);
    for (const struct gw_core_peer *p = core->peers; p; p = p->next)
        if (p->session && gw_session_queued(p->session) > (1 << 20))
            sim_fail(server->world, "server %d has %zu bytes waiting for worker %" PRIu32,
                     server->index, gw_session_queued(p->session),
                     gw_session_peer(p->session)->worker);
}
