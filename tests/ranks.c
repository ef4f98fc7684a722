/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The harness of tests that need ranks. */
#include "tests/ranks.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/random.h"

static atomic_int failed;
static atomic_int group;

int expect(int good, const char *format, ...)
{
    if (good)
        return 1;
    va_list args;
    char words[1024];
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (atomic_fetch_add(&failed, 1) < 20)
        fprintf(stderr, "FAILED: %s\n", words);
    return 0;
}

int failures(void)
{
    return atomic_exchange(&failed, 0);
}

struct thread {
    pthread_t id;
    int rank, ranks, group, nodes;
    const char *prefix;
    rank_body body;
    void *context;
};

static void *run_rank(void *argument)
{
    struct thread *t = argument;
    char spec[256];
    gw_comm *comm;
    int used = snprintf(spec, sizeof spec, "%slocal:ranks=%d,rank=%d,name=test%d", t->prefix,
                        t->ranks, t->rank, t->group);
    if (t->nodes > 0)
        snprintf(spec + used, sizeof spec - (size_t)used, ",nodes=%d", t->nodes);
    if (expect(gw_comm_open(&comm, spec) == GW_OK, "gw_comm_open(%s): %s", spec,
               gw_comm_error(NULL))) {
        t->body(comm, t->context);
        gw_comm_close(comm);
    }
    return NULL;
}

static void run_threads(struct thread common)
{
    struct thread threads[64];
    setenv("GRADWIRE_GATE", "off", 0); /* a codec named in a test is the one that it is about */
    common.group = atomic_fetch_add(&group, 1);
    for (int r = 0; r < common.ranks; r++) {
        threads[r] = common;
        threads[r].rank = r;
        if (pthread_create(&threads[r].id, NULL, run_rank, &threads[r]))
            abort();
    }
    for (int r = 0; r < common.ranks; r++)
        pthread_join(threads[r].id, NULL);
}

void run_ranks_behind(const char *prefix, int n, rank_body body, void *context)
{
    run_threads((struct thread){ .ranks = n, .prefix = prefix, .body = body, .context = context });
}

void run_ranks_on(int nodes, const char *prefix, int n, rank_body body, void *context)
{
    run_threads((struct thread){
        .ranks = n, .nodes = nodes, .prefix = prefix, .body = body, .context = context });
}

void run_ranks(int n, rank_body body, void *context)
{
    run_ranks_behind("", n, body, context);
}

void fill_input(float *x, size_t count, int rank)
{
    struct gw_random_key key = gw_random_key(7, 1, 0, rank, 0);
    for (size_t i = 0; i < count; i++) {
        uint32_t h = gw_random_u32(key, i);
        x[i] = (float)(int32_t)h * 0x1p-32f * (float)(1 << (h & 3));
    }
}

unsigned long long digest(const void *bytes, size_t count)
{
    return XXH3_64bits(bytes, count);
}
