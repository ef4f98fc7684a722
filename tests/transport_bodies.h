/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What every transport must do: bodies that each rank of a comm runs, over any transport. */
#ifndef GW_TESTS_TRANSPORT_BODIES_H
#define GW_TESTS_TRANSPORT_BODIES_H

#include <pthread.h>

#include "comm/comm.h"

/* Words of the first failure of this rank; empty: none. */
struct body_result {
    char words[512];
};

struct transport_case {
    const char *name;
    void (*body)(gw_comm *comm, struct body_result *result);
};

extern const struct transport_case transport_cases[]; /* ends with a NULL name */

/* Note the first failure: expected and got, with the rank. Returns `good`. */
bool expect(struct body_result *result, bool good, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A rank that is a thread of this process. */
struct body_rank {
    pthread_t thread;
    char spec[320];
    void (*body)(gw_comm *comm, struct body_result *result);
    struct body_result result;
};

/* Each rank opens its spec and runs its body, on a thread of its own. Returns when all are done. */
void run_body_ranks(struct body_rank *ranks, int size);

/* Test one operation until it is not pending; 20 s at most. */
gw_status finish_op(gw_comm *comm, struct gw_op *op, size_t *bytes);

#endif
