/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Servers and workers for tests, all in one process, over real sockets. Workers note what goes
 * wrong (ranks.h) instead of ending the test where they stand, so that the others are not left
 * waiting. */
#include "tests/ps_room.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/ranks.h"

/* ---- servers --------------------------------------------------------------------------------- */

static void keep_line(void *user, const char *line)
{
    struct ps_server *s = user;
    size_t length = strlen(line);
    pthread_mutex_lock(&s->lock);
    if (s->used + length + 2 < PS_LOG) {
        memcpy(s->log + s->used, line, length);
        s->used += length;
        s->log[s->used++] = '\n';
        s->log[s->used] = '\0';
    }
    pthread_mutex_unlock(&s->lock);
    if (getenv("PS_VERBOSE"))
        fprintf(stderr, "  %s\n", line);
}

static void *serve(void *argument)
{
    struct ps_server *s = argument;
    s->ended = gw_server_run(s->server);
    return NULL;
}

static void start(struct ps_server *s)
{
    s->options.listen = s->listen;
    if (s->options.durability)
        s->options.folder = s->folder;
    s->options.say = keep_line;
    s->options.user = s;
    ck_assert_msg(gw_server_open(&s->server, &s->options) == GW_OK, "gw_server_open(%s): %s",
                  s->listen, gw_server_error(NULL));
    snprintf(s->listen, sizeof s->listen, "%s", gw_server_address(s->server, 0));
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct ps_server *s)
{
    gw_server_stop(s->server);
    pthread_join(s->thread, NULL);
    ck_assert_msg(s->ended == GW_OK, "the server ended with %s: %s", gw_status_name(s->ended),
                  gw_server_error(s->server));
    gw_server_close(s->server);
}

void ps_restart(struct ps_room *room, int server)
{
    stop(&room->server[server]);
    start(&room->server[server]);
}

void ps_open(struct ps_room *room, enum ps_wire wire, int servers, const gw_server_options *options)
{
    char folder[] = "/tmp/gw-ps-XXXXXX";
    bool keyed = wire == PS_UNIX_KEYS || wire == PS_TCP_KEYS;
    memset(room, 0, sizeof *room);
    (void)failures();
    ck_assert_ptr_nonnull(mkdtemp(folder));
    memcpy(room->folder, folder, sizeof folder);
    if (keyed) {
        const char *job = options && options->job ? options->job : "gradwire";
        snprintf(room->keys, sizeof room->keys, "%s/keys", folder);
        ck_assert_msg(gw_key_make(room->keys, job, 0, PS_WORKERS) == GW_OK, "%s",
                      gw_server_error(NULL));
        room->worker_keys = room->keys;
    }
    room->servers = servers;
    for (int i = 0; i < servers; i++) {
        struct ps_server *s = &room->server[i];
        s->options = options ? *options : (gw_server_options){ 0 };
        s->options.keys = room->worker_keys;
        pthread_mutex_init(&s->lock, NULL);
        s->log = calloc(1, PS_LOG);
        snprintf(s->folder, sizeof s->folder, "%s/%d", folder, i);
        if (wire == PS_TCP || wire == PS_TCP_KEYS)
            snprintf(s->listen, sizeof s->listen, "tcp:127.0.0.1:0");
        else
            snprintf(s->listen, sizeof s->listen, "unix:%s/socket%d", folder, i);
        start(s);
        size_t used = strlen(room->addresses);
        snprintf(room->addresses + used, sizeof room->addresses - used, "%s%s", i ? "," : "",
                 s->listen);
    }
}

void ps_close(struct ps_room *room)
{
    char command[96];
    for (int i = 0; i < room->servers; i++) {
        stop(&room->server[i]);
        pthread_mutex_destroy(&room->server[i].lock);
        free(room->server[i].log);
    }
    snprintf(command, sizeof command, "rm -rf %s", room->folder);
    ck_assert_int_eq(system(command), 0);
    int count = failures();
    ck_assert_msg(count == 0, "%d expectations of workers failed; their words stand above", count);
}

/* ---- what they say --------------------------------------------------------------------------- */

int ps_said(struct ps_room *room, int server, const char *words)
{
    struct ps_server *s = &room->server[server];
    int count = 0;
    pthread_mutex_lock(&s->lock);
    for (const char *line = s->log; *line; line = strchr(line, '\n') + 1) {
        const char *found = strstr(line, words);
        count += found && found < strchr(line, '\n');
    }
    pthread_mutex_unlock(&s->lock);
    return count;
}

void ps_await(struct ps_room *room, int server, const char *words, int count)
{
    const struct timespec pause = { 0, 2000000 };
    for (int i = 0; i < 15000 && ps_said(room, server, words) < count; i++)
        nanosleep(&pause, NULL);
    ck_assert_msg(ps_said(room, server, words) >= count,
                  "expected '%s' %d times, the server said\n%s", words, count,
                  room->server[server].log);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void *work(void *argument)
{
    struct ps_worker *self = argument;
    self->body(self);
    return NULL;
}

void ps_start(struct ps_worker *self)
{
    ck_assert_int_eq(pthread_create(&self->thread, NULL, work, self), 0);
}

void ps_join(struct ps_worker *self)
{
    pthread_join(self->thread, NULL);
}

void ps_run(struct ps_room *room, int workers, ps_body body, void *context)
{
    struct ps_worker all[PS_WORKERS];
    for (int i = 0; i < workers; i++) {
        all[i] = (struct ps_worker){
            .room = room, .worker = i, .workers = workers, .body = body, .context = context
        };
        ps_start(&all[i]);
    }
    for (int i = 0; i < workers; i++)
        ps_join(&all[i]);
}

gw_ps_options ps_options(const struct ps_room *room, int worker, int workers)
{
    return (gw_ps_options){
        .worker = worker, .workers = workers, .keys = room->worker_keys, .timeout_s = 30
    };
}

gw_ps *ps_member(const struct ps_room *room, const gw_ps_options *options, const size_t *counts,
                 size_t tensors)
{
    gw_ps *ps;
    gw_tensor layout[8];
    static const char *const names[8] = { "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7" };
    for (size_t i = 0; i < tensors; i++)
        layout[i] = (gw_tensor){ names[i], counts[i] };
    if (!expect(gw_ps_open(&ps, room->addresses, options) == GW_OK, "gw_ps_open(%s): %s",
                room->addresses, gw_ps_error(NULL)))
        return NULL;
    if (expect(gw_ps_register(ps, layout, tensors, NULL) == GW_OK, "worker %d: %s", options->worker,
               gw_ps_error(ps)))
        return ps;
    gw_ps_close(ps);
    return NULL;
}

int ps_done(gw_ps *ps, gw_status status, const gw_ps_ticket *ticket)
{
    if (!status)
        status = gw_ps_wait(ps, *ticket);
    return expect(status == GW_OK, "%s: %s", gw_status_name(status), gw_ps_error(ps));
}

static void settle(struct ps_room *room, int server)
{
    const struct timespec pause = { 0, 2000000 };
    bool settled = false;
    for (int i = 0; i < 15000 && !settled; i++) {
        char *json = NULL;
        gw_status s = gw_server_query(&json, room->server[server].listen,
                                      room->server[server].options.job, room->worker_keys, 0, 30);
        ck_assert_msg(s == GW_OK, "gw_server_query: %s", gw_server_error(NULL));
        settled = strstr(json, "\"waiting\":0,") != NULL;
        free(json);
        if (!settled)
            nanosleep(&pause, NULL);
    }
    ck_assert_msg(settled, "server %d has pushes that it never applies", server);
}

void ps_observe(struct ps_room *room, const gw_ps_options *as, const size_t *counts, size_t tensors,
                void *const *values)
{
    gw_ps_ticket ticket;
    for (int i = 0; i < room->servers; i++)
        settle(room, i);
    gw_ps_options options = *as;
    options.observer = 1;
    gw_ps *ps = ps_member(room, &options, counts, tensors);
    if (ps)
        (void)ps_done(ps, gw_ps_pull(ps, values, &ticket), &ticket);
    gw_ps_close(ps);
}

/* ---- gradients ------------------------------------------------------------------------------- */

float ps_dyadic(uint64_t seed, int worker, int step, size_t i)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + (uint64_t)worker * 0xbf58476d1ce4e5b9u +
                 (uint64_t)step * 0x94d049bb133111ebu + i;
    x ^= x >> 31;
    x *= 0x7fb5d329728ea185u;
    x ^= x >> 27;
    return (float)((int)(x % 129) - 64) / 8;
}

void ps_fill(float *x, size_t count, uint64_t seed, int worker, int step)
{
    for (size_t i = 0; i < count; i++)
        x[i] = ps_dyadic(seed, worker, step, i);
}
