/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Many authenticated workers on one loop, for tests of load. */
#ifndef GW_TESTS_LOAD_CLIENTS_H
#define GW_TESTS_LOAD_CLIENTS_H

#include <stddef.h>
#include <stdint.h>

/* Each OpenSSL library context takes thread-local keys, of which a process has 1024. */
enum { LOAD_CLIENTS_MOST = 250 };

struct load_setup {
    const char *address, *keys;
    int first, count; /* the workers of this process */
    int workers, rounds;
    size_t elements;
};

struct load_result {
    int64_t joined_ns, all_ns, slowest_ns; /* since the start; a round's */
    int failed;
};

/* Join, push and pull so many rounds, leave. In every round each worker's values have to be,
 * exactly, minus the sum of all that was pushed; what is wrong is said on standard error. */
void load_run(const struct load_setup *setup, struct load_result *result);

#endif
