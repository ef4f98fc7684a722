/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Gradients travel while the backward pass goes on: mpirun -n 4 overlap [codec [caller|thread]].
 *
 * The backward pass makes the last layer's gradient first. Marked ready, it leaves at once, and
 * while the layers below are computed the library moves it: in a thread of its own, or whenever
 * gw_reducer_ready and gw_reducer_test are called. At the end there is little left to wait for. The
 * same work with all gradients marked at the end tells what the exchange costs by itself: "hidden"
 * is the share of that which overlapping saved.
 */
#include <cblas.h>
#include <gradwire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LAYERS 8
#define SIDE   512
#define STEPS  10

typedef struct network_layer {
    char name[24];
    float gradient[SIDE * SIDE];
} network_layer;

typedef enum pass_kind { ALONE, AFTERWARDS, OVERLAPPED, KINDS } pass_kind;

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

static int mark(gw_reducer *reducer, network_layer *layers, int l)
{
    float *gradient = layers[l].gradient;
    return failed(gw_reducer_ready(reducer, (size_t)l, gradient, gradient),
                  gw_reducer_error(reducer));
}

/* What a layer's backward pass costs, about: two products of square matrices. Between them the
 * library gets a moment for what is under way. */
static int backward(gw_reducer *reducer, network_layer *layer, const float *slopes, int poke)
{
    for (int i = 0; i < 2; i++) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1.0f / SIDE, slopes,
                    SIDE, slopes, SIDE, 0, layer->gradient, SIDE);
        if (poke && failed(gw_reducer_test(reducer), gw_reducer_error(reducer)))
            return -1;
    }
    return 0;
}

/* One backward pass from the last layer to the first; -1 on failure, else 0. */
static int pass(gw_reducer *reducer, network_layer *layers, const float *slopes, pass_kind kind)
{
    for (int l = LAYERS - 1; l >= 0; l--) {
        int under_way = kind == OVERLAPPED && l < LAYERS - 1;
        if (backward(reducer, &layers[l], slopes, under_way) != 0)
            return -1;
        if (kind == OVERLAPPED && mark(reducer, layers, l))
            return -1;
    }
    for (int l = LAYERS - 1; kind == AFTERWARDS && l >= 0; l--)
        if (mark(reducer, layers, l))
            return -1;
    return kind != ALONE && failed(gw_reducer_wait(reducer), gw_reducer_error(reducer)) ? -1 : 0;
}

/* Seconds of one pass that all ranks begin together; below 0 on failure. */
static double measure(gw_comm *comm, gw_reducer *reducer, network_layer *layers,
                      const float *slopes, pass_kind kind)
{
    if (failed(gw_barrier(comm), gw_comm_error(comm)))
        return -1;
    double start = seconds_now();
    if (pass(reducer, layers, slopes, kind) != 0)
        return -1;
    return seconds_now() - start;
}

static gw_reducer *open_reducer(gw_comm *comm, network_layer *layers, const char *codec, int thread)
{
    gw_reducer *reducer = NULL;
    gw_tensor tensors[LAYERS];
    for (int l = 0; l < LAYERS; l++) {
        snprintf(layers[l].name, sizeof layers[l].name, "layer%d", l + 1);
        tensors[l] = (gw_tensor){ layers[l].name, SIDE * SIDE };
    }
    gw_options options = { .codec = codec,
                           .gate = GW_GATE_OFF, /* this codec, even where raw would be faster */
                           .bucket_bytes = sizeof layers[0].gradient,
                           .progress = thread ? GW_PROGRESS_THREAD : GW_PROGRESS_DEFAULT };
    gw_status status = gw_reducer_open(&reducer, comm, tensors, LAYERS, GW_F32, GW_MEAN, &options);
    return failed(status, gw_comm_error(comm)) ? NULL : reducer;
}

/* Alone, afterwards, overlapping: in turns, the best of each, so that a machine that is busy with
 * other things for a while hurts none of them alone. */
static int compare(gw_comm *comm, gw_reducer *reducer, network_layer *layers, float *slopes,
                   const char *codec)
{
    double best[KINDS] = { 1e9, 1e9, 1e9 };
    for (int i = 0; i < SIDE * SIDE; i++)
        slopes[i] = (float)((i * 7 + gw_comm_rank(comm)) % 13 - 6);
    for (int step = 0; step < STEPS; step++)
        for (int kind = 0; kind < KINDS; kind++) {
            double seconds = measure(comm, reducer, layers, slopes, (pass_kind)kind);
            if (seconds < 0)
                return 1;
            best[kind] = seconds < best[kind] ? seconds : best[kind];
        }
    double exchange = best[AFTERWARDS] - best[ALONE];
    double saved = best[AFTERWARDS] - best[OVERLAPPED];
    if (gw_comm_rank(comm) == 0)
        printf("%s, %d ranks, %d layers of %d: backward pass alone %.1f ms, then the exchange "
               "%.1f ms, overlapped %.1f ms: %.0f %% of the exchange hidden\n",
               codec, gw_comm_size(comm), LAYERS, SIDE * SIDE, 1e3 * best[ALONE],
               1e3 * best[AFTERWARDS], 1e3 * best[OVERLAPPED],
               exchange > 0 && saved > 0 ? 100 * saved / exchange : 0);
    return 0;
}

int main(int argc, char **argv)
{
    gw_comm *comm = NULL;
    gw_reducer *reducer = NULL;
    const char *codec = argc > 1 ? argv[1] : "ef+qsgd:bits=4";
    openblas_set_num_threads(1);
    network_layer *layers = calloc(LAYERS, sizeof *layers);
    float *slopes = malloc(sizeof(float) * SIDE * SIDE);
    int code = 1;
    if (!layers || !slopes)
        fprintf(stderr, "overlap: no memory\n");
    else if (!failed(gw_comm_open(&comm, "env:"), gw_comm_error(NULL)))
        reducer = open_reducer(comm, layers, codec, argc > 2 && strcmp(argv[2], "thread") == 0);
    if (reducer)
        code = compare(comm, reducer, layers, slopes, codec);
    gw_reducer_close(reducer);
    if (code == 0)
        gw_comm_close(comm);
    free(slopes);
    free(layers);
    return code;
}
