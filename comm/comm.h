/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a comm is, inside: a transport row, ranks, a topology, deadlines. Knows nothing of codecs.
 */
#ifndef GW_COMM_COMM_H
#define GW_COMM_COMM_H

#include <gradwire/comm.h>
#include <gradwire/info.h>
#include <gradwire/plan.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/spec.h"
#include "base/types.h"
#include "comm/op_book.h"

/* A row of transports.c. Messages of one (sender, receiver, channel) arrive in the order sent.
 * All calls are made by the comm's one thread; none of them waits, except open, split and pause. */
struct gw_transport_row {
    gw_transport_info info;
    bool decorates; /* stands in front of another: "NAME:key=value/INNER" */

    /* Fill comm->rank, size, impl from the parsed values. `rest`: what follows '/' (decorators). */
    gw_status (*open)(gw_comm *comm, const struct gw_values *values, const char *rest,
                      struct gw_error *error);
    void (*close)(gw_comm *comm);
    /* Fill out->impl; out->rank and out->size are known (size 0: this rank joins no group, out is
     * only there to take part in the call). `serial` is new for each split of `comm`. */
    gw_status (*split)(gw_comm *out, gw_comm *comm, int colour, unsigned serial,
                       struct gw_error *error);

    /* Start a message; `*op` is tested until it is no longer pending. The buffer is the
     * transport's until then. */
    gw_status (*send)(gw_comm *comm, int peer, unsigned channel, const void *buffer, size_t bytes,
                      struct gw_op **op);
    gw_status (*recv)(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t capacity,
                      struct gw_op **op);

    /* GW_PENDING; GW_OK with `*bytes` moved; GW_ECAPACITY (longer than the receive buffer; the
     * message is consumed); GW_ETRANSPORT. The op is gone unless pending. */
    gw_status (*test)(gw_comm *comm, struct gw_op *op, size_t *bytes);

    /* Give a pending op up. True if its buffer is the caller's again, false if the transport may
     * touch it for as long as the process lives. */
    bool (*cancel)(gw_comm *comm, struct gw_op *op);

    /* Give the core away until something may have happened, not beyond `until_ns` (gw_now_ns). */
    void (*pause)(gw_comm *comm, int64_t until_ns);

    /* The transport's own allreduce of floats and the like; NULL: it has none. GW_MEAN is done by
     * the caller (passes GW_SUM). Must be started in the same order on all ranks. */
    gw_status (*native)(gw_comm *comm, const void *in, void *out, size_t count, gw_type type,
                        gw_operation operation, struct gw_op **op);
    bool (*has_native)(const gw_comm *comm, gw_type type, gw_operation operation);

    /* May the progress thread use this comm while the program's threads do what they like?
     * GW_ENOTSUP with words about what to change. NULL: yes. */
    gw_status (*allows_thread)(const gw_comm *comm, struct gw_error *error);
};

enum { GW_CHANNEL_CONTROL = 0, GW_CHANNEL_FIRST_PLAN = 1 };

/* What ranks and algorithms' costs need to know of the wire. */
struct gw_link {
    double bits_per_s; /* of one rank's lane */
    double latency_s;
    double message_s; /* of processor time that each message takes besides */
    bool copied;      /* by the processor, which can do nothing else meanwhile */
};

/* Processor time of a message where nobody measured it. */
#define GW_MESSAGE_S 1e-6

struct gw_runnable { /* something that makes progress whenever the comm's thread waits: a plan */
    bool (*progress)(struct gw_runnable *self); /* true: something moved */
    struct gw_runnable *next;
};

struct gw_attached { /* something of the rooms above that must see the comm before it closes */
    void (*close)(struct gw_attached *self, gw_comm *comm);
};

struct gw_comm {
    const struct gw_transport_row *row;
    void *impl;
    int rank, size;
    char *spec;
    int64_t timeout_ns;
    struct gw_error error;  /* of public calls */
    struct gw_error broken; /* status != GW_OK: why nothing works any more */
    unsigned next_channel;  /* the same on all ranks: plans are made in the same order */
    unsigned next_split;
    struct gw_runnable *runnables;
    struct gw_link link;      /* the slowest: given (shaped), assumed or probed */
    struct gw_link near, far; /* between ranks of one node, of different nodes */
    bool shaped, probed;
    double crowding;  /* ranks per core that they share, at least 1 */
    void *costs;      /* one block of what the room above measured once (collectives/costs.h) */
    void *tuning;     /* one block of what a tuning file says (collectives/tuning.h) */
    bool tuning_read; /* or looked for */
    void *pins;       /* one block of the decisions that went to a file (collectives/pins.c) */
    int *nodes;       /* node of each rank */
    int node_rank, node_ranks, node_cores, numa_nodes;
    int core_ranks; /* ranks that share this one's cores, itself included; on other nodes too
                     * where nodes are containers of one machine */
    int island;     /* on which of the machine's simulated nodes this rank is, if `simulated` */
    bool simulated;
    bool shares;                  /* ranks of one node may meet in shared memory, past the wire */
    int share_first, share_cores; /* of node_cores: those that are this rank's, at least one */
    bool crowded;                 /* they outnumber the cores: waiting gives the core away */
    int polled;    /* waits under way of which the transport knows nothing: no long pauses */
    unsigned idle; /* pauses in a row with such waits */
    struct gw_attached *attached; /* NULL: nothing */
    char branch[32];              /* of splits: which one it is, "-0.1" */
    size_t kept_count;            /* buffers a broken transport may still touch */
    struct gw_control *control;
    struct gw_access *access; /* two threads use this comm (access.c); NULL: one does */
    /* The rooms above: what this comm's plans share; NULL: nothing. */
    struct gw_pool *pool;
    struct gw_member *member;
};

/* ---- calls for the rooms above. All check comm->broken and set it when they fail so.
 * -----------*/

gw_status gw_comm_check(const gw_comm *comm, struct gw_error *error); /* GW_EBROKEN with words */
gw_status gw_comm_break(gw_comm *comm, gw_status status, const char *words);

gw_status gw_comm_send(gw_comm *comm, int peer, unsigned channel, const void *buffer, size_t bytes,
                       struct gw_op **op);
gw_status gw_comm_recv(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t capacity,
                       struct gw_op **op);
gw_status gw_comm_test(gw_comm *comm, struct gw_op *op, size_t *bytes);
bool gw_comm_cancel(gw_comm *comm, struct gw_op *op);
void gw_comm_pause(gw_comm *comm, int64_t until_ns);
/* Take over a malloced buffer that a cancelled op may still touch: it is never freed. */
void gw_comm_keep(gw_comm *comm, void *buffer);

/* Let every plan under way on this comm progress once; true if one did. */
bool gw_comm_progress(gw_comm *comm);
void gw_comm_add_runnable(gw_comm *comm, struct gw_runnable *runnable);
void gw_comm_remove_runnable(gw_comm *comm, struct gw_runnable *runnable);

/* ---- access.c: a comm that a progress thread uses beside its caller. Where there is none these do
 * nothing. --------------------------------------------------------------------------------------*/

/* From now on there is one. Called between gw_comm_enter and gw_comm_leave, at depth one. */
gw_status gw_comm_open_access(gw_comm *comm, struct gw_error *error);
void gw_comm_close_access(gw_comm *comm);

/* Around whatever touches the transport or the plans under way. */
void gw_comm_enter(gw_comm *comm);
void gw_comm_leave(gw_comm *comm);

/* For the progress thread: false if a caller is inside or wants to be; does a caller want to be? */
bool gw_comm_try_enter(gw_comm *comm);
bool gw_comm_wanted(const gw_comm *comm);

/* What may be asked from outside. */
void gw_comm_note_broken(gw_comm *comm);
bool gw_comm_is_broken(const gw_comm *comm);

/* Around comm->runnables. */
void gw_comm_lock_list(gw_comm *comm);
void gw_comm_unlock_list(gw_comm *comm);

/* Set a word that somebody may wait for; wait, while it has this value but not beyond `until_ns`:
 * true if it has another. */
void gw_comm_announce(gw_comm *comm, atomic_int *word, int value);
bool gw_comm_await(gw_comm *comm, const atomic_int *word, int value, int64_t until_ns);

/* ---- control.c: small blocking exchanges over any transport, with the comm's deadline
 * ----------*/

/* Everyone's `bytes` bytes to everyone, in rank order into `all`. GW_ETIMEOUT names the silent. */
gw_status gw_control_allgather(gw_comm *comm, const void *mine, size_t bytes, void *all,
                               struct gw_error *error);

/* Texts of any length from everyone to rank 0 (`texts[r]`, malloced, on rank 0 only). */
gw_status gw_control_gather_text(gw_comm *comm, const char *mine, char **texts,
                                 struct gw_error *error);

/* A text of rank 0 to everyone (malloced). */
gw_status gw_control_broadcast_text(gw_comm *comm, const char *mine, char **text,
                                    struct gw_error *error);

/* ---- probe.c ----------------------------------------------------------------------------------*/

/* Collective: measure comm->near and comm->far, once, or read them from the file that
 * GRADWIRE_COSTS names. Every rank ends with the same numbers, the slowest that any rank saw.
 * `room`: gw_probe_bytes, malloced; after an error with `*lost` the transport may still touch it.
 */
size_t gw_probe_bytes(const gw_comm *comm);
gw_status gw_comm_probe(gw_comm *comm, void *room, bool *lost, struct gw_error *error);

/* ---- cores.c: threads on this rank's share of the node's cores
 * --------------------------------------------------------------------------------*/

struct gw_cores;

/* NULL: there is nothing to keep to, or it cannot be said. */
struct gw_cores *gw_cores_open(const gw_comm *comm);
void gw_cores_close(struct gw_cores *cores);      /* NULL is fine */
void gw_cores_bind(const struct gw_cores *cores); /* the calling thread */

/* ---- transports.c, open.c, topology.c
 * ----------------------------------------------------------*/

extern const struct gw_transport_row *const gw_transport_rows[]; /* ends with NULL */

gw_status gw_comm_open_spec(gw_comm **out, const char *spec, struct gw_error *error);
/* A decorator's inner comm: without topology. */
gw_status gw_comm_open_bare(gw_comm **out, const char *spec, struct gw_error *error);
/* A comm of this row with nothing in it; row->open fills it. */
gw_status gw_comm_new(gw_comm **out, const struct gw_transport_row *row, struct gw_error *error);
/* The comm's spec becomes "NAME:params/inner" (inner may be NULL). */
gw_status gw_comm_name(gw_comm *comm, const char *params, const char *inner,
                       struct gw_error *error);
/* What every open does after the transport is there: the setting GRADWIRE_LINK, the topology.
 * On an error `*comm` is closed. */
gw_status gw_comm_complete(gw_comm **comm, struct gw_error *error);
/* Put a simulated link around `*comm`, which the new comm owns. On an error `*comm` stays. */
gw_status gw_shaped_wrap(gw_comm **comm, const struct gw_values *values, struct gw_error *error);
const struct gw_transport_row *gw_transport_find(const char *name, size_t length,
                                                 struct gw_error *error);

/* Both know the size of the group, so they come after row->open. */
gw_status gw_control_open(gw_comm *comm, struct gw_error *error);
void gw_control_close(gw_comm *comm);
gw_status gw_topology_fill(gw_comm *comm, struct gw_error *error);

extern const struct gw_transport_row gw_self_row, gw_local_row, gw_mpi_row, gw_tcp_row,
    gw_shaped_row, gw_env_row;

#endif
