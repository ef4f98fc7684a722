/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A parameter server's job in one process: servers and workers, each the library's own core, over a
 * simulated network and simulated disks; and a ledger of what each server was given, which must be
 * what its parameters show, bit for bit, after every round and every restart.
 *
 *     sim_config.c   what is run: a job, its layout, faults; from a seed
 *     sim_server.c   a server's core, its work and its disk
 *     sim_worker.c   a worker's core, and a training loop
 *     sim_push.c     its codecs and what they give away
 *     sim_gate.c     a disk whose own memory never fails
 *     sim_ledger.c   what was accepted, applied, lost; what that makes the parameters
 *     sim_demon.c    faults at random moments
 *     sim_world.c    all of them together */
#ifndef GW_TESTS_SIM_WORLD_H
#define GW_TESTS_SIM_WORLD_H

#include "server/core.h"
#include "server/decoder.h"
#include "server/encoder.h"
#include "server/worker.h"
#include "tests/sim_files.h"
#include "tests/sim_net.h"

enum {
    SIM_SERVERS = 3,
    SIM_WORKERS = 40, /* instances, over a whole run */
    SIM_IDS = 12,
    SIM_TENSORS = 4,
    SIM_STEPS = 12,
    SIM_PARTS = 32
};

struct sim_config {
    uint64_t seed;
    int servers, workers, expected, steps;
    size_t part_count;
    int tensors;
    size_t counts[SIM_TENSORS], elements;
    const char *codec, *pull, *feedback, *aggregator, *optimizer;
    char mode[64], durability[32];
    bool exact;  /* what a payload of the codec says, and leaves behind, is exact */
    bool judged; /* the ledger knows what the parameters have to be: sums, and descent by them */
    bool dyadic; /* gradients are small multiples of a power of two; else any floats */
    struct gw_session_times times;
    int64_t lost_ns, back_ns, think_most;
    int window, pull_every, threads;
    bool walks;    /* allocations fail: what that ends, may end */
    bool hands_in; /* leaving workers push their residuals */
    /* Per million: work and disk operations that are done within the call. */
    unsigned at_once;
    /* What happens, and how often: mean time between faults, 0 for none. */
    int64_t fault_every, fault_end;
    bool cuts, freezes, partitions, kills_servers, kills_workers, joins, bad_disks, bad_bytes;
    struct sim_weather weather;
};

/* Everything about a configuration follows from its seed. */
void sim_config_make(struct sim_config *config, uint64_t seed);
void sim_config_print(const struct sim_config *config);
/* The job as servers and workers open it; aborts if that fails. */
struct gw_job *sim_config_job(const struct sim_config *config, int server);

/* ---- ledger ---------------------------------------------------------------------------------- */

/* A push that a worker made. */
struct sim_push {
    struct sim_push *next;
    uint32_t worker;
    uint64_t instance, number;
    bool raw, acked[SIM_SERVERS];
    float said[]; /* what its payloads say, all elements */
};

/* A push that a server accepted. */
struct sim_entry {
    const struct sim_push *push;
    bool late;
    uint64_t round; /* that applied it; 0: none yet */
};

struct sim_ledger {
    struct sim_entry *entries;
    size_t count, room;
    uint64_t round;  /* that the model shows */
    size_t elements; /* of this server */
    uint64_t accepted[SIM_IDS], late[SIM_IDS];
    float *initial, *model;
};

struct sim_world;
struct sim_server;
struct sim_worker;

void sim_ledger_open(struct sim_server *server);
void sim_ledger_close(struct sim_server *server);
/* What the server has accepted since the last time; at most one push a worker. */
void sim_ledger_catch_up(struct sim_server *server);
/* It begins its next round, with what core->taken says; and has applied it. */
void sim_ledger_take(struct sim_server *server);
void sim_ledger_apply(struct sim_server *server);
void sim_ledger_compare(struct sim_server *server, const char *when);
/* It has come back with what its disk knew: all that was accepted up to some moment, and nothing
 * that was acknowledged is missing, if it keeps a log. */
void sim_ledger_recover(struct sim_server *server);
/* The worker holds the result of `round` of this server: are its own pushes in it? */
void sim_ledger_read_own(struct sim_server *server, const struct sim_worker *worker,
                         uint64_t round);
/* Nothing waits any more: parameters are initial values less the sum of what was accepted. */
void sim_ledger_final(struct sim_server *server);

/* ---- servers --------------------------------------------------------------------------------- */

/* One connection, on the server's side. */
struct sim_peer {
    struct sim_server *server;
    struct gw_core_peer *peer;
    struct sim_end *end;
};

struct sim_server {
    struct sim_world *world;
    int index, node;
    struct gw_core *core; /* NULL: down */
    struct sim_files *disk;
    struct gw_files files; /* the same, with sim_own set meanwhile */
    uint64_t incarnation;
    int64_t armed_ns;
    /* Handed to the world by the core. */
    struct gw_work *work;
    void (*work_done)(struct gw_core *core);
    bool applying;
    void (*task)(struct gw_core *core), (*task_done)(struct gw_core *core);
    uint64_t life; /* of the process: what an earlier one handed out is void */
    int kills;
    struct sim_ledger ledger;
};

void sim_files_gate(struct sim_server *server);   /* sets server->files */
void sim_server_start(struct sim_server *server); /* now, or as soon as its disk lets it */
void sim_server_kill(struct sim_server *server, bool machine);
void sim_server_check(struct sim_server *server); /* what must hold at all times */

/* ---- workers --------------------------------------------------------------------------------- */

enum sim_phase {
    SIM_JOINS,
    SIM_FIRST_PULL,
    SIM_THINKS,
    SIM_WANTS_ROOM,
    SIM_PULLS,
    SIM_DRAINS,
    SIM_HANDS_IN,
    SIM_GOES,
    SIM_DONE
};

struct sim_link {
    struct sim_worker *worker;
    int server;
    struct sim_end *end;
};

struct sim_worker {
    struct sim_world *world;
    int index, node;
    uint32_t id;
    uint64_t instance;
    struct gw_worker *core; /* NULL: dead, or gone */
    struct gw_encoder *encoder;
    struct gw_decoder *decoder;
    const struct gw_part *parts;
    size_t parts_count;
    struct sim_link links[SIM_SERVERS];
    enum sim_phase phase;
    bool broke, joined, killed, going, again;
    struct gw_error why;
    int step, steps;
    uint64_t last_number; /* of its last push */
    int64_t armed_ns;
    struct sim_random random;
    float *values, *gradient;
    double *given, *sent; /* sums over all pushes, by element */
};

void sim_worker_start(struct sim_world *world, uint32_t id);
/* sim_push.c: the gradients of the next step; the residuals, of a worker that leaves. What finds no
 * memory breaks the worker. */
void sim_push_step(struct sim_worker *worker);
void sim_hand_in(struct sim_worker *worker);
/* Given = sent + residual, bit for bit, where the codec is exact. */
void sim_check_conservation(struct sim_worker *worker);
/* A pointer to each tensor of an array of all elements. */
const void **sim_tensors(const struct sim_worker *worker, const float *all,
                         const void *tensors[SIM_TENSORS]);
void sim_worker_kill(struct sim_worker *worker, bool quiet);
void sim_worker_free(struct sim_worker *worker);
bool sim_worker_is_alive(const struct sim_worker *worker);

/* ---- all ------------------------------------------------------------------------------------- */

/* Who holds the same version holds the same bits. */
struct sim_replica {
    uint64_t incarnation, version, hash;
    int server;
    uint64_t instance; /* 0: the same for all */
};

struct sim_world {
    struct sim_net net;
    struct sim_config config;
    struct sim_random random; /* of everything but the network */
    struct sim_server servers[SIM_SERVERS];
    struct sim_worker *workers[SIM_WORKERS];
    int workers_count;
    float *initial; /* all elements */
    struct gw_job *job;
    struct gw_part *parts; /* of all servers */
    size_t parts_count;
    struct gw_codec *codecs[SIM_PARTS]; /* that decode them */
    size_t starts[SIM_TENSORS];
    struct sim_push *pushes[SIM_IDS];
    struct sim_replica *replicas;
    size_t replicas_count, replicas_room;
    uint64_t digest;                   /* of all parameters, in the end */
    bool failed, lost_values, rewound; /* servers lost all, or pushes, in a kill */
    int faults;
};

/* Something is wrong: says so with the configuration, the last events and the command that repeats
 * it. The run ends. */
void sim_fail(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void sim_world_open(struct sim_world *world, const struct sim_config *config, uint64_t net_seed);
/* Until all workers are done, and servers with them; false: it failed. */
bool sim_world_run(struct sim_world *world);
void sim_world_close(struct sim_world *world);
void sim_demon_start(struct sim_world *world);
/* What the worker's last pull brought is what the servers believe that it holds. */
void sim_check_pull(struct sim_worker *worker);

/* What this element of a worker's step is. */
float sim_gradient(const struct sim_config *config, uint32_t worker, int step, size_t element);
uint64_t sim_hash(const float *x, size_t count, uint64_t hash);

#endif
