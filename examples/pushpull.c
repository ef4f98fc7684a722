/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker of a parameter server, as doc/server.md shows it. Worker k wants all parameters to be k;
 * together they find the mean:
 *
 *     gradwire serve & pushpull tcp:127.0.0.1:4500 0 2 & pushpull tcp:127.0.0.1:4500 1 2 */
#include <gradwire.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1000000, STEPS = 50 };

static int train(gw_ps *ps, int worker)
{
    static float w[COUNT], g[COUNT];
    gw_ps_ticket ticket;
    if (gw_ps_register(ps, &(gw_tensor){ "w", COUNT }, 1, (const void *[]){ w }) != GW_OK)
        return 1;
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < COUNT; i++)
            g[i] = w[i] - (float)worker;
        if (gw_ps_push_pull(ps, (const void *[]){ g }, (void *[]){ w }, NULL, &ticket) != GW_OK ||
            gw_ps_wait(ps, ticket) != GW_OK)
            return 1;
    }
    gw_ps_figures stats;
    if (gw_ps_stats(ps, &stats) != GW_OK)
        return 1;
    printf("worker %d: %g after round %llu of %u workers; pushes %.1f, pulls %.1f times smaller\n",
           worker, (double)w[0], (unsigned long long)stats.round, stats.contributors,
           stats.push_ratio, stats.pull_ratio);
    return gw_ps_leave(ps) != GW_OK; /* hands in what error feedback kept back */
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return fprintf(stderr, "usage: %s ADDRESS,... WORKER WORKERS\n", argv[0]), 1;
    int worker = (int)strtol(argv[2], NULL, 10);
    gw_ps *ps;
    if (gw_ps_open(&ps, argv[1],
                   &(gw_ps_options){ .worker = worker,
                                     .workers = (int)strtol(argv[3], NULL, 10),
                                     .codec = "ef+qsgd:bits=4",
                                     .optimizer = "sgd:lr=0.2",
                                     .pull = "fp16" }) != GW_OK)
        return fprintf(stderr, "%s\n", gw_ps_error(NULL)), 1;
    int failed = train(ps, worker);
    if (failed)
        fprintf(stderr, "worker %d: %s\n", worker, gw_ps_error(ps));
    gw_ps_close(ps);
    return failed;
}
