/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The progress thread goes round the comms whose plans it serves. It never waits for a comm: if a
 * caller is inside, that caller moves the comm's runs itself.
 *
 * Where nothing moves it looks again at once a few times, then sleeps between looks, so that a
 * program that computes on every core loses little to it. */
#include "collectives/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
    EAGER_LOOKS = 50, /* without a pause */
    SHORTEST_NS = 5000,
    LONGEST_NS = 50000, /* less than what a scheduler takes a core away for */
    SLICE_NS = 100000   /* the shortest that Linux gives */
};

struct gw_member { /* a comm whose plans are served */
    gw_comm *comm;
    int plans;
    bool visited; /* by the thread, now */
    struct gw_member *next;
};

/* There is one such thread in a process, so this is one place. `life` is held while it starts or
 * ends, `lock` for moments. */
static struct {
    pthread_mutex_t life, lock;
    pthread_cond_t work; /* a run began, or it is time to end */
    pthread_cond_t left; /* the thread has left a comm */
    pthread_t thread;
    int users; /* comms; under `life` */
    int runs;  /* under way; this and the following under `lock` */
    bool ends, sleeps;
    struct gw_member *members;
} engine = { .life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the thread ------------------------------------------------------------------------------ */

static void append(struct gw_member *member)
{
    struct gw_member **at = &engine.members;
    while (*at)
        at = &(*at)->next;
    member->next = NULL;
    *at = member;
}

static void take_off(struct gw_member *member)
{
    struct gw_member **at = &engine.members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
}

/* With the lock held, which is let go of meanwhile. */
static bool visit(struct gw_member *member)
{
    bool moved = false;
    member->visited = true;
    pthread_mutex_unlock(&engine.lock);
    if (gw_comm_try_enter(member->comm)) {
        moved = gw_comm_progress(member->comm);
        gw_comm_leave(member->comm);
    }
    pthread_mutex_lock(&engine.lock);
    member->visited = false;
    pthread_cond_broadcast(&engine.left);
    return moved;
}

/* Each member once; the list may change meanwhile. */
static bool go_round(void)
{
    int count = 0;
    bool moved = false;
    for (const struct gw_member *m = engine.members; m; m = m->next)
        count++;
    for (; count > 0 && engine.members; count--) {
        struct gw_member *member = engine.members;
        take_off(member);
        append(member);
        moved |= visit(member);
    }
    return moved;
}

static void doze(unsigned idle)
{
    if (idle < EAGER_LOOKS) {
        /* Callers that come to begin a run must find the lock free. */
        pthread_mutex_unlock(&engine.lock);
        pthread_mutex_lock(&engine.lock);
        return;
    }
    unsigned more = (idle - EAGER_LOOKS) / 4;
    int64_t ns = more < 4 ? (int64_t)SHORTEST_NS << more : LONGEST_NS;
    int64_t end = gw_now_ns() + (ns < LONGEST_NS ? ns : LONGEST_NS);
    struct timespec until = { .tv_sec = (time_t)(end / 1000000000),
                              .tv_nsec = (long)(end % 1000000000) };
    engine.sleeps = true;
    (void)pthread_cond_timedwait(&engine.work, &engine.lock, &until);
    engine.sleeps = false;
}

/* Where all cores compute, this thread wants little of one, but soon: short sleeps that are short,
 * and a short slice, which lets it in before the others' slices end (Linux 6.12). A kernel that
 * does not know this goes on without. */
static void ask_for_short_turns(void)
{
#ifdef __linux__
    struct { /* sched_setattr(2), for which C libraries have no header */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } wish = { .size = sizeof wish,
               .policy = SCHED_OTHER,
               .nice = getpriority(PRIO_PROCESS, 0),
               .runtime = SLICE_NS };
    prctl(PR_SET_TIMERSLACK, 1000UL);
    (void)syscall(SYS_sched_setattr, 0, &wish, 0U);
#endif
}

static void *run_engine(void *nothing)
{
    (void)nothing;
    unsigned idle = 0;
    ask_for_short_turns();
    pthread_mutex_lock(&engine.lock);
    while (!engine.ends) {
        if (engine.runs == 0) {
            engine.sleeps = true;
            pthread_cond_wait(&engine.work, &engine.lock);
            engine.sleeps = false;
            idle = 0;
            continue;
        }
        if (go_round())
            idle = 0;
        else
            doze(idle++);
    }
    pthread_mutex_unlock(&engine.lock);
    return NULL;
}

/* ---- its life -------------------------------------------------------------------------------- */

static int start_thread(void)
{
    sigset_t all, old;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&engine.work, &monotonic);
    pthread_cond_init(&engine.left, NULL);
    pthread_condattr_destroy(&monotonic);
    engine.ends = engine.sleeps = false;
    engine.runs = 0;
    /* Signals are the program's affair: its own threads get them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&engine.thread, NULL, run_engine, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return code;
}

static void ring(void)
{
    if (engine.sleeps)
        pthread_cond_signal(&engine.work);
}

static void end_thread(void)
{
    pthread_mutex_lock(&engine.lock);
    engine.ends = true;
    ring();
    pthread_mutex_unlock(&engine.lock);
    pthread_join(engine.thread, NULL);
    pthread_cond_destroy(&engine.work);
    pthread_cond_destroy(&engine.left);
}

static gw_status add_user(struct gw_error *error)
{
    gw_status s = GW_OK;
    pthread_mutex_lock(&engine.life);
    if (engine.users == 0 && start_thread())
        s = gw_fail(error, GW_ENOMEM, "the system gives no progress thread");
    else
        engine.users++;
    pthread_mutex_unlock(&engine.life);
    return s;
}

static void remove_user(void)
{
    pthread_mutex_lock(&engine.life);
    if (--engine.users == 0)
        end_thread();
    pthread_mutex_unlock(&engine.life);
}

/* ---- comms ----------------------------------------------------------------------------------- */

static gw_status add_member(gw_comm *comm, struct gw_error *error)
{
    struct gw_member *member = calloc(1, sizeof *member);
    if (!member)
        return gw_fail(error, GW_ENOMEM, "not enough memory for the progress thread");
    gw_status s = gw_comm_open_access(comm, error);
    if (!s)
        s = add_user(error);
    if (s) {
        free(member);
        return s;
    }
    member->comm = comm;
    comm->member = member;
    pthread_mutex_lock(&engine.lock);
    append(member);
    pthread_mutex_unlock(&engine.lock);
    return GW_OK;
}

gw_status gw_progress_join(gw_comm *comm, struct gw_error *error)
{
    gw_status s = comm->row->allows_thread ? comm->row->allows_thread(comm, error) : GW_OK;
    if (!s && !comm->member)
        s = add_member(comm, error);
    if (!s)
        comm->member->plans++;
    return s;
}

void gw_progress_leave(gw_comm *comm)
{
    struct gw_member *member = comm->member;
    if (--member->plans > 0)
        return;
    pthread_mutex_lock(&engine.lock);
    while (member->visited)
        pthread_cond_wait(&engine.left, &engine.lock);
    take_off(member);
    pthread_mutex_unlock(&engine.lock);
    comm->member = NULL;
    free(member);
    remove_user();
}

void gw_progress_begin(void)
{
    pthread_mutex_lock(&engine.lock);
    engine.runs++;
    ring();
    pthread_mutex_unlock(&engine.lock);
}

void gw_progress_end(void)
{
    pthread_mutex_lock(&engine.lock);
    engine.runs--;
    pthread_mutex_unlock(&engine.lock);
}
