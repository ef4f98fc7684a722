/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Many authenticated workers on one server, which is a process of its own: every value that a
 * worker pulls has to be exact. Says how long joining and rounds took, and what the server needed.
 *
 * ps_load [WORKERS [ROUNDS [ELEMENTS]]]; 100 workers, 10 rounds and 1000 elements without. */
#include <gradwire.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/load_clients.h"

/* ---- the server's process -------------------------------------------------------------------- */

static gw_server *served;

static void stop(int ignored)
{
    (void)ignored;
    gw_server_stop(served);
}

static int serve(int out, const char *keys, int workers)
{
    const gw_server_options options = { .listen = "tcp:127.0.0.1:0",
                                        .keys = keys,
                                        .workers = workers };
    struct sigaction action = { .sa_handler = stop };
    if (gw_server_open(&served, &options) != GW_OK) {
        fprintf(stderr, "ps_load: %s\n", gw_server_error(NULL));
        return 1;
    }
    sigaction(SIGTERM, &action, NULL);
    const char *address = gw_server_address(served, 0);
    if (write(out, address, strlen(address) + 1) < 0)
        return 1;
    gw_status s = gw_server_run(served);
    gw_server_close(served);
    return s != GW_OK;
}

static int end_server(pid_t id, int workers)
{
    int status = 0;
    struct rusage usage;
    kill(id, SIGTERM);
    if (wait4(id, &status, 0, &usage) != id)
        return 1;
    printf("the server took %.1f MiB of memory at most, %.2f s of a CPU\n",
           (double)usage.ru_maxrss / 1024,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    if (status)
        fprintf(stderr, "ps_load: the server of %d workers ended with status %d\n", workers,
                status);
    return status != 0;
}

/* ---- the workers' processes ------------------------------------------------------------------ */

/* A child: its result goes through `out`. */
static pid_t start_clients(const struct load_setup *setup, int out)
{
    pid_t id = fork();
    if (id != 0)
        return id;
    struct load_result result;
    load_run(setup, &result);
    _exit(write(out, &result, sizeof result) != sizeof result || result.failed);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int run_clients(struct load_setup setup)
{
    int ends[2], started = 0, bad = 0, status;
    struct load_result one, all = { 0 };
    if (pipe(ends) != 0)
        return 1;
    for (; started * LOAD_CLIENTS_MOST < setup.workers; started++) {
        int left = setup.workers - started * LOAD_CLIENTS_MOST;
        setup.first = started * LOAD_CLIENTS_MOST;
        setup.count = left < LOAD_CLIENTS_MOST ? left : LOAD_CLIENTS_MOST;
        if (start_clients(&setup, ends[1]) < 0)
            return 1;
    }
    close(ends[1]);
    for (int i = 0; i < started; i++) {
        if (read(ends[0], &one, sizeof one) != sizeof one)
            break;
        all.joined_ns = larger(all.joined_ns, one.joined_ns);
        all.all_ns = larger(all.all_ns, one.all_ns);
        all.slowest_ns = larger(all.slowest_ns, one.slowest_ns);
    }
    for (int i = 0; i < started; i++)
        bad |= wait(&status) < 0 || status != 0;
    close(ends[0]);
    if (bad)
        return 1;
    printf("%d workers have joined after %.2f s; %d rounds after %.2f s, the slowest took %.0f ms; "
           "every value is exact\n",
           setup.workers, (double)all.joined_ns / 1e9, setup.rounds, (double)all.all_ns / 1e9,
           (double)all.slowest_ns / 1e6);
    return 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int raise_limit(rlim_t needed)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= needed)
        return 0;
    limit.rlim_cur = needed;
    limit.rlim_max = limit.rlim_max > needed ? limit.rlim_max : needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    fprintf(stderr, "ps_load: %lu descriptors: %s\n", (unsigned long)needed, strerror(errno));
    return -1;
}

int main(int argc, char **argv)
{
    struct load_setup setup = { .workers = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100,
                                .rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 10,
                                .elements = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000 };
    char folder[] = "/tmp/gwload.XXXXXX", keys[64], address[256] = "";
    int ends[2];
    if (setup.workers < 1 || setup.workers > 10000 || setup.rounds < 1 || setup.elements < 1) {
        fprintf(stderr, "usage: ps_load [WORKERS [ROUNDS [ELEMENTS]]]\n");
        return 1;
    }
    if (raise_limit((rlim_t)setup.workers + 100) || !mkdtemp(folder) || pipe(ends) != 0)
        return 77;
    snprintf(keys, sizeof keys, "%s/keys", folder);
    if (gw_key_make(keys, NULL, 0, setup.workers) != GW_OK) {
        fprintf(stderr, "ps_load: %s\n", gw_server_error(NULL));
        return 1;
    }
    setup.keys = keys;
    setup.address = address;
    pid_t id = fork();
    if (id == 0)
        _exit(serve(ends[1], keys, setup.workers));
    close(ends[1]);
    int bad = id < 0 || read(ends[0], address, sizeof address - 1) <= 0;
    if (!bad)
        bad = run_clients(setup);
    if (id > 0)
        bad |= end_server(id, setup.workers);
    unlink(keys);
    rmdir(folder);
    return bad;
}
