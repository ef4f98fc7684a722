/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Recovery: the newest snapshot that is whole, then the records behind it.
 *
 * Every record has a position among all that the folder ever held. A snapshot says how many its
 * image holds, a log how many were in all logs before it; so the logs behind a snapshot either
 * continue each other without a gap or the folder is damaged. A log is made only when all records
 * before it are on disk (in logs or in a snapshot that stands), so no crash leaves a gap, at
 * whatever moment of whatever opening; a log whose header did not come to be, or that has no
 * records, says nothing and is removed.
 *
 * What was read may still be in memory only, if the server before was killed: logs are synced here
 * before anything is built on them. */
#include "server/store_parts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Later generations have to be nameable, whatever names a folder holds. */
static const uint64_t generation_max = (uint64_t)1 << 62;

struct recovering {
    struct gw_disk *disk;
    const struct gw_recovery *recovery;
    char *said;
    struct gw_recovered *so_far;
};

/* Sentences, one behind the other, as many as fit. */
__attribute__((format(printf, 2, 3))) static void say(struct recovering *r, const char *format, ...)
{
    if (!r->said)
        return;
    size_t at = strlen(r->said);
    if (at > 0 && at + 2 < GW_ERROR_TEXT) {
        memcpy(r->said + at, "; ", 3);
        at += 2;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(r->said + at, GW_ERROR_TEXT - at, format, args);
    va_end(args);
}

/* Words about a file get its path in front. */
static gw_status in_file(const char *path, gw_status status, const struct gw_error *why,
                         struct gw_error *error)
{
    gw_error_set(error, status, "%.300s: %s", path, why->text);
    return status;
}

static gw_status read_file(struct gw_disk *disk, const char *path, int flags, int *fd,
                           uint8_t **bytes, size_t *count, struct gw_error *error)
{
    gw_status s = gw_disk_open_file(disk, path, flags, fd, error);
    if (s)
        return s;
    s = gw_disk_read(disk, *fd, path, bytes, count, error);
    if (s)
        gw_disk_close_file(disk, *fd);
    return s;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

/* GW_EPAYLOAD with `*skip` set: it is not whole, an older one may be. */
static gw_status try_snapshot(struct recovering *r, uint64_t generation, bool *skip,
                              struct gw_error *error)
{
    const char *path = gw_disk_path(r->disk, GW_DISK_SNAPSHOT, generation);
    uint8_t *file = NULL;
    size_t bytes = 0;
    int fd = -1;
    *skip = false;
    gw_status s = read_file(r->disk, path, O_RDONLY, &fd, &file, &bytes, error);
    if (s)
        return s;
    gw_disk_close_file(r->disk, fd);
    struct gw_snapshot_view view = { .generation = 0 };
    struct gw_error why = { .status = GW_OK };
    s = gw_snapshot_read(file, bytes, &view, &why);
    if (!s && view.generation != generation)
        s = gw_fail(&why, GW_EPAYLOAD, "this is the snapshot of generation %" PRIu64,
                    view.generation);
    *skip = s != GW_OK;
    if (!s)
        s = r->recovery->snapshot(r->recovery->user, view.image, view.bytes, &why);
    free(file);
    if (s)
        return in_file(path, s, &why, error);
    r->so_far->snapshot = generation;
    r->so_far->position = view.position;
    return GW_OK;
}

static gw_status recover_snapshot(struct recovering *r, const struct gw_disk_name *names,
                                  size_t count, struct gw_error *error)
{
    struct gw_error newest = { .status = GW_OK };
    size_t snapshots = 0;
    while (snapshots < count && names[snapshots].kind == GW_DISK_SNAPSHOT)
        snapshots++;
    for (size_t i = snapshots; i-- > 0;) {
        struct gw_error why = { .status = GW_OK };
        bool skip;
        gw_status s = try_snapshot(r, names[i].generation, &skip, &why);
        if (!s)
            return GW_OK;
        if (!skip) {
            gw_error_set(error, s, "%s", why.text);
            return s;
        }
        say(r, "skipped %s", why.text);
        if (!newest.status)
            newest = why;
    }
    if (snapshots > 0)
        return gw_fail(error, GW_EPAYLOAD, "none of %zu snapshots is whole; the newest: %s",
                       snapshots, newest.text);
    return GW_OK;
}

/* ---- logs ------------------------------------------------------------------------------------ */

static gw_status check_place(struct recovering *r, const struct gw_log_head *head,
                             uint64_t generation, struct gw_error *error)
{
    if (head->generation != generation)
        return gw_fail(error, GW_EPAYLOAD, "this is the log of generation %" PRIu64,
                       head->generation);
    if (head->position > r->so_far->position)
        return gw_fail(error, GW_EPAYLOAD,
                       "log begins with record %" PRIu64 ", but what stands before it ends at "
                       "record %" PRIu64 ": records are missing",
                       head->position, r->so_far->position);
    if (head->position < r->so_far->position)
        return gw_fail(error, GW_EPAYLOAD,
                       "log begins with record %" PRIu64 ", but what stands before it goes on to "
                       "record %" PRIu64,
                       head->position, r->so_far->position);
    return GW_OK;
}

/* Hand out the records; then leave a file on disk that ends behind the last of them. */
static gw_status replay(struct recovering *r, const struct gw_disk_name *name, const char *path,
                        int fd, const uint8_t *file, size_t bytes, struct gw_error *error)
{
    struct gw_log_head head = { 0 };
    struct gw_error why = { .status = GW_OK };
    bool born;
    size_t good = 0;
    uint64_t records = 0;
    gw_status s = gw_log_read_header(file, bytes, &head, &born, &why);
    if (!s && born)
        s = check_place(r, &head, name->generation, &why);
    if (!s && born)
        s = gw_log_scan(file, bytes, &head, r->recovery, &good, &records, &why);
    if (s)
        return in_file(path, s, &why, error);
    r->so_far->position += records;
    if (good < bytes) {
        say(r, "cut %zu bytes of a torn end off %.300s at offset %zu", bytes - good, path, good);
        s = gw_disk_truncate(r->disk, fd, path, good, error);
    }
    if (!s && records > 0)
        s = gw_disk_sync(r->disk, fd, path, error);
    if (!s && records == 0)
        gw_disk_remove(r->disk, GW_DISK_LOG, name->generation);
    return s;
}

static gw_status recover_log(struct recovering *r, const struct gw_disk_name *name,
                             struct gw_error *error)
{
    const char *path = gw_disk_path(r->disk, GW_DISK_LOG, name->generation);
    uint8_t *file = NULL;
    size_t bytes = 0;
    int fd = -1;
    gw_status s = read_file(r->disk, path, O_RDWR, &fd, &file, &bytes, error);
    if (s)
        return s;
    s = replay(r, name, path, fd, file, bytes, error);
    free(file);
    gw_disk_close_file(r->disk, fd);
    return s;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static gw_status recover(struct recovering *r, const struct gw_disk_name *names, size_t count,
                         struct gw_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].kind == GW_DISK_TEMPORARY)
            gw_disk_remove(r->disk, GW_DISK_TEMPORARY, names[i].generation);
        else if (names[i].generation > r->so_far->newest)
            r->so_far->newest = names[i].generation;
    }
    if (r->so_far->newest > generation_max)
        return gw_fail(error, GW_EPAYLOAD, "%.300s holds a file of generation %" PRIu64,
                       r->disk->folder, r->so_far->newest);
    gw_status s = recover_snapshot(r, names, count, error);
    for (size_t i = 0; i < count && !s; i++)
        if (names[i].kind == GW_DISK_LOG && names[i].generation >= r->so_far->snapshot)
            s = recover_log(r, &names[i], error);
    return s;
}

gw_status gw_store_recover(struct gw_disk *disk, const struct gw_recovery *recovery, char *said,
                           struct gw_recovered *recovered, struct gw_error *error)
{
    struct recovering r = { disk, recovery, said, recovered };
    struct gw_disk_name *names = NULL;
    size_t count = 0;
    *recovered = (struct gw_recovered){ 0 };
    if (said)
        said[0] = '\0';
    gw_status s = gw_disk_list(disk, &names, &count, error);
    if (s)
        return s;
    s = recover(&r, names, count, error);
    free(names);
    return s;
}
