/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Ranks as threads of one process, and expectations that may fail on any of them. */
#ifndef GW_TESTS_RANKS_H
#define GW_TESTS_RANKS_H

#include <gradwire.h>

typedef void (*rank_body)(gw_comm *comm, void *context);

/* Run `body` on n ranks over local:, one thread each, and wait for all. */
void run_ranks(int n, rank_body body, void *context);

/* As run_ranks, behind a prefix such as "shaped:rate=1gbit,latency=10us/". */
void run_ranks_behind(const char *prefix, int n, rank_body body, void *context);

/* The same, as if they were on several nodes. */
void run_ranks_on(int nodes, const char *prefix, int n, rank_body body, void *context);

/* Note a failure, with words, unless `good`; any thread. Returns `good`. */
int expect(int good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Failures noted since the last call. */
int failures(void);

/* Input of a rank within +-4: full mantissas of several magnitudes, so that sums depend on their
 * order; a function of (rank, i) alone. */
void fill_input(float *x, size_t count, int rank);

/* A digest of bytes. */
unsigned long long digest(const void *bytes, size_t count);

#endif
