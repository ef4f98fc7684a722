/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Ranks over tcp: that are threads of one process, each with sockets of its own. */
#ifndef GW_TESTS_TCP_RANKS_H
#define GW_TESTS_TCP_RANKS_H

#include "tests/transport_bodies.h"

enum { TCP_RANKS = 9 };

enum tcp_kind { TCP_UNIX, TCP_LOOPBACK, TCP_KEYS };

/* A folder with a peers file, and with keys if asked for. */
struct tcp_folder {
    char path[64], peers[96], keys[96];
    int ranks, reserved[TCP_RANKS];
    enum tcp_kind kind;
};

void tcp_folder_open(struct tcp_folder *folder, enum tcp_kind kind, int ranks);
void tcp_folder_close(struct tcp_folder *folder);
void tcp_folder_spec(const struct tcp_folder *folder, const char *prefix, int rank, char *spec,
                     size_t capacity);

/* Run `body` on each rank, and fail the test with the words of the first that failed. */
void tcp_run(enum tcp_kind kind, const char *prefix, int ranks, const char *name,
             void (*body)(gw_comm *comm, struct body_result *result));

#endif
