/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* gradwire/server.h: opening, running, stopping. */
#include "server/serve_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "server/key_calls.h"
#include "session/instance.h"
#include "session/pipe.h"

#define STANDARD_LISTEN "tcp:127.0.0.1:4500"
#define STANDARD_DEAD_S 1.9 /* so that a frozen worker is noticed within two */

/* ---- options to what they mean --------------------------------------------------------------- */

static gw_status check_options(const gw_server_options *o, struct gw_error *error)
{
    if (o->workers < 0 || o->threads < 0 || o->threads > 1024)
        return gw_fail(error, GW_EINVAL, "workers %d, threads %d", o->workers, o->threads);
    if (o->lost_s < 0 || o->dead_s < 0 || o->drain_s < 0 || o->lost_s > 1e6 || o->dead_s > 1e6 ||
        o->drain_s > 1e6)
        return gw_fail(error, GW_EINVAL, "lost %g s, dead %g s, drain %g s: times from 0 to 1e6",
                       o->lost_s, o->dead_s, o->drain_s);
    return gw_settings_check(error);
}

static gw_status make_job(struct gw_job **out, const gw_server_options *o, struct gw_error *error)
{
    const char *const terms[GW_TERMS] = { [GW_TERM_MODE] = o->mode,
                                          [GW_TERM_AGGREGATOR] = o->aggregator,
                                          [GW_TERM_OPTIMIZER] = o->optimizer,
                                          [GW_TERM_PULL] = o->pull,
                                          [GW_TERM_FEEDBACK] = o->feedback };
    return gw_job_open_with(out, gw_job_name(o->job), o->workers, o->seed, terms, error);
}

static int64_t ns_of(double seconds, double standard)
{
    return (int64_t)((seconds > 0 ? seconds : standard) * 1e9);
}

static gw_status open_core(struct gw_server *server, const gw_server_options *o,
                           struct gw_error *error)
{
    enum { BACK_LEAST_S = 5 };
    struct gw_core_world world = gw_server_world;
    struct gw_core_setup setup = { .folder = o->folder,
                                   .files = &gw_files_system,
                                   .incarnation = gw_instance_new(),
                                   .lost_ns = ns_of(o->lost_s, 2),
                                   .threads = server->options.threads };
    gw_status s =
        o->durability ? gw_durability_parse(&setup.durability, o->durability, error) : GW_OK;
    if (!s && setup.durability.kind != GW_DURABLE_NONE && !o->folder)
        s = gw_fail(error, GW_EINVAL, "durability %s needs a folder", o->durability);
    if (!s)
        s = make_job(&setup.job, o, error);
    if (s)
        return s;
    setup.back_ns = setup.lost_ns > ns_of(BACK_LEAST_S, 0) ? setup.lost_ns : ns_of(BACK_LEAST_S, 0);
    server->setup.job = setup.job->id;
    world.user = server;
    s = gw_core_open(&server->core, &setup, &world, gw_net_now(server->net), error);
    if (s)
        gw_job_close(setup.job);
    return s;
}

/* ---- listening ------------------------------------------------------------------------------- */

static void set_times(struct gw_server *server, double dead_s)
{
    struct gw_session_times times = gw_session_times_default;
    times.dead_ns = ns_of(dead_s, STANDARD_DEAD_S);
    if (times.beat_ns > times.dead_ns / 4)
        times.beat_ns = times.dead_ns / 4;
    server->setup.serves = true;
    server->setup.times = times;
    server->setup.rules.admit = gw_server_admit;
    server->setup.rules.terms_bytes = GW_JOB_TEXT_MAX;
}

/* Keys guard what others can reach; on this machine they are used as well, if there are any, but
 * for Unix sockets, which the file's mode guards. */
static gw_status listen_on(struct gw_server *server, const struct gw_address *address,
                           struct gw_error *error)
{
    struct gw_listener *listener;
    gw_status s =
        gw_listener_open(&listener, server->net, address, address->is_unix ? NULL : server->tls,
                         &server->setup, 0, &gw_server_calls, server, error);
    if (!s)
        server->listeners[server->listeners_count++] = listener;
    return s;
}

static gw_status listen_all(struct gw_server *server, const char *text, struct gw_error *error)
{
    struct gw_address *addresses;
    int count;
    gw_status s = gw_address_list(&addresses, &count, text ? text : STANDARD_LISTEN, error);
    if (s)
        return s;
    server->listeners = calloc((size_t)count, sizeof(struct gw_listener *));
    if (!server->listeners)
        s = gw_fail(error, GW_ENOMEM, "out of memory for a server");
    for (int i = 0; i < count && !s; i++)
        s = listen_on(server, &addresses[i], error);
    free(addresses);
    return s;
}

/* ---- the calls ------------------------------------------------------------------------------- */

static gw_status open_all(struct gw_server *server, const gw_server_options *o,
                          struct gw_error *error)
{
    gw_status s =
        gw_keys_open(&server->keys, &server->tls, o->keys, gw_job_name(o->job), true, 0, error);
    if (!s)
        s = gw_server_open_loop(server, error);
    set_times(server, o->dead_s);
    if (!s)
        s = open_core(server, o, error);
    if (!s)
        s = listen_all(server, o->listen, error);
    if (!s && o->http)
        s = gw_http_open(&server->http, server, o->http, error);
    return s;
}

gw_status gw_server_open(gw_server **out, const gw_server_options *options)
{
    const gw_server_options none = { 0 };
    const gw_server_options *o = options ? options : &none;
    struct gw_error *error = gw_open_error();
    gw_error_clear(error);
    if (!out)
        return gw_fail(error, GW_EINVAL, "gw_server_open: out is NULL");
    gw_status s = check_options(o, error);
    if (s)
        return s;
    gw_server *server = calloc(1, sizeof *server);
    if (!server)
        return gw_fail(error, GW_ENOMEM, "out of memory for a server");
    server->options = *o;
    server->options.threads = o->threads > 0 ? o->threads : gw_team_cores();
    server->drain_ns = ns_of(o->drain_s, 5);
    s = open_all(server, o, error);
    if (s)
        gw_server_close(server);
    else
        *out = server;
    return s;
}

void gw_server_close(gw_server *server)
{
    if (!server)
        return;
    struct gw_pipe_guard guard;
    gw_pipe_hold(&guard);
    gw_server_close_loop(server);
    gw_pipe_release(&guard);
    gw_core_close(server->core);
    gw_tls_context_close(server->tls);
    gw_keys_close(server->keys);
    free(server->listeners);
    free(server);
}

gw_status gw_server_run(gw_server *server)
{
    if (!server)
        return GW_EINVAL;
    gw_error_clear(&server->error);
    if (server->ended)
        return gw_fail(&server->error, GW_ESTATE, "gw_server_run: the server has ended");
    struct gw_pipe_guard guard;
    gw_pipe_hold(&guard);
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    gw_pipe_release(&guard);
    return gw_core_result(server->core, &server->error);
}

/* What a signal handler may do: an atomic count, and a write to a descriptor. */
void gw_server_stop(gw_server *server)
{
    if (!server)
        return;
    atomic_fetch_add(&server->stops_asked, 1);
    uv_async_send(&server->stop);
}

const char *gw_server_address(const gw_server *server, int i)
{
    return i >= 0 && i < server->listeners_count ? gw_listener_address(server->listeners[i]) : NULL;
}

const char *gw_server_http(const gw_server *server)
{
    return server->http ? gw_http_address(server->http) : NULL;
}

const char *gw_server_error(const gw_server *server)
{
    return server ? server->error.text : gw_open_error()->text;
}
