/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Threads that decode, sum and encode for a server: they share the parts of one work at a time. */
#ifndef GW_SERVER_TEAM_H
#define GW_SERVER_TEAM_H

#include "server/shard.h"

struct gw_team;

/* `threads` of them, each bound to a core of its own as far as this process may use so many.
 * `finished` is called on one of them when a work is done. */
gw_status gw_team_open(struct gw_team **out, int threads, void (*finished)(void *user), void *user,
                       struct gw_error *error);
void gw_team_close(struct gw_team *team); /* no work is under way; NULL is fine */

/* Begin a work; returns at once. Its phases come one after the other. */
void gw_team_start(struct gw_team *team, struct gw_work *work);

/* The cores that this process may use; at least 1. */
int gw_team_cores(void);

#endif
