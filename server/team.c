/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A team of threads. Parts are taken by whoever is free, one by one; which thread takes which
 * changes no bit. */
#include "server/team.h"

#include <errno.h>
#include <hwloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct hand {
    struct gw_team *team;
    int number;
    pthread_t thread;
    hwloc_cpuset_t cores; /* NULL: any */
};

struct gw_team {
    pthread_mutex_t lock;
    pthread_cond_t called;
    void (*finished)(void *user);
    void *user;
    hwloc_topology_t topology;
    struct hand *hands;
    int count, started;
    bool ending;
    /* The work under way. */
    struct gw_work *work;
    int phase;
    size_t next, left; /* parts not taken, parts not done */
};

/* ---- cores ----------------------------------------------------------------------------------- */

static bool load_topology(hwloc_topology_t *out)
{
    if (hwloc_topology_init(out) != 0)
        return false;
    if (hwloc_topology_load(*out) == 0)
        return true;
    hwloc_topology_destroy(*out);
    return false;
}

/* Those that the process is bound to, else all. */
static hwloc_cpuset_t allowed(hwloc_topology_t topology)
{
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (set && hwloc_get_cpubind(topology, set, HWLOC_CPUBIND_PROCESS) != 0)
        hwloc_bitmap_copy(set, hwloc_topology_get_allowed_cpuset(topology));
    return set;
}

static int count_cores(hwloc_topology_t topology, hwloc_const_cpuset_t set)
{
    int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, set, HWLOC_OBJ_CORE);
    int units = hwloc_get_nbobjs_inside_cpuset_by_type(topology, set, HWLOC_OBJ_PU);
    return cores > 0 ? cores : units > 0 ? units : 1;
}

int gw_team_cores(void)
{
    hwloc_topology_t topology;
    int cores = 1;
    if (!load_topology(&topology))
        return cores;
    hwloc_cpuset_t set = allowed(topology);
    if (set)
        cores = count_cores(topology, set);
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(topology);
    return cores;
}

/* One core for each, where there are enough; else the scheduler knows better. */
static void spread(struct gw_team *team)
{
    hwloc_cpuset_t set = allowed(team->topology);
    for (int i = 0; set && i < team->count; i++) {
        hwloc_obj_t core =
            hwloc_get_obj_inside_cpuset_by_type(team->topology, set, HWLOC_OBJ_CORE, (unsigned)i);
        if (core && count_cores(team->topology, set) >= team->count)
            team->hands[i].cores = hwloc_bitmap_dup(core->cpuset);
    }
    hwloc_bitmap_free(set);
}

/* ---- work ------------------------------------------------------------------------------------ */

static bool has_part(const struct gw_team *team)
{
    return team->work && team->next < gw_work_parts(team->work);
}

/* Under the lock. True when all phases are done. */
static bool end_part(struct gw_team *team)
{
    if (--team->left > 0)
        return false;
    if (++team->phase < gw_work_phases(team->work)) {
        team->next = 0;
        team->left = gw_work_parts(team->work);
        pthread_cond_broadcast(&team->called);
        return false;
    }
    team->work = NULL;
    return true;
}

static void *run(void *user)
{
    struct hand *hand = user;
    struct gw_team *team = hand->team;
    if (hand->cores)
        (void)hwloc_set_cpubind(team->topology, hand->cores, HWLOC_CPUBIND_THREAD);
    pthread_mutex_lock(&team->lock);
    while (!team->ending) {
        if (!has_part(team)) {
            pthread_cond_wait(&team->called, &team->lock);
            continue;
        }
        size_t part = team->next++;
        struct gw_work *work = team->work;
        int phase = team->phase;
        pthread_mutex_unlock(&team->lock);
        gw_work_part(work, phase, part, hand->number);
        pthread_mutex_lock(&team->lock);
        if (end_part(team))
            team->finished(team->user);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

void gw_team_start(struct gw_team *team, struct gw_work *work)
{
    if (gw_work_parts(work) == 0) { /* it found no memory to begin with */
        team->finished(team->user);
        return;
    }
    pthread_mutex_lock(&team->lock);
    team->work = work;
    team->phase = 0;
    team->next = 0;
    team->left = gw_work_parts(work);
    pthread_cond_broadcast(&team->called);
    pthread_mutex_unlock(&team->lock);
}

/* ---- open and close -------------------------------------------------------------------------- */

void gw_team_close(struct gw_team *team)
{
    if (!team)
        return;
    pthread_mutex_lock(&team->lock);
    team->ending = true;
    pthread_cond_broadcast(&team->called);
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; i < team->started; i++)
        (void)pthread_join(team->hands[i].thread, NULL);
    for (int i = 0; team->hands && i < team->count; i++)
        hwloc_bitmap_free(team->hands[i].cores);
    hwloc_topology_destroy(team->topology);
    pthread_cond_destroy(&team->called);
    pthread_mutex_destroy(&team->lock);
    free(team->hands);
    free(team);
}

/* Signals are for the program's own threads. */
static int start_hands(struct gw_team *team)
{
    sigset_t all, before;
    int code = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; team->started < team->count && !code; team->started += !code) {
        struct hand *hand = &team->hands[team->started];
        hand->team = team;
        hand->number = team->started;
        code = pthread_create(&hand->thread, NULL, run, hand);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

gw_status gw_team_open(struct gw_team **out, int threads, void (*finished)(void *user), void *user,
                       struct gw_error *error)
{
    struct gw_team *team = calloc(1, sizeof *team);
    if (!team || !load_topology(&team->topology)) {
        free(team);
        return gw_fail(error, GW_ENOMEM, "out of memory for threads");
    }
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->called, NULL);
    team->finished = finished;
    team->user = user;
    team->hands = calloc((size_t)threads, sizeof *team->hands);
    team->count = team->hands ? threads : 0;
    spread(team);
    int code = team->hands ? start_hands(team) : ENOMEM;
    if (code) {
        gw_team_close(team);
        return gw_fail(error, GW_ENOMEM, "%d threads that compute: %s", threads, strerror(code));
    }
    *out = team;
    return GW_OK;
}
