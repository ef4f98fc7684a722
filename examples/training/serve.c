/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Parameter servers among the ranks of a job: the first S ranks open one each, tell the others
 * their addresses, and serve until all workers have come to the end; the others part from them
 * (gw_comm_split) and train. A server's loop runs on a thread of its own, while the first waits for
 * the workers on the comm.
 *
 * With checkpoints, servers take snapshots as often as workers save, into folders beside them.
 */
#include "trainer.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Servers may have to wait for as long as a training takes. */
#define FOREVER_S 1e9

/* What a rank tells the others: how it went, and a server's address. */
typedef struct tr_row {
    int32_t code;
    char address[252];
} tr_row;

static const gw_options exact = { .codec = "raw" };

static void say(void *user, const char *line)
{
    const tr_trainer *trainer = user;
    int bad = strncmp(line, "level=error", 11) == 0;
    if (bad || trainer->options->show_progress)
        fprintf(stderr, "server %d: %s\n", gw_comm_rank(trainer->serving.everyone), line);
}

/* ---- a server's folder ----------------------------------------------------------------------- */

/* A run that begins anew must not find the parameters of one before. */
static int empty_folder(const char *name)
{
    char path[4096];
    DIR *folder = opendir(name);
    if (!folder)
        return errno == ENOENT ? EXIT_GOOD
                               : report_error(EXIT_USAGE, "%s: %s", name, strerror(errno));
    int good = 1;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *file = entry->d_name;
        snprintf(path, sizeof path, "%s/%s", name, file);
        if (strncmp(file, "snapshot.", 9) == 0 || strncmp(file, "log.", 4) == 0)
            good = unlink(path) == 0 && good;
    }
    closedir(folder);
    return good ? EXIT_GOOD : report_error(EXIT_USAGE, "%s cannot be emptied", name);
}

/* Rounds between snapshots: where each push is a round, as many as the workers push meanwhile. */
static uint64_t rounds_between(const tr_trainer *trainer)
{
    const tr_options *options = trainer->options;
    const char *mode = options->mode ? options->mode : "sync";
    int alone = strncmp(mode, "async", 5) == 0 || strncmp(mode, "ssp", 3) == 0;
    int workers = gw_comm_size(trainer->serving.everyone) - trainer->serving.servers;
    return options->checkpoint_every * (alone ? (uint64_t)workers : 1);
}

static int open_server(tr_trainer *trainer, const char *listen)
{
    const tr_options *options = trainer->options;
    tr_serving *serving = &trainer->serving;
    char folder[4096] = "", durability[64];
    if (options->checkpoint)
        snprintf(folder, sizeof folder, "%s.server.%d", options->checkpoint,
                 gw_comm_rank(serving->everyone));
    snprintf(durability, sizeof durability, "snapshot:every=%" PRIu64, rounds_between(trainer));
    int code = options->checkpoint && !options->resume ? empty_folder(folder) : EXIT_GOOD;
    if (code != EXIT_GOOD)
        return code;
    gw_status status = gw_server_open(
        &serving->server, &(gw_server_options){ .listen = listen,
                                                .job = options->job,
                                                .keys = *serving->keys ? serving->keys : NULL,
                                                .durability = *folder ? durability : NULL,
                                                .folder = *folder ? folder : NULL,
                                                .say = say,
                                                .user = trainer });
    return status == GW_OK ? EXIT_GOOD
                           : report_status(status, "opening a server", gw_server_error(NULL));
}

/* ---- who is who ------------------------------------------------------------------------------ */

static int join_addresses(tr_serving *serving, const tr_row *rows)
{
    size_t capacity = (size_t)serving->servers * sizeof rows->address;
    serving->addresses = calloc(capacity, 1);
    if (!serving->addresses)
        return report_error(EXIT_COMM, "no memory for %d addresses", serving->servers);
    for (int s = 0, used = 0; s < serving->servers; s++)
        used += snprintf(serving->addresses + used, capacity - (size_t)used, "%s%s", s ? "," : "",
                         rows[s].address);
    return EXIT_GOOD;
}

/* All ranks go on, or none does. */
static int tell(tr_serving *serving, int code)
{
    size_t ranks = (size_t)gw_comm_size(serving->everyone);
    tr_row mine = { .code = code }, *rows = calloc(ranks, sizeof *rows);
    if (!rows)
        return report_error(EXIT_COMM, "no memory for %zu ranks", ranks);
    if (serving->server)
        snprintf(mine.address, sizeof mine.address, "%s", gw_server_address(serving->server, 0));
    gw_status status =
        gw_allgather(serving->everyone, &mine, rows, sizeof mine / 4, GW_I32, &exact);
    if (status != GW_OK)
        code = report_status(status, "telling addresses", gw_comm_error(serving->everyone));
    for (size_t r = 0; r < ranks && code == EXIT_GOOD; r++)
        code = rows[r].code; /* it has said why */
    if (code == EXIT_GOOD)
        code = join_addresses(serving, rows);
    free(rows);
    return code;
}

static int part(tr_trainer *trainer)
{
    tr_serving *serving = &trainer->serving;
    double limit = trainer->options->timeout_s;
    gw_comm *everyone = serving->everyone;
    gw_status status = gw_comm_split(&trainer->comm, everyone, !serving->serves, 0);
    if (status == GW_OK && limit > 0)
        status = gw_comm_set_timeout(trainer->comm, limit);
    if (status != GW_OK)
        return report_status(status, "parting servers and workers", gw_comm_error(everyone));
    trainer->rank = gw_comm_rank(trainer->comm);
    trainer->ranks = gw_comm_size(trainer->comm);
    return EXIT_GOOD;
}

int serve_open(tr_trainer *trainer)
{
    char listen[320];
    tr_serving *serving = &trainer->serving;
    int servers = (int)trainer->options->serve, first = (int)trainer->options->worker;
    if (servers >= trainer->ranks)
        return report_error(EXIT_USAGE, "--serve %d of %d ranks leaves no worker", servers,
                            trainer->ranks);
    serving->everyone = trainer->comm;
    serving->servers = servers;
    serving->serves = trainer->rank < servers;
    trainer->comm = NULL;
    trainer->worker = first + (serving->serves ? 0 : trainer->rank - servers);
    int code = serve_choose_place(trainer, listen, sizeof listen);
    if (code == EXIT_GOOD && serving->serves)
        code = open_server(trainer, listen);
    code = tell(serving, code);
    return code == EXIT_GOOD ? part(trainer) : code;
}

/* ---- until the end --------------------------------------------------------------------------- */

static void *run(void *context)
{
    tr_serving *serving = context;
    gw_status status = gw_server_run(serving->server);
    if (status != GW_OK)
        report_status(status, "serving", gw_server_error(serving->server));
    return status == GW_OK ? NULL : context;
}

static int meet(tr_serving *serving)
{
    gw_status status = gw_barrier(serving->everyone);
    return status == GW_OK ? EXIT_GOOD
                           : report_status(status, "waiting for the workers' end",
                                           gw_comm_error(serving->everyone));
}

static int serve(tr_serving *serving)
{
    pthread_t thread;
    void *bad = NULL;
    gw_status status = gw_comm_set_timeout(serving->everyone, FOREVER_S);
    if (status != GW_OK)
        return report_status(status, "setting the limit", gw_comm_error(serving->everyone));
    if (pthread_create(&thread, NULL, run, serving) != 0)
        return report_error(EXIT_COMM, "no thread for a server");
    int code = meet(serving);
    gw_server_stop(serving->server);
    pthread_join(thread, &bad);
    return code == EXIT_GOOD && bad ? EXIT_COMM : code;
}

int serve_until_done(tr_trainer *trainer)
{
    tr_serving *serving = &trainer->serving;
    serve_forget_keys(serving);
    return serving->server ? serve(serving) : meet(serving);
}

/* Each server takes its socket out of the folder, so the last one can remove it. */
void serve_close(tr_trainer *trainer)
{
    tr_serving *serving = &trainer->serving;
    serve_forget_keys(serving);
    gw_server_close(serving->server);
    if (serving->serves)
        serve_forget_folder(serving);
    free(serving->addresses);
}
