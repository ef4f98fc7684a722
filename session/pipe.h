/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* libuv writes to sockets with write(2), and whoever writes to a peer that has gone gets SIGPIPE,
 * which ends a program that does not know. A library may not change what signals do, but it may
 * hold this one back on a thread that the program lends it: */
#ifndef GW_SESSION_PIPE_H
#define GW_SESSION_PIPE_H

#include <signal.h>
#include <stdbool.h>

struct gw_pipe_guard {
    sigset_t before;
    bool pending; /* one was, already: it is the program's */
};

/* SIGPIPE does not reach this thread until gw_pipe_release on the same thread, which throws away
 * what came in between. */
void gw_pipe_hold(struct gw_pipe_guard *guard);
void gw_pipe_release(const struct gw_pipe_guard *guard);

#endif
