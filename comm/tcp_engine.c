/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The thread that owns the sockets of a rank: without one a rank that computes for seconds would
 * send no beats, and be taken for dead. It blocks all signals: they are the program's, and a write
 * to a socket that is closed must not end it by SIGPIPE. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/tcp.h"
#include "session/instance.h"

enum { TICK_MS = 10, LINGER_MS = 1500 };

/* ---- the lock -------------------------------------------------------------------------------- */

void gw_tcp_lock(struct tcp_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
}

/* The lock is about to be let go: is the thread to be woken? */
static bool take_wants(struct tcp_engine *engine)
{
    bool poke = engine->wants && !engine->poked;
    engine->poked |= poke;
    engine->wants = false;
    return poke;
}

void gw_tcp_unlock(struct tcp_engine *engine)
{
    bool poke = take_wants(engine);
    pthread_mutex_unlock(&engine->lock);
    if (poke)
        (void)uv_async_send(&engine->async);
}

void gw_tcp_ring(struct tcp_engine *engine)
{
    engine->events++;
    if (engine->waiters > 0)
        pthread_cond_broadcast(&engine->rung);
}

bool gw_tcp_wait(struct tcp_engine *engine, int64_t until_ns)
{
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
                              .tv_nsec = (long)(until_ns % 1000000000) };
    if (take_wants(engine))
        (void)uv_async_send(&engine->async);
    engine->waiters++;
    int code = pthread_cond_timedwait(&engine->rung, &engine->lock, &until);
    engine->waiters--;
    return code == 0;
}

void gw_tcp_news(struct tcp_peer *peer)
{
    peer->news = true;
    peer->engine->wants = true;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void stop_listening(struct tcp_engine *engine)
{
    gw_listener_close(engine->listener);
    engine->listener = NULL;
}

static void say_goodbye(struct tcp_engine *engine)
{
    struct tcp_link *next;
    int64_t now = gw_net_now(engine->net);
    engine->closing = true;
    uv_timer_start(&engine->timer, engine->timer.timer_cb, LINGER_MS, 0);
    stop_listening(engine);
    for (struct tcp_link *link = engine->links; link; link = next) {
        next = link->next;
        struct gw_session *session = gw_stream_session(link->stream);
        if (!gw_tcp_link_is_ready(link)) {
            gw_stream_drop(link->stream, false);
        } else if (gw_session_is_ready(session)) {
            if (engine->why[0])
                gw_session_refuse(session, GW_EPEER, engine->why, now);
            else
                gw_session_bye(session, now);
            gw_stream_flush(link->stream);
        }
    }
}

static void close_net(struct tcp_engine *engine)
{
    engine->net_closed = true;
    gw_net_close(engine->net);
    uv_close((uv_handle_t *)&engine->async, NULL);
    uv_close((uv_handle_t *)&engine->timer, NULL);
}

static void look_at(struct tcp_peer *peer)
{
    gw_tcp_lock(peer->engine);
    bool drop = peer->drop && peer->link;
    bool news = peer->news;
    gw_tcp_unlock(peer->engine);
    if (drop) {
        struct gw_stream *stream = peer->link->stream;
        gw_tcp_lose(peer, GW_ETRANSPORT, "the connection was given up with data on its way");
        gw_stream_drop(stream, false);
    } else if (news) {
        gw_tcp_pump(peer);
    }
}

static void poked(uv_async_t *async)
{
    struct tcp_engine *engine = async->data;
    gw_tcp_lock(engine);
    engine->poked = false;
    bool ending = engine->ending, opened = engine->opened;
    gw_tcp_unlock(engine);
    if (engine->net_closed)
        return;
    for (int r = 0; r < engine->group.ranks; r++)
        look_at(&engine->peers[r]);
    if (opened)
        stop_listening(engine);
    if (ending && !engine->closing)
        say_goodbye(engine);
    if (engine->closing && !engine->links)
        close_net(engine);
}

static void tick(uv_timer_t *timer)
{
    struct tcp_engine *engine = timer->data;
    if (engine->net_closed)
        return;
    if (engine->closing) {
        close_net(engine);
        return;
    }
    gw_tcp_lock(engine);
    bool opened = engine->opened;
    gw_tcp_unlock(engine);
    if (opened)
        uv_timer_stop(timer);
    else
        gw_tcp_connect_absent(engine);
}

static void *run(void *argument)
{
    struct tcp_engine *engine = argument;
    (void)uv_run(&engine->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int start_thread(struct tcp_engine *engine)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&engine->thread, NULL, run, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void init_lock(struct tcp_engine *engine)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->rung, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static gw_status check_addresses(const struct gw_tcp_group *group, struct gw_error *error)
{
    for (int r = 0; r < group->ranks; r++)
        if (!gw_address_is_local(&group->addresses[r]))
            return gw_fail(error, GW_ENOTSUP,
                           "tcp: %s is not of this machine alone, so ranks need keys: make them "
                           "with `gradwire key`, give all ranks the file, and say keys=FILE",
                           group->addresses[r].text);
    return GW_OK;
}

static gw_status open_keys(struct tcp_engine *engine, const char *path, struct gw_error *error)
{
    const struct gw_tcp_group *group = &engine->group;
    if (!path)
        return check_addresses(group, error);
    gw_status s = gw_keys_load(&engine->keys, path, error);
    if (!s)
        s = gw_tls_context_open(&engine->serve_tls, engine->keys, true, 0, error);
    if (!s && group->rank > 0)
        s = gw_tls_context_open(&engine->connect_tls, engine->keys, false, (uint32_t)group->rank,
                                error);
    return s;
}

static void prepare_peers(struct tcp_engine *engine)
{
    for (int r = 0; r < engine->group.ranks; r++) {
        struct tcp_peer *peer = &engine->peers[r];
        peer->engine = engine;
        peer->rank = r;
        for (int i = 0; i < GW_TCP_PIECES; i++) {
            peer->pieces[i].peer = peer;
            peer->pieces[i].next = peer->free_piece;
            peer->free_piece = &peer->pieces[i];
        }
    }
}

static void free_engine(struct tcp_engine *engine)
{
    gw_tcp_links_free(engine);
    for (int r = 0; r < engine->group.ranks; r++) {
        gw_tcp_lanes_fail(&engine->peers[r], NULL); /* what was given up may be there still */
        gw_tcp_lanes_free(&engine->peers[r]);
        gw_tcp_contexts_free(engine->peers[r].contexts);
    }
    gw_tls_context_close(engine->serve_tls);
    gw_tls_context_close(engine->connect_tls);
    gw_keys_close(engine->keys);
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->rung);
    free(engine->group.addresses);
    free(engine->peers);
    free(engine);
}

/* What the thread will run, made here, where an error has somewhere to go. */
static gw_status open_loop(struct tcp_engine *engine, struct gw_error *error)
{
    int code = uv_loop_init(&engine->loop);
    if (code)
        return gw_fail(error, code == UV_ENOMEM ? GW_ENOMEM : GW_EIO, "tcp: no event loop: %s",
                       uv_strerror(code));
    code = uv_async_init(&engine->loop, &engine->async, poked);
    if (code) {
        (void)uv_loop_close(&engine->loop);
        return gw_fail(error, code == UV_ENOMEM ? GW_ENOMEM : GW_EIO, "tcp: no event loop: %s",
                       uv_strerror(code));
    }
    (void)uv_timer_init(&engine->loop, &engine->timer);
    engine->async.data = engine->timer.data = engine;
    gw_status s = gw_net_open(&engine->net, &engine->loop, error);
    if (!s)
        s = gw_tcp_listen(engine, error);
    if (!s) {
        (void)uv_timer_start(&engine->timer, tick, 0, TICK_MS);
        if (start_thread(engine) == 0)
            return GW_OK;
        s = gw_fail(error, GW_ENOMEM, "tcp: no thread for the sockets");
    }
    close_net(engine); /* and the listener, if it stands */
    (void)uv_run(&engine->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&engine->loop);
    return s;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void stop(struct tcp_engine *engine)
{
    gw_tcp_lock(engine);
    engine->ending = engine->wants = true;
    gw_tcp_unlock(engine);
    pthread_join(engine->thread, NULL);
    (void)uv_loop_close(&engine->loop);
    free_engine(engine);
}

static void name_absent(const struct tcp_engine *engine, char *list, size_t capacity,
                        const char **words)
{
    size_t used = 0;
    *words = engine->stranger;
    for (int r = engine->group.ranks - 1; r >= 0; r--)
        if (engine->peers[r].state == TCP_ABSENT && engine->peers[r].words[0])
            *words = engine->peers[r].words;
    for (int r = 0; r < engine->group.ranks && used < capacity; r++)
        if (r != engine->group.rank && engine->peers[r].state != TCP_READY)
            used += (size_t)snprintf(list + used, capacity - used, "%s%d", used ? ", " : "", r);
}

/* Under the lock. */
static gw_status await_all(struct tcp_engine *engine, int64_t timeout_ns, struct gw_error *error)
{
    int64_t deadline = gw_now_ns() + timeout_ns;
    char absent[128] = "";
    const char *words;
    while (engine->ready < engine->group.ranks - 1 && !engine->failure.status &&
           gw_now_ns() < deadline)
        (void)gw_tcp_wait(engine, deadline);
    if (engine->failure.status)
        return gw_fail(error, engine->failure.status, "%s", engine->failure.text);
    if (engine->ready == engine->group.ranks - 1)
        return GW_OK;
    name_absent(engine, absent, sizeof absent, &words);
    return gw_fail(error, GW_ETIMEOUT, "tcp: rank %s did not come within %g s%s%.200s%s", absent,
                   (double)timeout_ns / 1e9, *words ? " (" : "", words, *words ? ")" : "");
}

static struct tcp_engine *new_engine(const struct gw_tcp_group *group)
{
    struct tcp_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return NULL;
    engine->peers = calloc((size_t)group->ranks, sizeof *engine->peers);
    if (!engine->peers) {
        free(engine);
        return NULL;
    }
    engine->group = *group;
    engine->users = 1;
    engine->kept_max = GW_TCP_KEPT_MAX;
    engine->instance = gw_instance_new();
    init_lock(engine);
    prepare_peers(engine);
    return engine;
}

gw_status gw_tcp_engine_open(struct tcp_engine **out, const struct gw_tcp_group *group,
                             const char *keys, int64_t timeout_ns, struct gw_error *error)
{
    struct tcp_engine *engine = new_engine(group);
    if (!engine) {
        free(group->addresses);
        return gw_fail(error, GW_ENOMEM, "tcp: out of memory for %d ranks", group->ranks);
    }
    gw_status s = open_keys(engine, keys, error);
    if (!s)
        s = open_loop(engine, error);
    if (s) {
        free_engine(engine);
        return s;
    }
    gw_tcp_lock(engine);
    s = await_all(engine, timeout_ns, error);
    engine->opened = s == GW_OK;
    engine->wants = true; /* to listen no more */
    gw_tcp_unlock(engine);
    if (s)
        stop(engine);
    else
        *out = engine;
    return s;
}

void gw_tcp_engine_share(struct tcp_engine *engine)
{
    gw_tcp_lock(engine);
    engine->users++;
    gw_tcp_unlock(engine);
}

void gw_tcp_engine_drop(struct tcp_engine *engine, const char *why)
{
    gw_tcp_lock(engine);
    bool last = --engine->users == 0;
    if (last && why)
        snprintf(engine->why, sizeof engine->why, "it gave up: %s", why);
    gw_tcp_unlock(engine);
    if (last)
        stop(engine);
}
