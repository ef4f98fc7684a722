/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The harness of tests over tcp:. */
#include "tests/tcp_ranks.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
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

void tcp_run(enum tcp_kind kind, const char *prefix, int ranks, const char *name,
             void (*body)(gw_comm *comm, struct body_result *result))
{
    struct body_rank threads[TCP_RANKS];
    struct tcp_folder folder;
    tcp_folder_open(&folder, kind, ranks);
    for (int r = 0; r < ranks; r++) {
        threads[r] = (struct body_rank){ .body = body };
        tcp_folder_spec(&folder, prefix, r, threads[r].spec, sizeof threads[r].spec);
    }
    run_body_ranks(threads, ranks);
    tcp_folder_close(&folder);
    for (int r = 0; r < ranks; r++)
        ck_assert_msg(!threads[r].result.words[0], "%stcp: '%s', rank %d of %d: %s", prefix, name,
                      r, ranks, threads[r].result.words);
}
