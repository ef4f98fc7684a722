/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Who is a rank: this process, or with --ranks N each of N threads. */
#include "tools/bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct seat {
    const struct bench_options *options;
    const struct bench_input *input;
    char spec[64];
    pthread_t thread;
    int started;
    int status;
};

static void *sit(void *argument)
{
    struct seat *seat = argument;
    seat->status = bench_run(seat->options, seat->input, seat->spec);
    return NULL;
}

static int run_threads(const struct bench_options *options, const struct bench_input *input)
{
    int status = TOOL_GOOD;
    struct seat *seats = calloc((size_t)options->ranks, sizeof *seats);
    if (!seats) {
        tool_complain("bench", "out of memory");
        return TOOL_BAD_USE;
    }
    for (int rank = 0; rank < options->ranks; rank++) {
        struct seat *seat = &seats[rank];
        seat->options = options;
        seat->input = input;
        snprintf(seat->spec, sizeof seat->spec, "local:ranks=%d,rank=%d,name=bench", options->ranks,
                 rank);
        int error = pthread_create(&seat->thread, NULL, sit, seat);
        seat->started = !error;
        if (error) {
            /* The ranks that did start give up at their deadline. */
            tool_complain("bench", "cannot start the thread of rank %d: %s", rank, strerror(error));
            status = TOOL_BAD_USE;
            break;
        }
    }
    for (int rank = 0; rank < options->ranks; rank++) {
        if (!seats[rank].started)
            continue;
        pthread_join(seats[rank].thread, NULL);
        /* Where one rank's time was up, the others may only see that it left. */
        if (status == TOOL_GOOD || seats[rank].status == TOOL_TIME_LIMIT)
            status = seats[rank].status;
    }
    free(seats);
    return status;
}

int bench_ranks_run(const struct bench_options *options, const struct bench_input *input)
{
    return options->ranks ? run_threads(options, input) : bench_run(options, input, NULL);
}
