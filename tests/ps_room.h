/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What tests of the parameter server over real sockets share: servers on threads of their own,
 * workers on others, and what the servers have said. */
#ifndef GW_TESTS_PS_ROOM_H
#define GW_TESTS_PS_ROOM_H

#include <gradwire.h>

#include <pthread.h>

enum ps_wire { PS_UNIX, PS_TCP, PS_UNIX_KEYS, PS_TCP_KEYS, PS_WIRES };

enum { PS_SERVERS = 4, PS_WORKERS = 16, PS_LOG = 1 << 16 };

struct ps_server {
    gw_server *server; /* NULL: closed */
    gw_server_options options;
    pthread_t thread;
    gw_status ended;
    char listen[160]; /* after the first open: what it listens on */
    char folder[80];
    pthread_mutex_t lock; /* of `log` */
    char *log;            /* lines */
    size_t used;
};

struct ps_room {
    char folder[64], keys[96];
    int servers;
    struct ps_server server[PS_SERVERS];
    char addresses[PS_SERVERS * 160];
    const char *worker_keys; /* for gw_ps_options.keys; NULL: none */
};

/* Start `servers` servers; where durability is asked for, each has a folder of its own. */
void ps_open(struct ps_room *room, enum ps_wire wire, int servers,
             const gw_server_options *options);
/* Stop them; each has to end well, and no worker may have noted anything. */
void ps_close(struct ps_room *room);

/* End one server as it would end by SIGTERM, and open it again on the same address. */
void ps_restart(struct ps_room *room, int server);

/* How many of a server's lines so far have `words`; and wait until that is `count` (the test fails
 * after half a minute). */
int ps_said(struct ps_room *room, int server, const char *words);
void ps_await(struct ps_room *room, int server, const char *words, int count);

/* A worker's own thread; fails the test if it cannot be made. */
struct ps_worker {
    struct ps_room *room;
    int worker, workers;
    void *context;
    void (*body)(struct ps_worker *self);
    pthread_t thread;
};
typedef void (*ps_body)(struct ps_worker *self);
void ps_run(struct ps_room *room, int workers, ps_body body, void *context);
void ps_start(struct ps_worker *self);
void ps_join(struct ps_worker *self);

/* Options that are true of every worker of this room, and a gw_ps that has joined; NULL: noted as a
 * failure. `tensors` of `counts`; the first values are zeros. */
gw_ps_options ps_options(const struct ps_room *room, int worker, int workers);
gw_ps *ps_member(const struct ps_room *room, const gw_ps_options *options, const size_t *counts,
                 size_t tensors);

/* Wait, and note a failure with the words if that is not GW_OK. Returns whether it is. */
int ps_done(gw_ps *ps, gw_status status, const gw_ps_ticket *ticket);

/* Wait until no server has a push that is not applied, then what an observer pulls. */
void ps_observe(struct ps_room *room, const gw_ps_options *as, const size_t *counts, size_t tensors,
                void *const *values);

/* A whole number of eighths, a function of its arguments alone: sums of them are exact. */
float ps_dyadic(uint64_t seed, int worker, int step, size_t i);
void ps_fill(float *x, size_t count, uint64_t seed, int worker, int step);

#endif
