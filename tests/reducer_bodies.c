/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
#include "tests/reducer_bodies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "collectives/records.h"
#include "collectives/reducer.h"
#include "tests/ranks.h"

const gw_tensor reducer_tensors[] = { { "embed", 300 },         { "layer1.bias", 7 },
                                      { "empty", 0 },           { "layer1.weight", 1000 },
                                      { "layer2.bias", 1 },     { "norm", 64 },
                                      { "layer2.weight", 513 }, { "output", 200 } };
const size_t reducer_bucket_sizes[] = { 1, 1300, 4000, 6000, 1 << 20 };

size_t reducer_first(size_t t)
{
    size_t first = 0;
    while (t-- > 0)
        first += reducer_tensors[t].count;
    return first;
}

void reducer_fill(float *x, int rank, int step)
{
    struct gw_random_key key = gw_random_key(21, 0, (uint64_t)step, rank, 0);
    for (size_t i = 0; i < REDUCER_ELEMENTS; i++)
        x[i] = (float)((int)(gw_random_u32(key, i) % 17) - 8) / 16;
}

gw_status reducer_step(gw_reducer *r, float *x, int rank, int turn)
{
    struct gw_random_key key = gw_random_key(22, 0, (uint64_t)turn, rank, 0);
    size_t order[REDUCER_TENSORS] = { 0 };
    for (size_t i = 0; i < REDUCER_TENSORS; i++) {
        size_t j = gw_random_u32(key, i) % (i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < REDUCER_TENSORS; i++) {
        float *at = x + reducer_first(order[i]);
        gw_status s = gw_reducer_ready(r, order[i], at, at);
        if (s)
            return s;
        if (i % 3 == 2 && i + 1 < REDUCER_TENSORS)
            expect(gw_reducer_test(r) == GW_PENDING, "a step ended before all were marked");
    }
    return gw_reducer_wait(r);
}

static gw_reducer *open_reducer(gw_comm *comm, const char *spec, const char *algorithm,
                                gw_operation operation, size_t bucket_bytes)
{
    gw_reducer *r = NULL;
    /* Measured rates choose algorithm and pieces: fixed here, so that bits can be compared. */
    const char *plain = strstr(spec, "vote") || strstr(spec, "terngrad") ? "linear" : "direct";
    gw_options options = { .codec = spec,
                           .algorithm = algorithm ? algorithm : plain,
                           .bucket_bytes = bucket_bytes,
                           .piece_count = 4096,
                           .gate = GW_GATE_OFF };
    expect(gw_reducer_open(&r, comm, reducer_tensors, REDUCER_TENSORS, GW_F32, operation,
                           &options) == GW_OK,
           "%s in buckets of %zu: %s", spec, bucket_bytes, gw_comm_error(comm));
    return r;
}

static void steps(gw_reducer *r, gw_comm *comm, float *x, int first, int count, int turn)
{
    int me = gw_comm_rank(comm);
    for (int step = first; step < first + count; step++) {
        fill_input(x, REDUCER_ELEMENTS, me + 100 * step);
        expect(reducer_step(r, x, me, turn + step) == GW_OK, "step %d: %s", step,
               gw_reducer_error(r));
    }
}

/* The same number on every rank? */
static void expect_equal(gw_comm *comm, unsigned long long mine, const char *what)
{
    unsigned long long *all = calloc((size_t)gw_comm_size(comm), sizeof *all);
    gw_options exact = { .codec = "raw", .algorithm = "direct" };
    if (expect(all && gw_allgather(comm, &mine, all, 2, GW_I32, &exact) == GW_OK, "allgather: %s",
               gw_comm_error(comm)))
        for (int k = 0; k < gw_comm_size(comm); k++)
            expect(all[k] == all[0], "%s: rank %d has other bits than rank 0", what, k);
    free(all);
}

static const char *const specs[] = { "raw",
                                     "qsgd:bits=4",
                                     "ef+qsgd:bits=4",
                                     "ef+sign",
                                     "momentum:beta=0.5+vote",
                                     "ef+topk:ratio=0.1",
                                     "ef+terngrad" };
enum { SPECS = sizeof specs / sizeof *specs };

void body_orders(gw_comm *comm, unsigned long long *digests)
{
    float x[REDUCER_ELEMENTS];
    for (int c = 0; c < SPECS; c++) {
        for (int b = 0; b < REDUCER_SIZES; b++) {
            unsigned long long seen[2] = { 0 };
            for (int turn = 0; turn < 2; turn++) {
                gw_reducer *r = open_reducer(comm, specs[c], NULL, GW_SUM, reducer_bucket_sizes[b]);
                if (!r)
                    return;
                steps(r, comm, x, 0, 3, 1000 * turn);
                seen[turn] = digest(x, sizeof x);
                gw_reducer_close(r);
            }
            expect(seen[0] == seen[1], "%s in buckets of %zu: other bits in another order",
                   specs[c], reducer_bucket_sizes[b]);
            expect_equal(comm, seen[0], specs[c]);
            *digests = *digests * 31 + seen[0];
        }
    }
}

/* What all ranks together keep of every element, in the units of what was given. */
static void collect(gw_reducer *r, gw_comm *comm, double *kept)
{
    double owned = r->operation == GW_MEAN ? gw_comm_size(comm) : 1;
    memset(kept, 0, REDUCER_ELEMENTS * sizeof *kept);
    for (size_t t = 0; t < REDUCER_TENSORS; t++) {
        const struct gw_codec *c = gw_reducer_codec(r, t), *owner;
        double *at = kept + reducer_first(t);
        int segment = 0;
        for (size_t i = 0; c->state && i < c->site.count; i++)
            at[i] += (double)c->state[i];
        while ((owner = gw_reducer_owner(r, t, &segment)))
            for (size_t i = 0; owner->state && i < owner->site.count; i++)
                at[owner->site.first + i] += owned * (double)owner->state[i];
    }
    gw_options exact = { .codec = "raw", .algorithm = "direct" };
    expect(gw_allreduce(comm, kept, kept, REDUCER_ELEMENTS, GW_F64, GW_SUM, &exact) == GW_OK,
           "allreduce: %s", gw_comm_error(comm));
}

static void expect_conserved(gw_reducer *r, gw_comm *comm, const double *given,
                             const double *delivered, const char *what)
{
    double kept[REDUCER_ELEMENTS];
    collect(r, comm, kept);
    for (int i = 0; i < REDUCER_ELEMENTS; i++)
        if (!expect(given[i] == delivered[i] + kept[i],
                    "%s, %d ranks, element %d: given %.17g, delivered %.17g, kept %.17g", what,
                    gw_comm_size(comm), i, given[i], delivered[i], kept[i]))
            return;
}

static void *save(const gw_reducer *r, size_t *bytes)
{
    size_t capacity = gw_reducer_state_bytes(r);
    void *state = malloc(capacity);
    expect(state && gw_reducer_save(r, state, capacity, bytes) == GW_OK && *bytes == capacity,
           "gw_reducer_save: %zu bytes of %zu", *bytes, capacity);
    return state;
}

/* The same state in a reducer of another algorithm and bucket size. */
static gw_reducer *reopen(gw_reducer *old, gw_comm *comm, const char *spec, const char *algorithm,
                          size_t bucket_bytes)
{
    size_t bytes = 0;
    void *state = save(old, &bytes);
    gw_reducer *r = open_reducer(comm, spec, algorithm, old->operation, bucket_bytes);
    expect(r && gw_reducer_load(r, state, bytes) == GW_OK, "gw_reducer_load: %s",
           gw_reducer_error(r));
    gw_reducer_close(old);
    free(state);
    return r;
}

/* With two algorithms each in turn; gather has no owners, so what they kept goes elsewhere. */
static void change_sizes(gw_comm *comm, const char *const *algorithms, gw_operation operation,
                         unsigned long long *digests)
{
    float x[REDUCER_ELEMENTS];
    double given[REDUCER_ELEMENTS] = { 0 }, delivered[REDUCER_ELEMENTS] = { 0 };
    int ranks = gw_comm_size(comm), me = gw_comm_rank(comm);
    const char *spec = "ef+topk:ratio=0.05";
    gw_reducer *r = open_reducer(comm, spec, algorithms[0], operation, reducer_bucket_sizes[2]);
    for (int step = 0; r && step < 24; step++) {
        size_t bytes = reducer_bucket_sizes[(step * 7 / 3) % REDUCER_SIZES];
        if (step % 3 == 2 && algorithms[0] != algorithms[1])
            r = reopen(r, comm, spec, algorithms[step / 3 % 2], bytes);
        else if (step % 3 == 2)
            expect(gw_reducer_set_bucket_bytes(r, bytes) == GW_OK, "buckets of %zu: %s", bytes,
                   gw_reducer_error(r));
        for (int k = 0; k < ranks; k++) {
            reducer_fill(x, k, step);
            for (int i = 0; i < REDUCER_ELEMENTS; i++)
                given[i] += (double)x[i];
        }
        reducer_fill(x, me, step);
        expect(reducer_step(r, x, me, step) == GW_OK, "%s", gw_reducer_error(r));
        for (int i = 0; i < REDUCER_ELEMENTS; i++)
            delivered[i] += (operation == GW_MEAN ? ranks : 1) * (double)x[i];
        expect_conserved(r, comm, given, delivered, spec);
    }
    expect_equal(comm, digest(x, sizeof x), spec);
    *digests = *digests * 31 + digest(x, sizeof x);
    gw_reducer_close(r);
}

void body_sizes(gw_comm *comm, unsigned long long *digests)
{
    int ranks = gw_comm_size(comm);
    static const char *const moving[] = { "direct", "direct" }, *const folding[] = { "gather",
                                                                                     "direct" };
    change_sizes(comm, moving, GW_SUM, digests);
    change_sizes(comm, folding, GW_SUM, digests);
    if ((ranks & (ranks - 1)) == 0) /* else the division rounds */
        change_sizes(comm, folding, GW_MEAN, digests);
}

/* Four steps, saved; two more here, and two in one that loaded. */
static void save_and_load(gw_comm *comm, const char *spec, size_t from, size_t to,
                          unsigned long long *digests)
{
    float x[REDUCER_ELEMENTS];
    double before[REDUCER_ELEMENTS], after[REDUCER_ELEMENTS];
    size_t bytes = 0;
    gw_reducer *a = open_reducer(comm, spec, NULL, GW_MEAN, from);
    gw_reducer *b = open_reducer(comm, spec, NULL, GW_MEAN, to);
    if (!a || !b)
        return;
    steps(a, comm, x, 0, 4, 0);
    steps(b, comm, x, 7, 1, 0); /* what it held is replaced */
    void *state = save(a, &bytes);
    collect(a, comm, before);
    expect(gw_reducer_load(b, state, bytes) == GW_OK, "gw_reducer_load: %s", gw_reducer_error(b));
    collect(b, comm, after);
    /* What a vote's momentum keeps is no sum. Where owners are no more, what they kept rounds. */
    if (strncmp(spec, "ef", 2) == 0)
        for (int i = 0; i < REDUCER_ELEMENTS; i++)
            if (!expect(fabs(before[i] - after[i]) <= (from == to ? 0 : 2e-6),
                        "%s, buckets of %zu to %zu: element %d kept %.17g, then %.17g", spec, from,
                        to, i, before[i], after[i]))
                break;
    steps(a, comm, x, 4, 2, 0);
    unsigned long long whole = digest(x, sizeof x);
    steps(b, comm, x, 4, 2, 50);
    unsigned long long loaded = digest(x, sizeof x);
    expect(from != to || whole == loaded, "%s: saved and loaded, other bits", spec);
    expect_equal(comm, loaded, spec);
    *digests = *digests * 31 + loaded;
    free(state);
    gw_reducer_close(a);
    gw_reducer_close(b);
}

void body_saved(gw_comm *comm, unsigned long long *digests)
{
    for (int c = 1; c < SPECS; c++) {
        save_and_load(comm, specs[c], 1300, 1300, digests);
        save_and_load(comm, specs[c], 1300, 1 << 20, digests);
        save_and_load(comm, specs[c], 1 << 20, 1, digests);
    }
}
