/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker of the simulated world: the core, its codecs, and a training loop that thinks, pushes,
 * pulls, and leaves in the end. */
#include "tests/sim_world.h"

#include "server/worker_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void arm(void *node);
static void go_on(struct sim_worker *w);

/* ---- the world of a worker's core ------------------------------------------------------------ */

static void connect_to(void *user, int server)
{
    struct sim_worker *w = user;
    sim_connect(&w->world->net, w->node, server, server);
}

static void flush(void *user, int server)
{
    struct sim_worker *w = user;
    if (w->links[server].end)
        sim_flush(w->links[server].end);
}

static void changed(void *user)
{
    struct sim_worker *w = user;
    w->again = true;
}

static gw_status open_decoder(void *user, const struct gw_job *terms, struct gw_error *error)
{
    struct sim_worker *w = user;
    return gw_decoder_open(&w->decoder, terms, w->parts, w->parts_count, error);
}

static gw_status check(void *user, size_t part, bool raw, const void *payload, size_t bytes,
                       struct gw_error *error)
{
    return gw_decoder_check(((struct sim_worker *)user)->decoder, part, raw, payload, bytes, error);
}

static size_t bound(void *user, size_t part, bool raw)
{
    return gw_decoder_bound(((struct sim_worker *)user)->decoder, part, raw);
}

static uint64_t push_spec(void *user, size_t part)
{
    return gw_encoder_spec(((struct sim_worker *)user)->encoder, part);
}

static bool remembers(void *user)
{
    return gw_decoder_remembers(((struct sim_worker *)user)->decoder);
}

/* ---- connections ----------------------------------------------------------------------------- */

static bool accepted(void *node, struct sim_end *end)
{
    (void)node;
    (void)end;
    return false;
}

static bool opened(void *node, int tag, struct sim_end *end)
{
    struct sim_worker *w = node;
    struct gw_session_setup setup;
    struct gw_error error = { 0 };
    char *terms = NULL;
    if (gw_worker_session_setup(w->core, tag, &setup, &terms, &error) == GW_OK) {
        setup.times = w->world->config.times;
        end->session = gw_session_open(&setup, w->world->net.now);
    }
    free(terms);
    if (!end->session) {
        gw_error_set(&error, GW_ENOMEM, "out of memory for a session");
        gw_worker_gone(w->core, tag, &error, w->world->net.now);
        return false;
    }
    w->links[tag].end = end;
    end->user = &w->links[tag];
    gw_worker_bound(w->core, tag, end->session);
    return true;
}

static void failed(void *node, int tag, const struct gw_error *why)
{
    struct sim_worker *w = node;
    gw_worker_gone(w->core, tag, why, w->world->net.now);
}

/* What the server has acknowledged is what is not on the worker's list any more, or marked there.
 */
static void note_acks(struct sim_worker *w)
{
    for (struct sim_push *p = w->world->pushes[w->id]; p; p = p->next) {
        if (p->instance != w->instance)
            continue;
        const struct sent *sent = w->core->first;
        while (sent && sent->number != p->number)
            sent = sent->next;
        for (int s = 0; s < w->world->config.servers; s++)
            p->acked[s] |= !sent || sent->acked[s];
    }
}

static void event(struct sim_end *end, struct gw_event *event)
{
    struct sim_link *link = end->user;
    struct sim_worker *w = link->worker;
    bool acks = event->kind == GW_EVENT_READY ||
                (event->kind == GW_EVENT_FRAME && event->frame.type == GW_PS_ACK);
    if (event->kind == GW_EVENT_READY)
        sim_note(&w->world->net, "worker ready at server", w->id, link->server, 0);
    if (event->kind == GW_EVENT_CLOSED)
        sim_note_text(&w->world->net, "a worker's session ends:", event->error.text);
    gw_worker_event(w->core, link->server, event, w->world->net.now);
    if (acks)
        note_acks(w);
    go_on(w);
}

static void gone(struct sim_end *end)
{
    struct sim_link *link = end->user;
    link->end = NULL;
    gw_worker_gone(link->worker->core, link->server, NULL, link->worker->world->net.now);
}

static void settled(void *node)
{
    struct sim_worker *w = node;
    if (!w->core)
        return;
    go_on(w);
    arm(w);
}

static const struct sim_node_calls calls = { accepted, opened, failed, event, gone, settled };

static void tick(void *user, uint64_t number)
{
    struct sim_worker *w = user;
    int64_t now = w->world->net.now;
    (void)number;
    if (!w->core)
        return;
    w->armed_ns = INT64_MAX;
    if (gw_worker_deadline(w->core) <= now) {
        gw_worker_tick(w->core, now);
        if (gw_worker_deadline(w->core) <= now)
            sim_fail(w->world, "worker %" PRIu32 ": its deadline is not behind its tick", w->id);
    }
    settled(w);
}

static void arm(void *node)
{
    struct sim_worker *w = node;
    int64_t due = gw_worker_deadline(w->core);
    if (due >= w->armed_ns)
        return;
    w->armed_ns = due;
    sim_at(&w->world->net, due, w->node, tick, w, 0);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void wake(void *user, uint64_t number)
{
    struct sim_worker *w = user;
    (void)number;
    if (!w->core || w->phase != SIM_THINKS)
        return;
    w->phase = SIM_WANTS_ROOM;
    w->again = true;
    settled(w);
}

static void think(struct sim_worker *w)
{
    struct sim_net *net = &w->world->net;
    w->again = true;
    if (w->step >= w->steps) {
        w->phase = SIM_DRAINS;
        return;
    }
    w->phase = SIM_THINKS;
    sim_at(net, net->now + sim_between(&w->world->random, 0, w->world->config.think_most), w->node,
           wake, w, 0);
}

static void pull(struct sim_worker *w, enum sim_phase phase)
{
    w->phase = phase;
    w->again = true;
    if (gw_worker_pull(w->core, w->world->net.now))
        sim_fail(w->world, "worker %" PRIu32 " has a pull under way already", w->id);
}

static void take_pull(struct sim_worker *w)
{
    struct gw_worker_result result;
    void *tensors[SIM_TENSORS];
    for (int t = 0; t < w->world->config.tensors; t++)
        tensors[t] = w->values + w->world->starts[t];
    gw_worker_take_pull(w->core, &result);
    gw_decoder_apply(w->decoder, result.items, tensors);
    gw_worker_free_items(result.items);
    sim_note(&w->world->net, "worker has pulled round", w->id, (long)result.round, 0);
    sim_check_pull(w);
    think(w);
}

static void join(struct sim_worker *w)
{
    const struct gw_job *terms = gw_worker_terms(w->core);
    const char *seed = terms->term[GW_TERM_SEED];
    gw_encoder_set_seed(w->encoder,
                        strtoull(seed ? seed : gw_term_standard(GW_TERM_SEED), NULL, 10));
    w->joined = true;
    if (sim_below(&w->random, 2))
        pull(w, SIM_FIRST_PULL);
    else
        think(w);
}

static void retire(void *user, uint64_t number)
{
    (void)number;
    sim_worker_kill(user, false);
}

static void go(struct sim_worker *w, enum sim_phase phase)
{
    struct sim_net *net = &w->world->net;
    w->phase = phase;
    if (phase == SIM_GOES)
        gw_worker_bye(w->core, net->now);
    sim_at(net, net->now + 20 * SIM_MS, w->node, retire, w, 0);
}

static void take_step(struct sim_worker *w)
{
    const struct sim_config *config = &w->world->config;
    size_t waiting = gw_worker_pushes(w->core);
    switch (w->phase) {
    case SIM_JOINS:
        if (gw_worker_has_joined(w->core))
            join(w);
        break;
    case SIM_WANTS_ROOM:
        if (waiting >= (size_t)config->window)
            break;
        sim_push_step(w);
        if (w->step % config->pull_every == 0)
            pull(w, SIM_PULLS);
        else
            think(w);
        break;
    case SIM_FIRST_PULL:
    case SIM_PULLS:
        if (gw_worker_pull_is_done(w->core))
            take_pull(w);
        break;
    case SIM_DRAINS:
        if (waiting > 0)
            break;
        if (config->hands_in)
            sim_hand_in(w);
        w->phase = SIM_HANDS_IN;
        w->again = true;
        break;
    case SIM_HANDS_IN:
        if (waiting == 0)
            go(w, SIM_GOES);
        break;
    default:
        break;
    }
}

static void go_on(struct sim_worker *w)
{
    if (w->going || !w->core)
        return;
    w->going = true;
    while (w->again && !w->world->failed) {
        w->again = false;
        if (w->phase < SIM_GOES && !w->broke)
            w->broke = gw_worker_broken(w->core, &w->why) != GW_OK;
        if (w->phase < SIM_GOES && w->broke) {
            sim_note_text(&w->world->net, "a worker is broken:", w->why.text);
            go(w, SIM_DONE);
        } else {
            take_step(w);
        }
    }
    w->going = false;
}

/* ---- life and death -------------------------------------------------------------------------- */

/* What it does not say itself it takes from the server. */
static struct gw_job *job_of(struct sim_worker *w)
{
    struct gw_job *job = sim_config_job(&w->world->config, 0);
    for (int t = 0; t < GW_TERMS; t++)
        if (sim_below(&w->random, 2) && gw_job_set(job, (enum gw_term)t, NULL, NULL))
            abort();
    return job;
}

static void close_worker(struct sim_worker *w)
{
    gw_decoder_close(w->decoder);
    gw_encoder_close(w->encoder);
    gw_worker_close(w->core);
    w->decoder = NULL;
    w->encoder = NULL;
    w->core = NULL;
}

/* On an error nothing is open. */
static gw_status try_open(struct sim_worker *w, struct gw_blob ***initial, struct gw_error *error)
{
    static const char *const names[SIM_SERVERS] = { "sim:0", "sim:1", "sim:2" };
    const struct gw_worker_world core_world = { w, connect_to, flush, changed };
    const struct gw_worker_codecs codecs = { w, open_decoder, check, bound, push_spec, remembers };
    sim_own++;
    struct gw_job *job = job_of(w);
    *initial = calloc(SIM_PARTS, sizeof(struct gw_blob *));
    sim_own--;
    const struct gw_worker_setup setup = { job, names, w->id, false, w->instance };
    const void *tensors[SIM_TENSORS];
    gw_status s = gw_worker_open(&w->core, &setup, &core_world, error);
    if (s) {
        gw_job_close(job);
        free(*initial);
        return s;
    }
    gw_worker_set_codecs(w->core, &codecs);
    w->parts = gw_worker_parts(w->core, &w->parts_count);
    s = gw_encoder_open(&w->encoder, job, w->parts, w->parts_count, w->id, GW_NONFINITE_REFUSE,
                        error);
    if (!s)
        s = gw_encoder_raw(w->encoder, sim_tensors(w, w->world->initial, tensors), *initial, error);
    if (s) {
        close_worker(w);
        free(*initial);
    }
    return s;
}

static void open_worker(struct sim_worker *w)
{
    struct gw_blob **initial;
    struct gw_error error = { 0 };
    gw_status s;
    do
        s = try_open(w, &initial, &error);
    while (s == GW_ENOMEM && w->world->config.walks);
    if (s) {
        sim_fail(w->world, "worker %" PRIu32 ": %s", w->id, error.text);
        return;
    }
    sim_node_start(&w->world->net, w->node, &calls, w);
    gw_worker_start(w->core, initial, w->world->net.now);
}

void sim_worker_start(struct sim_world *world, uint32_t id)
{
    size_t elements = world->config.elements;
    if (world->workers_count == SIM_WORKERS)
        return;
    sim_own++;
    struct sim_worker *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->world = world;
    w->index = world->workers_count;
    w->node = SIM_SERVERS + w->index;
    w->id = id;
    w->instance = sim_number(&world->random) | 1;
    w->armed_ns = INT64_MAX;
    /* What it does, not when, is the same on every network. */
    w->random.state = world->config.seed * SIM_WORKERS + (uint64_t)w->index;
    w->values = calloc(elements, sizeof *w->values);
    w->gradient = calloc(elements, sizeof *w->gradient);
    w->given = calloc(elements, sizeof *w->given);
    w->sent = calloc(elements, sizeof *w->sent);
    sim_own--;
    if (!w->values || !w->gradient || !w->given || !w->sent)
        abort();
    for (int s = 0; s < SIM_SERVERS; s++)
        w->links[s] = (struct sim_link){ .worker = w, .server = s };
    /* Steps differ from worker to worker, so that some leave before others. */
    w->steps = 1 + (int)sim_below(&w->random, (uint64_t)world->config.steps);
    world->workers[world->workers_count++] = w;
    sim_note(&world->net, "worker starts, node", id, w->node, 0);
    open_worker(w);
    w->again = true;
    settled(w);
}

bool sim_worker_is_alive(const struct sim_worker *worker)
{
    return worker->core != NULL;
}

void sim_worker_kill(struct sim_worker *worker, bool quiet)
{
    if (!worker->core)
        return;
    worker->killed = worker->phase < SIM_GOES;
    if (worker->killed)
        sim_note(&worker->world->net, "worker is killed, quietly", worker->id, quiet, 0);
    sim_check_conservation(worker);
    note_acks(worker);
    sim_node_kill(&worker->world->net, worker->node, quiet);
    close_worker(worker);
    worker->phase = SIM_DONE;
}

void sim_worker_free(struct sim_worker *worker)
{
    sim_worker_kill(worker, true);
    free(worker->values);
    free(worker->gradient);
    free(worker->given);
    free(worker->sent);
    free(worker);
}
