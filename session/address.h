/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Addresses of servers and ranks: "tcp:HOST:PORT" (HOST a name, an IPv4 address or [an IPv6 one];
 * "HOST:PORT" alone means the same) and "unix:PATH". */
#ifndef GW_SESSION_ADDRESS_H
#define GW_SESSION_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { GW_ADDRESS_TEXT = 256 };

struct gw_address {
    bool is_unix;
    char host[GW_ADDRESS_TEXT]; /* or the path */
    char port[8];
    char text[GW_ADDRESS_TEXT]; /* in full, for messages */
};

/* Another port, and the text that goes with it. Not for a Unix socket's. */
void gw_address_set_port(struct gw_address *address, unsigned port);

/* One address of `length` bytes. GW_ESPEC with words (a path too long for a socket, no port, ...).
 */
gw_status gw_address_parse(struct gw_address *out, const char *text, size_t length,
                           struct gw_error *error);

/* A comma-separated list; malloced. */
gw_status gw_address_list(struct gw_address **out, int *count, const char *text,
                          struct gw_error *error);

/* True for Unix sockets and for hosts that can be this machine alone: "localhost", 127.0.0.0/8,
 * [::1]. Only there may a session be plain. Looks at the text; asks no name server. */
bool gw_address_is_local(const struct gw_address *address);

#endif
