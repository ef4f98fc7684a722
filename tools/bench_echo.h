/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The limit that pushes and pulls are measured against: libuv alone sends bytes to a thread that
 * sends them back. */
#ifndef GW_TOOLS_BENCH_ECHO_H
#define GW_TOOLS_BENCH_ECHO_H

#include <stddef.h>

struct echo_server; /* a thread */
struct echo_client; /* a connection */

/* Listen on a Unix socket at `path`, or with NULL on a TCP port of 127.0.0.1. `address` gets what
 * echo_connect wants. NULL: it could not be done. */
struct echo_server *echo_open(const char *path, char *address, size_t capacity);
void echo_close(struct echo_server *server); /* NULL is fine */

struct echo_client *echo_connect(const char *address); /* NULL: it could not be done */
/* Send `bytes` from `out` and wait until as many have come back to `in`. 0, or -1. */
int echo_run(struct echo_client *client, const void *out, void *in, size_t bytes);
void echo_disconnect(struct echo_client *client); /* NULL is fine */

#endif
