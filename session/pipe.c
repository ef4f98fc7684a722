/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A broken pipe's signal goes to the thread that wrote, so holding it back on that thread is
 * enough, and nobody else notices. */
#include "session/pipe.h"

#include <errno.h>
#include <time.h>

static void only_pipe(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

static bool is_pending(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigpending(&set);
    return sigismember(&set, SIGPIPE) == 1;
}

void gw_pipe_hold(struct gw_pipe_guard *guard)
{
    sigset_t set;
    only_pipe(&set);
    guard->pending = is_pending();
    pthread_sigmask(SIG_BLOCK, &set, &guard->before);
}

void gw_pipe_release(const struct gw_pipe_guard *guard)
{
    const struct timespec now = { 0, 0 };
    sigset_t set;
    only_pipe(&set);
    if (!guard->pending && is_pending())
        while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
