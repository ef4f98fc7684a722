/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The harness of tests over tcp:. */
#include "tests/tcp_ranks.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/keys.h"

/* A port that nobody else is given: bound, but not listened on. */
static int reserve(int *file)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;
    int on = 1;
    *file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(*file, 0);
    ck_assert_int_eq(setsockopt(*file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    ck_assert_int_eq(bind(*file, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(*file, (struct sockaddr *)&address, &bytes), 0);
    return ntohs(address.sin_port);
}

void tcp_folder_open(struct tcp_folder *folder, enum tcp_kind kind, int ranks)
{
    struct gw_error error = { 0 };
    *folder = (struct tcp_folder){ .path = "/tmp/gwtest-XXXXXX", .ranks = ranks, .kind = kind };
    ck_assert_ptr_nonnull(mkdtemp(folder->path));
    snprintf(folder->peers, sizeof folder->peers, "%s/peers", folder->path);
    snprintf(folder->keys, sizeof folder->keys, "%s/keys", folder->path);
    FILE *file = fopen(folder->peers, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "# %d ranks\n\n", ranks);
    for (int r = 0; r < ranks; r++) {
        if (kind == TCP_UNIX)
            fprintf(file, "  unix:%s/%d # rank %d\r\n", folder->path, r, r);
        else
            fprintf(file, "tcp:127.0.0.1:%d\n", reserve(&folder->reserved[r]));
    }
    ck_assert_int_eq(fclose(file), 0);
    if (kind == TCP_KEYS)
        ck_assert_msg(gw_keys_make(folder->keys, "test", 0, (uint32_t)ranks, &error) == GW_OK, "%s",
                      error.text);
}

void tcp_folder_close(struct tcp_folder *folder)
{
    char path[96];
    for (int r = 0; r < folder->ranks; r++) {
        snprintf(path, sizeof path, "%s/%d", folder->path, r);
        (void)unlink(path);
        if (folder->kind != TCP_UNIX)
            close(folder->reserved[r]);
    }
    (void)unlink(folder->peers);
    (void)unlink(folder->keys);
    ck_assert_int_eq(rmdir(folder->path), 0);
}

void tcp_folder_spec(const struct tcp_folder *folder, const char *prefix, int rank, char *spec,
                     size_t capacity)
{
    bool keys = folder->kind == TCP_KEYS;
    snprintf(spec, capacity, "%stcp:ranks=%d,rank=%d,peers=%s%s%s", prefix, folder->ranks, rank,
             folder->peers, keys ? ",keys=" : "", keys ? folder->keys : "");
}

struct rank_thread {
    pthread_t thread;
    const struct tcp_folder *folder;
    const char *prefix;
    int rank;
    void (*body)(gw_comm *comm, struct body_result *result);
    struct body_result result;
};

static void *run_rank(void *argument)
{
    struct rank_thread *self = argument;
    char spec[320];
    gw_comm *comm = NULL;
    tcp_folder_spec(self->folder, self->prefix, self->rank, spec, sizeof spec);
    gw_status s = gw_comm_open(&comm, spec);
    if (!expect(&self->result, s == GW_OK, "open: %s", gw_comm_error(NULL)))
        return NULL;
    expect(&self->result, strcmp(gw_comm_spec(comm), spec) == 0, "spec '%s', expected '%s'",
           gw_comm_spec(comm), spec);
    self->body(comm, &self->result);
    gw_comm_close(comm);
    return NULL;
}

void tcp_run(enum tcp_kind kind, const char *prefix, int ranks, const char *name,
             void (*body)(gw_comm *comm, struct body_result *result))
{
    struct rank_thread threads[TCP_RANKS];
    struct tcp_folder folder;
    tcp_folder_open(&folder, kind, ranks);
    for (int r = 0; r < ranks; r++) {
        threads[r] =
            (struct rank_thread){ .folder = &folder, .prefix = prefix, .rank = r, .body = body };
        ck_assert_int_eq(pthread_create(&threads[r].thread, NULL, run_rank, &threads[r]), 0);
    }
    for (int r = 0; r < ranks; r++)
        pthread_join(threads[r].thread, NULL);
    tcp_folder_close(&folder);
    for (int r = 0; r < ranks; r++)
        ck_assert_msg(!threads[r].result.words[0], "%stcp: '%s', rank %d of %d: %s", prefix, name,
                      r, ranks, threads[r].result.words);
}
