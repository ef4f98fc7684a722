/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Gradients travel while the backward pass goes on: mpirun -n 4 overlap [codec].
 *
 * The backward pass makes the last layer's gradient first. Its plan is started at once, and between
 * the products of the layers below gw_test gives the library a moment to move bytes. At the end
 * there is little left to wait for. The same work with every sum waited for where it starts tells
 * what the exchange would have cost: "hidden" is the share of that which overlapping saved.
 */
#include <cblas.h>
#include <gradwire.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LAYERS 8
#define SIDE   512
#define STEPS  10

typedef struct network_layer {
    gw_plan *plan;
    char name[24];
    float gradient[SIDE * SIDE];
} network_layer;

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int failed(gw_status status, const char *words)
{
    if (status != GW_OK && status != GW_PENDING)
        fprintf(stderr, "overlap: %s: %s\n", gw_status_name(status), words);
    return status != GW_OK && status != GW_PENDING;
}

/* What a layer's backward pass costs, about: two products of square matrices. */
static void backward(network_layer *layer, const float *slopes)
{
    for (int i = 0; i < 2; i++)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1.0f / SIDE, slopes,
                    SIDE, slopes, SIDE, 0, layer->gradient, SIDE);
}

/* Give the runs under way a moment; gw_test reports a run's end once, so finished ones are left
 * out by `pending`. */
static int poke(network_layer *layers, int *pending, int from)
{
    for (int l = LAYERS - 1; l >= from; l--) {
        gw_status status = pending[l] ? gw_test(layers[l].plan) : GW_OK;
        if (failed(status, gw_plan_error(layers[l].plan)))
            return -1;
        pending[l] = status == GW_PENDING;
    }
    return 0;
}

/* One backward pass from the last layer to the first; -1 on failure, else 0. */
static int pass(network_layer *layers, const float *slopes, int exchange, int overlap)
{
    int pending[LAYERS] = { 0 };
    for (int l = LAYERS - 1; l >= 0; l--) {
        backward(&layers[l], slopes);
        if (!exchange)
            continue;
        gw_status status = gw_start(layers[l].plan, layers[l].gradient, layers[l].gradient);
        if (status == GW_OK && !overlap)
            status = gw_wait(layers[l].plan);
        if (failed(status, gw_plan_error(layers[l].plan)))
            return -1;
        pending[l] = overlap;
        if (poke(layers, pending, l) != 0)
            return -1;
    }
    for (int l = LAYERS - 1; l >= 0; l--)
        if (pending[l] && failed(gw_wait(layers[l].plan), gw_plan_error(layers[l].plan)))
            return -1;
    return 0;
}

/* Seconds of one pass that all ranks begin together; below 0 on failure. */
static double measure(gw_comm *comm, network_layer *layers, const float *slopes, int exchange,
                      int overlap)
{
    if (failed(gw_barrier(comm), gw_comm_error(comm)))
        return -1;
    double start = seconds_now();
    if (pass(layers, slopes, exchange, overlap) != 0)
        return -1;
    return seconds_now() - start;
}

static int run(gw_comm *comm, network_layer *layers, float *slopes, const char *codec)
{
    for (int i = 0; i < SIDE * SIDE; i++)
        slopes[i] = (float)((i * 7 + gw_comm_rank(comm)) % 13 - 6);
    for (int l = 0; l < LAYERS; l++) {
        snprintf(layers[l].name, sizeof layers[l].name, "layer%d", l + 1);
        gw_options options = { .codec = codec, .name = layers[l].name };
        if (failed(gw_plan_allreduce(&layers[l].plan, comm, SIDE * SIDE, GW_F32, GW_MEAN, &options),
                   gw_comm_error(comm)))
            return 1;
    }
    /* Alone, waiting, overlapping: in turns, the best of each, so that a machine that is busy with
     * other things for a while hurts none of them alone. */
    double best[3] = { 1e9, 1e9, 1e9 };
    for (int step = 0; step < STEPS; step++)
        for (int kind = 0; kind < 3; kind++) {
            double seconds = measure(comm, layers, slopes, kind > 0, kind == 2);
            if (seconds < 0)
                return 1;
            best[kind] = seconds < best[kind] ? seconds : best[kind];
        }
    double exchange = best[1] - best[0], saved = best[1] - best[2];
    if (gw_comm_rank(comm) == 0)
        printf("%s, %d ranks, %d layers of %d: backward pass alone %.1f ms, with sums waited for "
               "%.1f ms, overlapped %.1f ms: %.0f %% of the exchange hidden\n",
               codec, gw_comm_size(comm), LAYERS, SIDE * SIDE, 1e3 * best[0], 1e3 * best[1],
               1e3 * best[2], exchange > 0 && saved > 0 ? 100 * saved / exchange : 0);
    return 0;
}

int main(int argc, char **argv)
{
    gw_comm *comm = NULL;
    openblas_set_num_threads(1);
    network_layer *layers = calloc(LAYERS, sizeof *layers);
    float *slopes = malloc(sizeof(float) * SIDE * SIDE);
    int code = 1;
    if (!layers || !slopes)
        fprintf(stderr, "overlap: no memory\n");
    else if (!failed(gw_comm_open(&comm, "env:"), gw_comm_error(NULL)))
        code = run(comm, layers, slopes, argc > 1 ? argv[1] : "ef+qsgd:bits=4");
    for (int l = 0; layers && l < LAYERS; l++)
        gw_plan_close(layers[l].plan);
    if (code == 0)
        gw_comm_close(comm);
    free(slopes);
    free(layers);
    return code;
}
