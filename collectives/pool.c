/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The pool: threads that sleep until a job has steps for them. Jobs take turns. */
#include "collectives/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct worker {
    struct gw_pool *pool;
    pthread_t id;
    struct worker *next;
};

struct gw_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct gw_cores *cores; /* NULL: threads go where the system puts them */
    struct worker *workers;
    int workers_count, users;
    int busy;
    uint64_t steps;
    int asleep, called; /* workers in wait for work, and how many of them have been called */
    bool ends, awaited;
    struct gw_pool_job *first, *last;
};

void gw_pool_lock(struct gw_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
}

void gw_pool_unlock(struct gw_pool *pool)
{
    pthread_mutex_unlock(&pool->lock);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void append(struct gw_pool *pool, struct gw_pool_job *job)
{
    job->next = NULL;
    job->listed = true;
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
}

void gw_pool_offer(struct gw_pool *pool, struct gw_pool_job *job)
{
    if (!job->listed)
        append(pool, job);
    if (pool->asleep > pool->called) {
        pool->called++;
        pthread_cond_signal(&pool->work);
    }
}

void gw_pool_withdraw(struct gw_pool *pool, struct gw_pool_job *job)
{
    struct gw_pool_job *before = NULL;
    if (!job->listed)
        return;
    for (struct gw_pool_job *at = pool->first; at != job; at = at->next)
        before = at;
    if (before)
        before->next = job->next;
    else
        pool->first = job->next;
    if (pool->last == job)
        pool->last = before;
    job->listed = false;
}

void gw_pool_wait(struct gw_pool *pool, int64_t until_ns)
{
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
                              .tv_nsec = (long)(until_ns % 1000000000) };
    pool->awaited = true;
    (void)pthread_cond_timedwait(&pool->done, &pool->lock, &until);
}

uint64_t gw_pool_steps(struct gw_pool *pool)
{
    if (!pool)
        return 0;
    pthread_mutex_lock(&pool->lock);
    uint64_t steps = pool->steps;
    pthread_mutex_unlock(&pool->lock);
    return steps;
}

bool gw_pool_rest(struct gw_pool *pool, uint64_t steps, int64_t until_ns)
{
    if (!pool)
        return false;
    pthread_mutex_lock(&pool->lock);
    bool again = pool->steps != steps || pool->busy > 0;
    if (pool->steps == steps && pool->busy > 0)
        gw_pool_wait(pool, until_ns);
    pthread_mutex_unlock(&pool->lock);
    return again;
}

/* ---- threads --------------------------------------------------------------------------------- */

static void sleep_until_called(struct gw_pool *pool)
{
    pool->asleep++;
    pthread_cond_wait(&pool->work, &pool->lock);
    pool->asleep--;
    if (pool->called > 0)
        pool->called--;
}

static void do_step(struct gw_pool *pool, struct gw_pool_job *job)
{
    /* To the end of the line, as long as it has something. */
    gw_pool_withdraw(pool, job);
    append(pool, job);
    pool->busy++;
    if (job->step(job))
        pool->steps++;
    else
        gw_pool_withdraw(pool, job);
    pool->busy--;
    if (pool->awaited)
        pthread_cond_broadcast(&pool->done);
    pool->awaited = false;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    struct gw_pool *pool = worker->pool;
    if (pool->cores)
        gw_cores_bind(pool->cores);
    pthread_mutex_lock(&pool->lock);
    while (!pool->ends) {
        struct gw_pool_job *job = pool->first;
        if (!job) {
            sleep_until_called(pool);
            continue;
        }
        do_step(pool, job);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are the program's affair: its own threads get them. */
static int start_thread(struct worker *worker)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&worker->id, NULL, run_worker, worker);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return code;
}

static gw_status grow(struct gw_pool *pool, int workers, struct gw_error *error)
{
    while (pool->workers_count < workers) {
        struct worker *worker = calloc(1, sizeof *worker);
        if (!worker)
            return gw_fail(error, GW_ENOMEM, "not enough memory for %d threads", workers);
        worker->pool = pool;
        if (start_thread(worker)) {
            free(worker);
            return gw_fail(error, GW_ENOMEM, "the system gives no more than %d of %d threads",
                           pool->workers_count, workers);
        }
        worker->next = pool->workers;
        pool->workers = worker;
        pool->workers_count++;
    }
    return GW_OK;
}

/* ---- open and close -------------------------------------------------------------------------- */

static struct gw_pool *open_pool(gw_comm *comm, int threads)
{
    struct gw_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, &attributes);
    pthread_cond_init(&pool->done, &attributes);
    pthread_condattr_destroy(&attributes);
    if (threads <= comm->share_cores)
        pool->cores = gw_cores_open(comm);
    return pool;
}

static void close_pool(struct gw_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ends = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (struct worker *next, *worker = pool->workers; worker; worker = next) {
        next = worker->next;
        pthread_join(worker->id, NULL);
        free(worker);
    }
    gw_cores_close(pool->cores);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

gw_status gw_pool_join(gw_comm *comm, int threads, struct gw_error *error)
{
    if (!comm->pool)
        comm->pool = open_pool(comm, threads);
    if (!comm->pool)
        return gw_fail(error, GW_ENOMEM, "not enough memory for a pool of threads");
    comm->pool->users++;
    gw_status s = grow(comm->pool, threads - 1, error);
    if (s)
        gw_pool_leave(comm);
    return s;
}

void gw_pool_leave(gw_comm *comm)
{
    if (--comm->pool->users > 0)
        return;
    close_pool(comm->pool);
    comm->pool = NULL;
}
