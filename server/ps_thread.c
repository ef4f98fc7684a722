/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The thread of a gw_ps, and the worker's core over sockets. The thread runs the loop under the
 * lock, without waiting, and sleeps in poll(2) on the loop's own descriptor without it (libuv's way
 * of being embedded); so callers may use sessions and handles under the same lock. */
#include "server/ps_inside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- streams --------------------------------------------------------------------------------- */

static void take_event(void *user, struct gw_stream *stream, struct gw_event *event)
{
    struct endpoint *end = user;
    struct gw_worker *worker = end->ps->worker;
    gw_worker_bound(worker, end->server, gw_stream_session(stream));
    gw_worker_event(worker, end->server, event, gw_net_now(end->ps->net));
}

static void take_gone(void *user, struct gw_stream *stream)
{
    struct endpoint *end = user;
    if (end->stream != stream)
        return;
    end->stream = NULL;
    gw_worker_gone(end->ps->worker, end->server, NULL, gw_net_now(end->ps->net));
    pthread_cond_broadcast(&end->ps->changed);
}

static const struct gw_stream_calls calls = { .event = take_event, .gone = take_gone };

/* ---- what the core asks for ------------------------------------------------------------------ */

static void connect_server(void *user, int server)
{
    gw_ps *ps = user;
    struct endpoint *end = &ps->endpoints[server];
    struct gw_session_setup setup;
    struct gw_error why = { 0 };
    char *terms = NULL;
    gw_status s = gw_worker_session_setup(ps->worker, server, &setup, &terms, &why);
    setup.times = gw_session_times_default;
    /* A Unix socket is guarded by its file's mode: servers speak plain there. */
    struct gw_tls_context *tls = ps->addresses[server].is_unix ? NULL : ps->tls;
    if (!s)
        s = gw_stream_connect(&end->stream, ps->net, &ps->addresses[server], tls, &setup, &calls,
                              end, &why);
    free(terms);
    ps->touched = true;
    if (s) {
        end->stream = NULL;
        gw_worker_gone(ps->worker, server, &why, gw_net_now(ps->net));
    }
}

static void flush_server(void *user, int server)
{
    gw_ps *ps = user;
    if (ps->endpoints[server].stream)
        gw_stream_flush(ps->endpoints[server].stream);
    ps->touched = true;
}

static void tell_changed(void *user)
{
    gw_ps *ps = user;
    pthread_cond_broadcast(&ps->changed);
}

const struct gw_worker_world gw_ps_world = { NULL, connect_server, flush_server, tell_changed };

/* ---- the lock -------------------------------------------------------------------------------- */

void gw_ps_lock(gw_ps *ps)
{
    pthread_mutex_lock(&ps->lock);
}

void gw_ps_unlock(gw_ps *ps)
{
    if (ps->touched)
        uv_async_send(&ps->wake);
    ps->touched = false;
    pthread_mutex_unlock(&ps->lock);
}

bool gw_ps_await(gw_ps *ps, int64_t until)
{
    struct timespec at = { .tv_sec = (time_t)(until / 1000000000),
                           .tv_nsec = (long)(until % 1000000000) };
    if (ps->touched)
        uv_async_send(&ps->wake);
    ps->touched = false;
    return pthread_cond_timedwait(&ps->changed, &ps->lock, &at) != ETIMEDOUT;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void ignore_wake(uv_async_t *wake)
{
    (void)wake;
}

static bool has_streams(const gw_ps *ps)
{
    for (int i = 0; i < ps->servers; i++)
        if (ps->endpoints[i].stream)
            return true;
    return false;
}

/* Milliseconds until somebody has to look again; -1: for ever. */
static int next_timeout(gw_ps *ps)
{
    int timeout = uv_backend_timeout(&ps->loop);
    int64_t at = gw_worker_deadline(ps->worker);
    if (at == INT64_MAX)
        return timeout;
    int64_t left = at - gw_net_now(ps->net);
    int ms = left <= 0 ? 0 : left > 1000000000 ? 1000 : (int)(left / 1000000 + 1);
    return timeout < 0 || ms < timeout ? ms : timeout;
}

static void turn(gw_ps *ps)
{
    do {
        ps->touched = false;
        (void)uv_run(&ps->loop, UV_RUN_NOWAIT);
        if (gw_net_now(ps->net) >= gw_worker_deadline(ps->worker))
            gw_worker_tick(ps->worker, gw_net_now(ps->net));
    } while (ps->touched);
}

static void close_loop(gw_ps *ps)
{
    gw_net_close(ps->net);
    uv_close((uv_handle_t *)&ps->wake, NULL);
    while (uv_run(&ps->loop, UV_RUN_DEFAULT) != 0)
        ;
    (void)uv_loop_close(&ps->loop);
}

static void *run(void *user)
{
    gw_ps *ps = user;
    pthread_mutex_lock(&ps->lock);
    for (;;) {
        turn(ps);
        if (ps->ending && !has_streams(ps))
            break;
        struct pollfd look = { .fd = uv_backend_fd(&ps->loop), .events = POLLIN };
        int timeout = next_timeout(ps);
        pthread_mutex_unlock(&ps->lock);
        (void)poll(&look, 1, timeout);
        pthread_mutex_lock(&ps->lock);
    }
    close_loop(ps);
    pthread_mutex_unlock(&ps->lock);
    return NULL;
}

/* Signals are for the program's own threads. */
static int create_thread(gw_ps *ps)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&ps->thread, NULL, run, ps);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void open_lock(gw_ps *ps)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&ps->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ps->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void close_lock(gw_ps *ps)
{
    pthread_cond_destroy(&ps->changed);
    pthread_mutex_destroy(&ps->lock);
}

gw_status gw_ps_start_thread(gw_ps *ps, struct gw_error *error)
{
    ps->endpoints = calloc((size_t)ps->servers, sizeof *ps->endpoints);
    if (!ps->endpoints)
        return gw_fail(error, GW_ENOMEM, "out of memory for a worker");
    for (int i = 0; i < ps->servers; i++)
        ps->endpoints[i] = (struct endpoint){ .ps = ps, .server = i };
    int code = uv_loop_init(&ps->loop);
    if (code)
        return gw_fail(error, GW_ENOMEM, "no event loop: %s", uv_strerror(code));
    code = uv_async_init(&ps->loop, &ps->wake, ignore_wake);
    gw_status s = code ? gw_fail(error, GW_ENOMEM, "no event loop: %s", uv_strerror(code))
                       : gw_net_open(&ps->net, &ps->loop, error);
    if (s) {
        if (!code)
            uv_close((uv_handle_t *)&ps->wake, NULL);
        (void)uv_run(&ps->loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&ps->loop);
        return s;
    }
    open_lock(ps);
    code = create_thread(ps);
    if (code) {
        close_loop(ps);
        close_lock(ps);
        return gw_fail(error, GW_ENOMEM, "no thread: %s", strerror(code));
    }
    ps->has_thread = true;
    return GW_OK;
}

void gw_ps_end_thread(gw_ps *ps)
{
    if (!ps->has_thread)
        return;
    gw_ps_lock(ps);
    ps->ending = ps->touched = true;
    gw_worker_bye(ps->worker, gw_net_now(ps->net));
    for (int i = 0; i < ps->servers; i++) /* connected or not; the BYE is sent first */
        if (ps->endpoints[i].stream)
            gw_stream_drop(ps->endpoints[i].stream, true);
    gw_ps_unlock(ps);
    (void)pthread_join(ps->thread, NULL);
    close_lock(ps);
    ps->has_thread = false;
}
