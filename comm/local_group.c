/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* How the threads of a local: group find each other.
 *
 * They meet by name, so there must be one place in the process where names are: a list that holds
 * only groups that are forming. A group leaves it when the last rank has come, or when the first
 * one gives up, which ends it for all that wait. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "comm/local.h"

struct forming {
    struct forming *next;
    char name[GW_LOCAL_NAME];
    struct local_group *group;
    bool *present; /* by rank */
    int arrived, inside;
    bool complete, failed;
    pthread_cond_t settled; /* complete or failed */
};

/* The one place; meeting is all that it is for. */
static struct {
    pthread_mutex_t lock;
    struct forming *first;
} meetings = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the group ------------------------------------------------------------------------------- */

/* Deadlines are on the monotonic clock. */
static void open_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static int open_member(struct local_member *member, int size)
{
    member->lanes = calloc((size_t)size, sizeof *member->lanes);
    if (!member->lanes)
        return -1;
    pthread_mutex_init(&member->box, NULL);
    pthread_mutex_init(&member->bell, NULL);
    open_condition(&member->rung);
    return 0;
}

static void close_member(struct local_member *member)
{
    if (!member->lanes)
        return;
    pthread_cond_destroy(&member->rung);
    pthread_mutex_destroy(&member->bell);
    pthread_mutex_destroy(&member->box);
    free(member->lanes);
}

static void free_group(struct local_group *group)
{
    for (int r = 0; group->members && r < group->size; r++)
        close_member(&group->members[r]);
    free(group->members);
    free(group);
}

gw_status gw_local_group_new(struct local_group **out, int size)
{
    static atomic_uint_fast64_t serial;
    struct local_group *group = calloc(1, sizeof *group);
    if (!group)
        return GW_ENOMEM;
    group->id = atomic_fetch_add(&serial, 1);
    group->size = size;
    atomic_init(&group->users, size);
    group->members = calloc((size_t)size, sizeof *group->members);
    bool good = group->members != NULL;
    for (int r = 0; good && r < size; r++)
        good = open_member(&group->members[r], size) == 0;
    if (!good) {
        free_group(group);
        return GW_ENOMEM;
    }
    *out = group;
    return GW_OK;
}

void gw_local_group_release(struct local_group *group)
{
    if (atomic_fetch_sub(&group->users, 1) == 1)
        free_group(group);
}

/* ---- meeting; all of it under meetings.lock -------------------------------------------------- */

static struct forming *find_forming(const char *name)
{
    for (struct forming *f = meetings.first; f; f = f->next)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static void take_off(struct forming *forming)
{
    struct forming **at = &meetings.first;
    while (*at && *at != forming)
        at = &(*at)->next;
    if (*at)
        *at = forming->next;
}

static struct forming *begin_forming(const char *name, int size)
{
    struct forming *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->present = calloc((size_t)size, sizeof *f->present);
    if (!f->present || gw_local_group_new(&f->group, size)) {
        free(f->present);
        free(f);
        return NULL;
    }
    open_condition(&f->settled);
    snprintf(f->name, sizeof f->name, "%s", name);
    f->next = meetings.first;
    meetings.first = f;
    return f;
}

/* The last one out puts the meeting away; the group itself only if nobody joined it. */
static void leave(struct forming *forming)
{
    if (--forming->inside > 0)
        return;
    take_off(forming);
    if (!forming->complete)
        free_group(forming->group);
    pthread_cond_destroy(&forming->settled);
    free(forming->present);
    free(forming);
}

static gw_status name_absent(const struct forming *forming, int64_t timeout_ns,
                             struct gw_error *error)
{
    char list[256] = "";
    size_t used = 0;
    for (int r = 0; r < forming->group->size && used < sizeof list; r++)
        if (!forming->present[r])
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%d", used ? ", " : "", r);
    return gw_fail(error, GW_ETIMEOUT, "local: group '%s': rank %s did not come within %g s",
                   forming->name, list, (double)timeout_ns / 1e9);
}

static gw_status check_seat(const struct forming *forming, int rank, int size,
                            struct gw_error *error)
{
    if (forming->group->size != size)
        return gw_fail(error, GW_ESPEC,
                       "local: group '%s': rank %d says ranks=%d, others say ranks=%d",
                       forming->name, rank, size, forming->group->size);
    if (forming->present[rank])
        return gw_fail(error, GW_ESPEC, "local: group '%s': two threads say rank=%d", forming->name,
                       rank);
    return GW_OK;
}

static gw_status wait_for_others(struct forming *forming, int64_t timeout_ns,
                                 struct gw_error *error)
{
    int64_t deadline = gw_now_ns() + timeout_ns;
    struct timespec until = { .tv_sec = (time_t)(deadline / 1000000000),
                              .tv_nsec = (long)(deadline % 1000000000) };
    while (!forming->complete && !forming->failed) {
        int late = pthread_cond_timedwait(&forming->settled, &meetings.lock, &until);
        if (late && !forming->complete && !forming->failed) {
            forming->failed = true;
            take_off(forming);
            pthread_cond_broadcast(&forming->settled);
        }
    }
    return forming->complete ? GW_OK : name_absent(forming, timeout_ns, error);
}

static gw_status meet(struct local_group **out, const char *name, int rank, int size,
                      int64_t timeout_ns, struct gw_error *error)
{
    struct forming *forming = find_forming(name);
    if (!forming)
        forming = begin_forming(name, size);
    if (!forming)
        return gw_fail(error, GW_ENOMEM, "local: out of memory for a group of %d", size);
    gw_status s = check_seat(forming, rank, size, error);
    if (s)
        return s;
    forming->inside++;
    forming->present[rank] = true;
    if (++forming->arrived == size) {
        forming->complete = true;
        take_off(forming);
        pthread_cond_broadcast(&forming->settled);
    }
    struct local_group *group = forming->group;
    s = wait_for_others(forming, timeout_ns, error);
    leave(forming);
    if (!s)
        *out = group;
    return s;
}

gw_status gw_local_meet(struct local_group **out, const char *name, int rank, int size,
                        int64_t timeout_ns, struct gw_error *error)
{
    pthread_mutex_lock(&meetings.lock);
    gw_status s = meet(out, name, rank, size, timeout_ns, error);
    pthread_mutex_unlock(&meetings.lock);
    return s;
}
