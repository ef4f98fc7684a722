/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Counted payloads, and the pools that they come from. */
#include "session/blob.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

struct gw_blob_pool {
    pthread_mutex_t lock;
    struct gw_blob *first;     /* unused, the newest first: it is in the cache */
    size_t unused, used, most; /* bytes; `most` were in use at one time */
    size_t living;             /* blobs that hold the pool open */
    int closed;
};

/* ---- blobs ----------------------------------------------------------------------------------- */

static struct gw_blob *make(size_t bytes)
{
    struct gw_blob *blob = bytes <= SIZE_MAX - sizeof *blob ? malloc(sizeof *blob + bytes) : NULL;
    if (blob)
        *blob = (struct gw_blob){ .room = bytes };
    return blob;
}

static struct gw_blob *begin(struct gw_blob *blob, size_t bytes)
{
    atomic_store_explicit(&blob->users, 1, memory_order_relaxed);
    blob->bytes = bytes;
    blob->checksum = 0;
    return blob;
}

struct gw_blob *gw_blob_new(size_t bytes)
{
    struct gw_blob *blob = make(bytes);
    return blob ? begin(blob, bytes) : NULL;
}

struct gw_blob *gw_blob_copy(const void *data, size_t bytes)
{
    struct gw_blob *blob = gw_blob_new(bytes);
    if (!blob)
        return NULL;
    if (bytes > 0)
        memcpy(blob->data, data, bytes);
    gw_blob_seal(blob);
    return blob;
}

void gw_blob_seal(struct gw_blob *blob)
{
    blob->checksum = gw_digest(blob->data, blob->bytes, 0);
}

struct gw_blob *gw_blob_share(struct gw_blob *blob)
{
    if (blob)
        atomic_fetch_add_explicit(&blob->users, 1, memory_order_relaxed);
    return blob;
}

/* ---- pools ----------------------------------------------------------------------------------- */

struct gw_blob_pool *gw_blob_pool_open(void)
{
    struct gw_blob_pool *pool = calloc(1, sizeof *pool);
    if (pool)
        pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

/* Unused blobs beyond `keep` bytes, the oldest last: cut off, to be freed outside of the lock. */
static struct gw_blob *trim(struct gw_blob_pool *pool, size_t keep)
{
    struct gw_blob **at = &pool->first, *rest;
    size_t kept = 0;
    while (*at && kept + (*at)->room <= keep) {
        kept += (*at)->room;
        at = &(*at)->next;
    }
    rest = *at;
    *at = NULL;
    pool->unused = kept;
    return rest;
}

static void free_list(struct gw_blob *blob)
{
    while (blob) {
        struct gw_blob *next = blob->next;
        free(blob);
        blob = next;
    }
}

static void release(struct gw_blob_pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void gw_blob_pool_close(struct gw_blob_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closed = 1;
    struct gw_blob *rest = pool->first; /* those without a byte, too */
    pool->first = NULL;
    pool->unused = 0;
    int last = pool->living == 0;
    pthread_mutex_unlock(&pool->lock);
    free_list(rest);
    if (last)
        release(pool);
}

/* The first that is large enough and not much too large. */
static struct gw_blob *find(struct gw_blob_pool *pool, size_t bytes)
{
    for (struct gw_blob **at = &pool->first; *at; at = &(*at)->next) {
        struct gw_blob *blob = *at;
        if (blob->room < bytes || blob->room / 2 > bytes)
            continue;
        *at = blob->next;
        pool->unused -= blob->room;
        return blob;
    }
    return NULL;
}

static void note_used(struct gw_blob_pool *pool, const struct gw_blob *blob)
{
    pool->living++;
    pool->used += blob->room;
    if (pool->used > pool->most)
        pool->most = pool->used;
}

struct gw_blob *gw_blob_take(struct gw_blob_pool *pool, size_t bytes)
{
    if (!pool)
        return gw_blob_new(bytes);
    pthread_mutex_lock(&pool->lock);
    struct gw_blob *blob = find(pool, bytes);
    pthread_mutex_unlock(&pool->lock);
    if (!blob)
        blob = make(bytes);
    if (!blob)
        return NULL;
    blob->pool = pool;
    pthread_mutex_lock(&pool->lock);
    note_used(pool, blob);
    pthread_mutex_unlock(&pool->lock);
    return begin(blob, bytes);
}

static void give_back(struct gw_blob *blob)
{
    struct gw_blob_pool *pool = blob->pool;
    pthread_mutex_lock(&pool->lock);
    pool->living--;
    pool->used -= blob->room;
    pool->unused += blob->room;
    blob->next = pool->first;
    pool->first = blob;
    struct gw_blob *rest = pool->closed                ? trim(pool, 0)
                           : pool->unused > pool->most ? trim(pool, pool->most)
                                                       : NULL;
    int last = pool->closed && pool->living == 0;
    pthread_mutex_unlock(&pool->lock);
    free_list(rest);
    if (last)
        release(pool);
}

void gw_blob_drop(struct gw_blob *blob)
{
    if (!blob || atomic_fetch_sub_explicit(&blob->users, 1, memory_order_acq_rel) != 1)
        return;
    if (blob->pool)
        give_back(blob);
    else
        free(blob);
}
