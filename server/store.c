/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The store: a queue of records that the owner fills, and what writes it out.
 *
 * The lock holds for the queue and the numbers beside it, never during I/O. Whoever flushes takes
 * the whole queue. Records know their generation: those before a turn go to the old log, those
 * behind it to the new one, which is made when the first of them is written, after the old log is
 * on disk. So turning needs no I/O, and a log that exists proves that nothing before it is missing.
 *
 * `broken` is the newest generation whose log failed. A snapshot of a later generation heals: it
 * holds what records up to its turn have done, and those behind the turn waited in the queue. */
#include "server/store.h"

#include "server/store_parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct gw_store {
    /* Of whoever flushes or writes a snapshot: one at a time. */
    struct gw_disk disk;
    struct gw_log_file log;
    uint64_t standing; /* the newest snapshot known to be whole; 0: none */

    bool logs;
    pthread_mutex_t lock; /* for all below */
    struct gw_record *first, *last;
    size_t pending;
    uint64_t generation;
    uint64_t position; /* of the next record */
    uint64_t start;    /* position where this generation began */
    bool turned;       /* since the store was opened */
    uint64_t broken;   /* 0: none */
    struct gw_error why;
};

/* ---- queue: with the lock held --------------------------------------------------------------- */

static void free_records(struct gw_record *first)
{
    while (first) {
        struct gw_record *next = first->next;
        free(first);
        first = next;
    }
}

static void put_last(struct gw_store *store, struct gw_record *record)
{
    record->next = NULL;
    if (store->last)
        store->last->next = record;
    else
        store->first = record;
    store->last = record;
}

/* Records of generations up to `broken`, which stand at the front, are of no use any more. */
static void give_up(struct gw_store *store)
{
    while (store->first && store->first->generation <= store->broken) {
        struct gw_record *next = store->first->next;
        store->pending -= store->first->bytes;
        free(store->first);
        store->first = next;
    }
    if (!store->first)
        store->last = NULL;
}

/* ---- open and close -------------------------------------------------------------------------- */

static gw_status begin(struct gw_store *store, const char *folder, const struct gw_files *files,
                       const struct gw_recovery *recovery, char *said, struct gw_error *error)
{
    struct gw_recovered recovered;
    gw_status s = gw_disk_open(&store->disk, folder, files, error);
    if (s)
        return s;
    s = gw_store_recover(&store->disk, recovery, said, &recovered, error);
    if (!s)
        s = gw_disk_sync_folder(&store->disk, error);
    if (!s) {
        store->standing = recovered.snapshot;
        store->generation = recovered.newest + 1;
        store->position = store->start = recovered.position;
    }
    if (!s && store->logs)
        s = gw_log_begin(&store->disk, &store->log, store->generation, store->start, error);
    return s;
}

gw_status gw_store_open(struct gw_store **out, const char *folder, bool logs,
                        const struct gw_files *files, const struct gw_recovery *recovery,
                        char *said, struct gw_error *error)
{
    struct gw_store *store = calloc(1, sizeof *store);
    if (!store || pthread_mutex_init(&store->lock, NULL) != 0) {
        free(store);
        return gw_fail(error, GW_ENOMEM, "out of memory for the store in %.400s", folder);
    }
    store->logs = logs;
    store->log.fd = store->disk.folder_fd = store->disk.lock_fd = -1;
    gw_status s = begin(store, folder, files, recovery, said, error);
    if (s)
        gw_store_close(store);
    else
        *out = store;
    return s;
}

void gw_store_close(struct gw_store *store)
{
    if (!store)
        return;
    free_records(store->first);
    gw_disk_close_file(&store->disk, store->log.fd);
    gw_disk_close(&store->disk);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* ---- append ---------------------------------------------------------------------------------- */

gw_status gw_store_append(struct gw_store *store, uint32_t type, const struct iovec *pieces,
                          int count, struct gw_error *error)
{
    size_t body = 0;
    if (!store->logs)
        return gw_fail(error, GW_ESTATE, "a store without logs takes no records");
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > UINT32_MAX - body)
            return gw_fail(error, GW_EINVAL, "a record's body has 4 GiB or more");
        body += pieces[i].iov_len;
    }
    /* Only the owner, who is here, changes these two. */
    uint64_t serial = store->position - store->start;
    struct gw_record *record = gw_record_new(type, serial, pieces, count, body);
    if (!record)
        return gw_fail(error, GW_ENOMEM, "out of memory for a record of %zu bytes", body);
    record->generation = store->generation;
    record->position = store->position;
    pthread_mutex_lock(&store->lock);
    store->position++;
    put_last(store, record);
    store->pending += record->bytes;
    give_up(store); /* it too, where its log has failed */
    pthread_mutex_unlock(&store->lock);
    return GW_OK;
}

size_t gw_store_pending(const struct gw_store *store)
{
    struct gw_store *s = (struct gw_store *)(uintptr_t)store;
    pthread_mutex_lock(&s->lock);
    size_t pending = s->pending;
    pthread_mutex_unlock(&s->lock);
    return pending;
}

bool gw_store_is_sick(const struct gw_store *store)
{
    struct gw_store *s = (struct gw_store *)(uintptr_t)store;
    pthread_mutex_lock(&s->lock);
    bool sick = s->broken != 0;
    pthread_mutex_unlock(&s->lock);
    return sick;
}

/* ---- flush ----------------------------------------------------------------------------------- */

/* The records at the front that are of one generation. */
static gw_status write_some(struct gw_store *store, struct gw_record *first,
                            struct gw_record **rest, struct gw_error *error)
{
    if (store->log.fd < 0 || store->log.head.generation != first->generation) {
        gw_status s = gw_log_begin(&store->disk, &store->log, first->generation,
                                   first->position - first->serial, error);
        if (s)
            return s;
    }
    return gw_log_write(&store->disk, &store->log, first, rest, error);
}

/* What was taken from the queue and not written goes back to its front. */
static void fall_sick(struct gw_store *store, struct gw_record *unwritten,
                      const struct gw_error *why)
{
    pthread_mutex_lock(&store->lock);
    struct gw_record *last = unwritten;
    while (last->next)
        last = last->next;
    last->next = store->first;
    store->first = unwritten;
    if (!store->last)
        store->last = last;
    store->broken = unwritten->generation;
    store->why = *why;
    give_up(store);
    pthread_mutex_unlock(&store->lock);
}

static struct gw_record *take_all(struct gw_store *store)
{
    struct gw_record *first = store->first;
    store->first = store->last = NULL;
    return first;
}

static gw_status write_all(struct gw_store *store, struct gw_record *first, struct gw_error *error)
{
    while (first) {
        struct gw_error why = { .status = GW_OK };
        struct gw_record *rest = NULL;
        gw_status s = write_some(store, first, &rest, &why);
        if (s) {
            fall_sick(store, first, &why);
            gw_error_set(error, s, "%s", why.text);
            return s;
        }
        size_t written = 0;
        while (first != rest) {
            struct gw_record *next = first->next;
            written += first->bytes;
            free(first);
            first = next;
        }
        pthread_mutex_lock(&store->lock);
        store->pending -= written;
        pthread_mutex_unlock(&store->lock);
    }
    return GW_OK;
}

gw_status gw_store_flush(struct gw_store *store, struct gw_error *error)
{
    struct gw_error why = { .status = GW_OK };
    struct gw_record *first = NULL;
    pthread_mutex_lock(&store->lock);
    if (store->broken)
        why = store->why;
    else
        first = take_all(store);
    pthread_mutex_unlock(&store->lock);
    if (why.status)
        return gw_fail(error, GW_EIO, "no log is written until a new snapshot stands, since: %s",
                       why.text);
    return write_all(store, first, error);
}

/* ---- generations ----------------------------------------------------------------------------- */

void gw_store_turn(struct gw_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->generation++;
    store->start = store->position;
    store->turned = true;
    pthread_mutex_unlock(&store->lock);
}

/* Keeps the snapshot that stands, the one that stood before, and the logs from that on. Snapshots
 * that recovery did not take go too: they are not known to be whole. What cannot be listed or
 * removed now will be another time. */
static void remove_old(struct gw_store *store, uint64_t before, uint64_t now)
{
    struct gw_disk_name *names = NULL;
    size_t count = 0;
    if (gw_disk_list(&store->disk, &names, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t g = names[i].generation;
        bool old = names[i].kind == GW_DISK_LOG ? g < before : g < now && g != before;
        if (old)
            gw_disk_remove(&store->disk, names[i].kind, g);
    }
    free(names);
}

/* A snapshot could not be written while the store is sick: records behind its turn are given up,
 * lest they pile up as long as the disk is full. The next turn's snapshot will hold them. */
static void stay_sick(struct gw_store *store, uint64_t generation)
{
    pthread_mutex_lock(&store->lock);
    if (store->broken && store->broken < generation)
        store->broken = generation;
    give_up(store);
    pthread_mutex_unlock(&store->lock);
}

/* Whether a snapshot of this generation makes the store well. */
static bool heal(struct gw_store *store, uint64_t generation, struct gw_error *why)
{
    pthread_mutex_lock(&store->lock);
    if (store->broken < generation)
        store->broken = 0;
    else
        *why = store->why;
    bool well = store->broken == 0;
    pthread_mutex_unlock(&store->lock);
    return well;
}

gw_status gw_store_snapshot(struct gw_store *store, const void *image, size_t bytes,
                            struct gw_error *error)
{
    pthread_mutex_lock(&store->lock);
    struct gw_snapshot_view view = { store->generation, store->start, image, bytes };
    bool turned = store->turned;
    pthread_mutex_unlock(&store->lock);
    if (!turned || view.generation <= store->standing)
        return gw_fail(error, GW_ESTATE, "a snapshot without a turn since the one before");
    gw_status s = gw_snapshot_write(&store->disk, &view, error);
    if (s) {
        stay_sick(store, view.generation);
        return s;
    }
    uint64_t before = store->standing;
    store->standing = view.generation;
    if (before)
        remove_old(store, before, view.generation);
    struct gw_error why = { .status = GW_OK };
    if (!heal(store, view.generation, &why))
        return gw_fail(error, GW_EIO, "the snapshot stands, but its log has failed: %s", why.text);
    return GW_OK;
}
