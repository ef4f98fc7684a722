/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Bodies of the collectives' tests: what must hold on every transport. */
#include "tests/collective_bodies.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectives/plan.h"
#include "tests/ranks.h"

const struct codec_case codec_cases[] = {
    { "raw", 1e-12 },
    { "fp16", 1e-5 },
    { "bf16", 1e-3 },
    { "qsgd:bits=8", 0.01 },
    { "qsgd:bits=4", 1 },
    { "qsgd:bits=3,norm=l2,bucket=64", 60 },
    { "qsgd:bits=5,rounding=nearest", 0.3 },
    { "qsgd:levels=16,norm=l2,bucket=512,coding=elias", 2 },
    { "terngrad", 50 },
    { "sign", 4 },
    { "sign:scale=rms,bucket=512", 4 },
    { "onebit", 4 },
    { "topk:ratio=0.1", 4 },
    { "randomk:ratio=0.1", 400 },
    { "int:bits=8", 1 },
    { "int:bits=16", 1e-4 },
    { "vote", 1e9 },
    { "vote:ties=zero", 1e9 },
    { "ef+qsgd:bits=4", 1 },
    { "ef+sign", 4 },
    { "ef+topk:ratio=0.05", 4 },
    { "ef+terngrad", 50 },
    { "clip:sigma=2.5+qsgd:bits=4", 1 },
    { "momentum:beta=0.9+vote", 1e9 },
    { "momentum:beta=0.5+ef+onebit", 8 },
};
const int codec_cases_count = sizeof codec_cases / sizeof *codec_cases;

static unsigned long long chain_digest(unsigned long long old, const void *bytes, size_t count)
{
    unsigned long long both[2] = { old, digest(bytes, count) };
    return digest(both, sizeof both);
}

/* The same bits everywhere: everyone's digest to everyone, as raw bytes in i32. */
static void check_replicas(gw_comm *comm, unsigned long long mine, const char *what)
{
    int n = gw_comm_size(comm);
    unsigned long long *all = malloc(sizeof *all * (size_t)n);
    gw_status s = gw_allgather(comm, &mine, all, 2, GW_I32, NULL);
    if (expect(s == GW_OK, "%s: allgather of digests: %s", what, gw_comm_error(comm)))
        for (int r = 0; r < n; r++)
            expect(all[r] == all[0], "%s n=%d: rank %d holds other bits than rank 0", what, n, r);
    free(all);
}

/* ---- sums in their stated order ---------------------------------------------------------------*/

static float tree_sum(float *x, int n)
{
    int m = 1;
    while (2 * m <= n)
        m *= 2;
    for (int r = m; r < n; r++)
        x[r - m] += x[r];
    for (int distance = 1; distance < m; distance *= 2)
        for (int r = 0; r < m; r += 2 * distance)
            x[r] += x[r + distance];
    return x[0];
}

static float node_sum(float *x, int n, int each)
{
    for (int r = 0; r < n; r++)
        x[r - r % each] = r % each ? x[r - r % each] + x[r] : x[r];
    for (int r = each; r < n; r += each)
        x[0] += x[r];
    return x[0];
}

static int owner_of(const gw_plan *plan, size_t element)
{
    for (int i = 0; i < plan->layout.pieces_count; i++) {
        const struct gw_piece *p = &plan->layout.pieces[i];
        if (element >= p->first && element < p->first + p->count)
            return i / plan->layout.pieces_per_block;
    }
    return 0;
}

static float ordered_sum(const gw_plan *plan, const float *x, size_t count, size_t i, int n)
{
    float terms[64] = { 0 }, sum;
    for (int r = 0; r < n; r++)
        terms[r] = x[(size_t)r * count + i];
    if (strcmp(gw_plan_algorithm(plan), "doubling") == 0)
        return tree_sum(terms, n);
    if (strcmp(gw_plan_algorithm(plan), "hierarchy") == 0)
        return node_sum(terms, n, plan->problem.node_ranks);
    int first = strcmp(gw_plan_algorithm(plan), "ring") == 0 ? owner_of(plan, i) + 1 : 0;
    sum = terms[first % n];
    for (int r = 1; r < n; r++)
        sum += terms[(first + r) % n];
    return sum;
}

/* ---- one plan of one tensor -------------------------------------------------------------------*/

struct shape {
    const struct codec_case *codec;
    const char *algorithm;
    size_t count;
};

static void check_sum(gw_comm *comm, const gw_plan *plan, const struct shape *shape,
                      const float *result)
{
    int n = gw_comm_size(comm), raw = strcmp(shape->codec->spec, "raw") == 0;
    size_t count = shape->count;
    float *x = malloc(sizeof *x * (count + 1) * (size_t)n);
    double error = 0, energy = 0;
    for (int r = 0; r < n; r++)
        fill_input(x + (size_t)r * count, count, r);
    for (size_t i = 0; i < count; i++) {
        double exact = 0;
        for (int r = 0; r < n; r++) {
            exact += x[(size_t)r * count + i];
            energy += (double)x[(size_t)r * count + i] * x[(size_t)r * count + i];
        }
        error += (result[i] - exact) * (result[i] - exact);
        if (raw && strcmp(shape->algorithm, "native") != 0) {
            float expected = ordered_sum(plan, x, count, i, n);
            if (!expect(result[i] == expected,
                        "raw by %s n=%d count=%zu element %zu: got %a, "
                        "expected %a in the stated order",
                        shape->algorithm, n, count, i, (double)result[i], (double)expected))
                break;
        }
    }
    expect(error <= shape->codec->bound * energy * n,
           "%s by %s n=%d count=%zu: error energy %g of "
           "%g, allowed %g",
           shape->codec->spec, shape->algorithm, n, count, error, energy,
           shape->codec->bound * energy * n);
    free(x);
}

/* What must be possible: a test that is refused tests nothing. */
static int must_apply(const char *spec, const char *algorithm, const gw_comm *comm)
{
    int n = gw_comm_size(comm), nodes = gw_comm_node(comm, n - 1) + 1;
    const char *plus = strrchr(spec, '+'), *core = plus ? plus + 1 : spec;
    int merges = strncmp(core, "vote", 4) == 0 || strncmp(core, "int", 3) == 0 ||
                 strncmp(core, "randomk", 7) == 0 || strncmp(core, "terngrad", 8) == 0;
    int dense = strcmp(spec, "raw") == 0;
    if (strcmp(algorithm, "linear") == 0 || strcmp(algorithm, "direct") == 0)
        return merges == (*algorithm == 'l');
    if (strcmp(algorithm, "shared") == 0)
        return dense && n > 1 && nodes == 1;
    if (strcmp(algorithm, "hierarchy") == 0)
        return !merges && nodes > 1 && n % nodes == 0 && n > nodes;
    if (strcmp(algorithm, "gather") == 0)
        return 1;
    return dense && (strcmp(algorithm, "ring") == 0 || strcmp(algorithm, "doubling") == 0);
}

static void run_shape(gw_comm *comm, const struct shape *shape, unsigned long long *digests)
{
    gw_plan *plan;
    char what[256];
    size_t bytes = sizeof(float) * (shape->count + 1);
    gw_options options = { .codec = shape->codec->spec,
                           .algorithm = shape->algorithm,
                           .piece_count = shape->count > 60000 ? 7000 : 0 };
    gw_status s = gw_plan_allreduce(&plan, comm, shape->count, GW_F32, GW_SUM, &options);
    snprintf(what, sizeof what, "%s by %s count=%zu", shape->codec->spec, shape->algorithm,
             shape->count);
    if (s == GW_ENOTSUP) {
        expect(!must_apply(shape->codec->spec, shape->algorithm, comm), "%s: %s", what,
               gw_comm_error(comm));
        return;
    }
    if (!expect(s == GW_OK, "%s: %s", what, gw_comm_error(comm)))
        return;
    float *in = malloc(bytes), *out = malloc(bytes);
    fill_input(in, shape->count, gw_comm_rank(comm));
    for (int run = 0; run < 2; run++) {
        s = gw_start(plan, in, out);
        if (!s)
            s = gw_wait(plan);
        if (!expect(s == GW_OK, "%s run %d: %s: %s", what, run, gw_status_name(s),
                    gw_plan_error(plan)))
            break;
        if (run == 0 && strncmp(shape->codec->spec, "momentum", 8) != 0)
            check_sum(comm, plan, shape, out);
        /* The bits of native are MPI's own; those of all others are the same on all transports. */
        if (strcmp(shape->algorithm, "native") != 0)
            *digests = chain_digest(*digests, out, sizeof(float) * shape->count);
        check_replicas(comm, digest(out, sizeof(float) * shape->count), what);
    }
    gw_plan_close(plan);
    free(in);
    free(out);
}

void body_codec(gw_comm *comm, const struct codec_case *c, unsigned long long *digests)
{
    size_t counts[] = { 0, 1, 3, (size_t)gw_comm_size(comm), 17, 1000, 65537 };
    const gw_algorithm_info *algorithm;
    for (size_t a = 0; (algorithm = gw_info_algorithm(a)); a++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            run_shape(comm, &(struct shape){ c, algorithm->name, counts[i] }, digests);
}

/* ---- types, operations ------------------------------------------------------------------------*/

static double type_value(gw_type type, const void *x, size_t i)
{
    switch (type) {
    case GW_F64:
        return ((const double *)x)[i];
    case GW_I32:
        return ((const int32_t *)x)[i];
    case GW_F32:
        return ((const float *)x)[i];
    default:
        return ((const uint16_t *)x)[i];
    }
}

/* Small whole numbers, exact in every type; f16 and bf16 bit patterns of 1, 2, 4 and 8. */
static void type_put(gw_type type, void *x, size_t i, int rank)
{
    static const uint16_t f16[] = { 0x3c00, 0x4000, 0x4400, 0x4800 };
    static const uint16_t bf16[] = { 0x3f80, 0x4000, 0x4080, 0x4100 };
    int v = (int)((i * 7 + (size_t)rank * 3) % 4);
    if (type == GW_F64)
        ((double *)x)[i] = 1 << v;
    else if (type == GW_I32)
        ((int32_t *)x)[i] = 1 << v;
    else if (type == GW_F32)
        ((float *)x)[i] = (float)(1 << v);
    else
        ((uint16_t *)x)[i] = (type == GW_F16 ? f16 : bf16)[v];
}

static double half_value(gw_type type, uint16_t h)
{
    if (type == GW_BF16) {
        uint32_t bits = (uint32_t)h << 16;
        float f;
        memcpy(&f, &bits, sizeof f);
        return f;
    }
    return ldexp(1 + (h & 0x3ff) / 1024.0, ((h >> 10) & 31) - 15);
}

static double combined(gw_operation operation, int n, size_t i)
{
    double sum = 0, low = 16, high = 0;
    for (int r = 0; r < n; r++) {
        double v = 1 << ((i * 7 + (size_t)r * 3) % 4);
        sum += v;
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    return operation == GW_MIN    ? low
           : operation == GW_MAX  ? high
           : operation == GW_MEAN ? sum / n
                                  : sum;
}

static void check_type(gw_comm *comm, gw_type type, gw_operation operation, const char *algorithm,
                       unsigned long long *digests)
{
    enum { COUNT = 77 };
    int n = gw_comm_size(comm);
    double buffer[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        type_put(type, buffer, i, gw_comm_rank(comm));
    gw_options options = { .algorithm = algorithm };
    gw_status s = gw_allreduce(comm, buffer, buffer, COUNT, type, operation, &options);
    if (s == GW_ENOTSUP)
        return;
    if (!expect(s == GW_OK, "type %d operation %d by %s: %s", type, operation, algorithm,
                gw_comm_error(comm)))
        return;
    for (size_t i = 0; i < COUNT; i++) {
        double got = type_value(type, buffer, i), want = combined(operation, n, i);
        if (type == GW_F16 || type == GW_BF16)
            got = half_value(type, (uint16_t)got);
        double slack = operation == GW_MEAN ? want / 64 : 0;
        if (!expect(fabs(got - want) <= slack,
                    "type %d operation %d by %s n=%d element %zu: got "
                    "%g, expected %g",
                    type, operation, algorithm, n, i, got, want))
            return;
    }
    if (strcmp(algorithm, "native") != 0)
        *digests = chain_digest(*digests, buffer, COUNT * gw_type_bytes(type));
}

void body_types(gw_comm *comm, unsigned long long *digests)
{
    const gw_algorithm_info *algorithm;
    for (size_t a = 0; (algorithm = gw_info_algorithm(a)); a++)
        for (int type = GW_F32; type <= GW_I32; type++)
            for (int operation = GW_SUM; operation <= GW_MAX; operation++)
                check_type(comm, type, operation, algorithm->name, digests);
}

/* ---- the other collectives --------------------------------------------------------------------*/

static void check_reduce_scatter(gw_comm *comm, const char *spec, size_t count, double slack,
                                 unsigned long long *digests)
{
    int n = gw_comm_size(comm), me = gw_comm_rank(comm);
    size_t all = count * (size_t)n;
    float *x = malloc(sizeof *x * (all + 1)), *exact = calloc(all + 1, sizeof *exact);
    for (int r = 0; r < n; r++) {
        fill_input(x, all, r);
        for (size_t i = 0; i < all; i++)
            exact[i] += x[i];
    }
    fill_input(x, all, me);
    float *mine = x + count * (size_t)me;
    /* What is chosen depends on measured times, and the bits on what is chosen. */
    gw_options options = { .codec = spec,
                           .algorithm = strncmp(spec, "int", 3) == 0 ? "linear" : "direct" };
    gw_status s = gw_reduce_scatter(comm, x, mine, count, GW_F32, GW_SUM, &options);
    expect(s == GW_OK, "reduce_scatter %s: %s", spec, gw_comm_error(comm));
    for (size_t i = 0; !s && i < count; i++)
        if (!expect(fabs((double)mine[i] - (double)exact[count * (size_t)me + i]) <= slack * n,
                    "reduce_scatter %s n=%d rank %d element %zu: got %g, expected %g", spec, n, me,
                    i, (double)mine[i], (double)exact[count * (size_t)me + i]))
            break;
    *digests = chain_digest(*digests, mine, sizeof *mine * count);
    free(x);
    free(exact);
}

static void check_spread(gw_comm *comm, const char *spec, size_t count, double slack,
                         unsigned long long *digests)
{
    int n = gw_comm_size(comm), me = gw_comm_rank(comm), root = n / 2;
    size_t all = count * (size_t)n;
    float *out = malloc(sizeof *out * (all + 1)), *x = malloc(sizeof *x * (count + 1));
    fill_input(x, count, me);
    gw_status s = gw_allgather(comm, x, out, count, GW_F32, &(gw_options){ .codec = spec });
    expect(s == GW_OK, "allgather %s: %s", spec, gw_comm_error(comm));
    for (int r = 0; !s && r < n; r++) {
        fill_input(x, count, r);
        for (size_t i = 0; i < count; i++)
            if (!expect(fabs((double)out[count * (size_t)r + i] - (double)x[i]) <= slack,
                        "allgather %s n=%d block %d element %zu: got %g, expected %g", spec, n, r,
                        i, (double)out[count * (size_t)r + i], (double)x[i]))
                break;
    }
    check_replicas(comm, digest(out, sizeof *out * all), "allgather");
    *digests = chain_digest(*digests, out, sizeof *out * all);
    fill_input(x, count, root);
    s = gw_broadcast(comm, me == root ? x : NULL, out, count, GW_F32,
                     &(gw_options){ .codec = spec, .algorithm = "tree", .root = root });
    expect(s == GW_OK, "broadcast %s: %s", spec, gw_comm_error(comm));
    for (size_t i = 0; !s && i < count; i++)
        if (!expect(fabs((double)out[i] - (double)x[i]) <= slack,
                    "broadcast %s n=%d element %zu: got %g, expected %g", spec, n, i,
                    (double)out[i], (double)x[i]))
            break;
    check_replicas(comm, digest(out, sizeof *out * count), "broadcast");
    *digests = chain_digest(*digests, out, sizeof *out * count);
    free(out);
    free(x);
}

void body_others(gw_comm *comm, unsigned long long *digests)
{
    /* Inputs are within +-4; 4-bit steps are up to 4/7 each way. */
    static const struct {
        const char *spec;
        double slack;
    } cases[] = {
        { "raw", 1e-5 }, { "fp16", 0.01 }, { "qsgd:bits=8", 0.05 }, { "qsgd:bits=4", 0.7 }
    };
    static const size_t counts[] = { 0, 1, 3, 100, 5000 };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            check_reduce_scatter(comm, cases[c].spec, counts[i], cases[c].slack, digests);
            check_spread(comm, cases[c].spec, counts[i], cases[c].slack, digests);
        }
    }
    check_reduce_scatter(comm, "int:bits=16", 1000, 0.1, digests);
    expect(gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
}

/* ---- lists, many plans ------------------------------------------------------------------------*/

void body_list(gw_comm *comm, unsigned long long *digests)
{
    enum { TENSORS = 5 };
    static const gw_tensor tensors[TENSORS] = { { "embed", 5000 },
                                                { "hidden.bias", 33 },
                                                { "hidden.weight", 20000 },
                                                { "empty", 0 },
                                                { "out.bias", 1 } };
    static const gw_rule rules[] = { { "*.bias", "raw" }, { "embed", "fp16" } };
    int n = gw_comm_size(comm), me = gw_comm_rank(comm);
    gw_plan *plan;
    gw_options options = { .codec = "ef+qsgd:bits=8",
                           .rules = rules,
                           .rules_count = 2,
                           .algorithm = "direct",
                           .piece_count = 3000 };
    gw_status s = gw_plan_allreduce_list(&plan, comm, tensors, TENSORS, GW_F32, GW_MEAN, &options);
    if (!expect(s == GW_OK, "list: %s", gw_comm_error(comm)))
        return;
    float *x[TENSORS];
    const void *in[TENSORS];
    void *out[TENSORS];
    for (int t = 0; t < TENSORS; t++) {
        x[t] = malloc(sizeof(float) * (tensors[t].count + 1));
        fill_input(x[t], tensors[t].count, me + 100 * t);
        in[t] = out[t] = x[t];
    }
    s = gw_start_list(plan, in, out);
    if (!s)
        s = gw_wait(plan);
    expect(s == GW_OK, "list: %s", gw_plan_error(plan));
    for (int t = 0; t < TENSORS; t++) {
        float *y = malloc(sizeof(float) * (tensors[t].count + 1));
        double *exact = calloc(tensors[t].count + 1, sizeof *exact);
        for (int r = 0; r < n; r++) {
            fill_input(y, tensors[t].count, r + 100 * t);
            for (size_t i = 0; i < tensors[t].count; i++)
                exact[i] += y[i] / n;
        }
        double slack = strstr(tensors[t].name, "bias") ? 1e-5 : 0.1;
        for (size_t i = 0; !s && i < tensors[t].count; i++)
            if (!expect(fabs(x[t][i] - exact[i]) <= slack,
                        "list tensor '%s' element %zu: got %g, "
                        "expected %g",
                        tensors[t].name, i, (double)x[t][i], exact[i]))
                break;
        check_replicas(comm, digest(x[t], sizeof(float) * tensors[t].count), tensors[t].name);
        *digests = chain_digest(*digests, x[t], sizeof(float) * tensors[t].count);
        free(y);
        free(exact);
        free(x[t]);
    }
    gw_plan_close(plan);
}

void body_many(gw_comm *comm, unsigned long long *digests)
{
    enum { PLANS = 6, COUNT = 3000 };
    static const char *const specs[PLANS] = {
        "raw", "qsgd:bits=4", "vote", "fp16", "ef+sign", "raw"
    };
    gw_plan *plans[PLANS] = { NULL };
    float *x[PLANS];
    int n = gw_comm_size(comm), me = gw_comm_rank(comm);
    for (int i = 0; i < PLANS; i++) {
        x[i] = malloc(sizeof(float) * COUNT);
        bool raw = i == 0 || i == PLANS - 1; /* any algorithm: not in the digest */
        gw_options options = { .codec = specs[i],
                               .algorithm = raw      ? NULL
                                            : i == 2 ? "linear"
                                                     : "direct" };
        gw_status s = gw_plan_allreduce(&plans[i], comm, COUNT, GW_F32, GW_SUM, &options);
        expect(s == GW_OK, "many: %s", gw_comm_error(comm));
    }
    for (int run = 0; run < 3; run++) {
        for (int i = 0; i < PLANS; i++)
            fill_input(x[i], COUNT, me + 10 * run);
        for (int i = 0; i < PLANS; i++) {
            int p = (i + me + run) % PLANS;
            expect(gw_start(plans[p], x[p], x[p]) == GW_OK, "many: start %d: %s", p,
                   gw_plan_error(plans[p]));
        }
        for (int i = 0; i < PLANS; i++) {
            int p = (i * 5 + 2 * me) % PLANS;
            expect(gw_wait(plans[p]) == GW_OK, "many n=%d: wait %d: %s", n, p,
                   gw_plan_error(plans[p]));
            check_replicas(comm, 0, "order"); /* other traffic in between */
        }
        for (int i = 0; i < PLANS; i++)
            check_replicas(comm, digest(x[i], sizeof(float) * COUNT), specs[i]);
        for (int i = 1; i < PLANS - 1; i++)
            *digests = chain_digest(*digests, x[i], sizeof(float) * COUNT);
    }
    for (int i = 0; i < PLANS; i++) {
        gw_plan_close(plans[i]);
        free(x[i]);
    }
}
