/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Ranks that are threads of one process: the group, its mailboxes, and how it comes together. */
#ifndef GW_COMM_LOCAL_H
#define GW_COMM_LOCAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "comm/comm.h"

enum { GW_LOCAL_RANKS_MAX = 1024, GW_LOCAL_NAME = 64 };

struct local_op;

struct local_queue {
    struct local_op *first, *last;
};

/* From one sender to one receiver: what has no partner yet. */
struct local_lane {
    struct local_queue sends, receives;
    bool gone; /* one of the two has closed its comm */
};

/* One rank: its mailbox, and the bell that wakes it. */
struct local_member {
    pthread_mutex_t box; /* guards the lanes */
    struct local_lane *lanes;
    pthread_mutex_t bell;
    pthread_cond_t rung;
    uint64_t events; /* rings so far, under `bell` */
};

struct local_group {
    atomic_int users;
    uint64_t id; /* never used twice in a process */
    int size;
    struct local_member *members;
};

gw_status gw_local_group_new(struct local_group **out, int size);
void gw_local_group_release(struct local_group *group); /* by each user; the last one frees */

/* Meet the other ranks that give the same name; returns when all have come. */
gw_status gw_local_meet(struct local_group **out, const char *name, int rank, int size,
                        int64_t timeout_ns, struct gw_error *error);

/* Make `comm` a member of a group that is complete. */
struct local_impl *gw_local_impl_new(struct gw_error *error); /* NULL: out of memory */
void gw_local_join(gw_comm *comm, struct local_impl *impl, struct local_group *group, int rank);

/* The transport's calls, which self: shares. */
gw_status gw_local_send(gw_comm *comm, int peer, unsigned channel, const void *buffer, size_t bytes,
                        struct gw_op **op);
gw_status gw_local_recv(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t capacity,
                        struct gw_op **op);
gw_status gw_local_test(gw_comm *comm, struct gw_op *op, size_t *bytes);
bool gw_local_cancel(gw_comm *comm, struct gw_op *op);
void gw_local_pause(gw_comm *comm, int64_t until_ns);
void gw_local_close(gw_comm *comm);

#endif
