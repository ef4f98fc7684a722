/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Log files: a header, then records (doc/store-format.md).
 *
 *     header      magic "GWLOG\r\n\0", version u32, zero u32, generation u64, position u64 (records
 *                 in all logs before), salt u64, XXH3-64 of what stands before
 *     record      body bytes u32, type u32, serial u64 (from 0 in each log), synced u64, check u64;
 *                 body; zeros up to a multiple of 8
 *
 * A record's check is XXH3-64 of its body, seeded with that of its first three fields, seeded with
 * the header's check. The salt is a random number, so that neither what a disk block held before
 * nor what a worker puts into a body can pass for a record of this log.
 *
 * Of a flush that was cut off, pages come to the disk in any order: a wrong record with good ones
 * behind it may be an ordinary crash. `synced` tells the two apart: it is how many records were on
 * disk when this one was written. A wrong record that a good one behind it counts among those is
 * damage; else it is where the log ends. The header is synced before the first record is written:
 * a wrong header in a file with more behind it is damage too. */
#include "server/store_parts.h"

#include "base/digest.h"
#include "base/types.h"
#include "session/instance.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMAT_VERSION = 1,
    OFFSET_VERSION = 8,
    OFFSET_ZERO = 12,
    OFFSET_GENERATION = 16,
    OFFSET_POSITION = 24,
    OFFSET_SALT = 32,
    OFFSET_CHECK = 40,
    MAGIC_BYTES = 8,
    RECORD_TYPE = 4,
    RECORD_SERIAL = 8,
    RECORD_SYNCED = 16,
    RECORD_CHECK = 24,
    PIECES_MAX = 64 /* of one write */
};

static const uint8_t magic[] = { 'G', 'W', 'L', 'O', 'G', '\r', '\n', '\0' };

/* ---- header ---------------------------------------------------------------------------------- */

void gw_log_seal_header(uint8_t *header, struct gw_log_head *head)
{
    memcpy(header, magic, MAGIC_BYTES);
    gw_put_u32(header + OFFSET_VERSION, FORMAT_VERSION);
    gw_put_u32(header + OFFSET_ZERO, 0);
    gw_put_u64(header + OFFSET_GENERATION, head->generation);
    gw_put_u64(header + OFFSET_POSITION, head->position);
    gw_put_u64(header + OFFSET_SALT, head->salt);
    head->seed = gw_digest(header, OFFSET_CHECK, 0);
    gw_put_u64(header + OFFSET_CHECK, head->seed);
}

gw_status gw_log_read_header(const uint8_t *file, size_t bytes, struct gw_log_head *head,
                             bool *born, struct gw_error *error)
{
    *born = bytes >= GW_LOG_HEADER && memcmp(file, magic, MAGIC_BYTES) == 0 &&
            gw_get_u64(file + OFFSET_CHECK) == gw_digest(file, OFFSET_CHECK, 0);
    if (!*born && bytes > GW_LOG_HEADER)
        return gw_fail(error, GW_EPAYLOAD, "log's header is damaged (offset 0)");
    if (!*born)
        return GW_OK;
    uint32_t version = gw_get_u32(file + OFFSET_VERSION);
    if (version != FORMAT_VERSION || gw_get_u32(file + OFFSET_ZERO) != 0)
        return gw_fail(error, GW_EPAYLOAD, "log has format version %u, expected %d",
                       (unsigned)version, FORMAT_VERSION);
    head->generation = gw_get_u64(file + OFFSET_GENERATION);
    head->position = gw_get_u64(file + OFFSET_POSITION);
    head->salt = gw_get_u64(file + OFFSET_SALT);
    head->seed = gw_get_u64(file + OFFSET_CHECK);
    return GW_OK;
}

/* ---- records --------------------------------------------------------------------------------- */

static uint64_t check_of(const uint8_t *record, size_t body, uint64_t seed)
{
    return gw_digest(record + GW_RECORD_HEADER, body, gw_digest(record, RECORD_CHECK, seed));
}

void gw_record_seal(uint8_t *record, uint64_t synced, uint64_t seed)
{
    gw_put_u64(record + RECORD_SYNCED, synced);
    gw_put_u64(record + RECORD_CHECK, check_of(record, gw_get_u32(record), seed));
}

struct gw_record *gw_record_new(uint32_t type, uint64_t serial, const struct iovec *pieces,
                                int count, size_t body)
{
    size_t bytes = gw_round_up(GW_RECORD_HEADER + body, GW_RECORD_ALIGN);
    struct gw_record *record = malloc(sizeof *record + bytes);
    if (!record)
        return NULL;
    *record = (struct gw_record){ .serial = serial, .bytes = bytes };
    gw_put_u32(record->data, (uint32_t)body);
    gw_put_u32(record->data + RECORD_TYPE, type);
    gw_put_u64(record->data + RECORD_SERIAL, serial);
    size_t at = GW_RECORD_HEADER;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > 0)
            memcpy(record->data + at, pieces[i].iov_base, pieces[i].iov_len);
        at += pieces[i].iov_len;
    }
    memset(record->data + at, 0, bytes - at);
    return record;
}

/* Bytes of the record here, as it says; 0: it does not fit into `room`. */
static size_t record_bytes(const uint8_t *record, size_t room)
{
    if (room < GW_RECORD_HEADER || gw_get_u32(record) > room - GW_RECORD_HEADER)
        return 0;
    size_t bytes = gw_round_up(GW_RECORD_HEADER + (size_t)gw_get_u32(record), GW_RECORD_ALIGN);
    return bytes <= room ? bytes : 0;
}

static bool is_whole(const uint8_t *record, size_t bytes, uint64_t seed)
{
    size_t body = gw_get_u32(record);
    for (size_t at = GW_RECORD_HEADER + body; at < bytes; at++)
        if (record[at] != 0)
            return false;
    return gw_get_u64(record + RECORD_CHECK) == check_of(record, body, seed);
}

/* ---- read ------------------------------------------------------------------------------------ */

/* Record `serial`, at offset `at`, is wrong. Records are looked for at every place behind it,
 * because its length cannot be believed. Bytes made to look like records everywhere could make that
 * take the square of their number; they are not what a crash leaves. */
static gw_status look_behind(const uint8_t *file, size_t bytes, size_t at, uint64_t serial,
                             uint64_t seed, struct gw_error *error)
{
    uint64_t patience = (uint64_t)bytes * 4;
    for (size_t there = at; bytes - there >= GW_RECORD_HEADER; there += GW_RECORD_ALIGN) {
        const uint8_t *record = file + there;
        uint64_t synced = gw_get_u64(record + RECORD_SYNCED);
        uint64_t its_serial = gw_get_u64(record + RECORD_SERIAL);
        size_t size = record_bytes(record, bytes - there);
        if (size == 0 || synced <= serial || synced > its_serial ||
            its_serial - serial > (there - at) / GW_RECORD_HEADER)
            continue;
        if (size > patience)
            return gw_fail(error, GW_EPAYLOAD,
                           "log's record %llu (offset %zu) is damaged, and what follows was made "
                           "to look like records",
                           (unsigned long long)serial, at);
        patience -= size;
        if (is_whole(record, size, seed))
            return gw_fail(error, GW_EPAYLOAD,
                           "log's record %llu (offset %zu) is damaged: record %llu (offset %zu) "
                           "was written when it was on disk",
                           (unsigned long long)serial, at, (unsigned long long)its_serial, there);
    }
    return GW_OK;
}

gw_status gw_log_scan(const uint8_t *file, size_t bytes, const struct gw_log_head *head,
                      const struct gw_recovery *recovery, size_t *good, uint64_t *records,
                      struct gw_error *error)
{
    size_t at = GW_LOG_HEADER;
    uint64_t serial = 0;
    for (; at < bytes; serial++) {
        const uint8_t *record = file + at;
        size_t size = record_bytes(record, bytes - at);
        if (size == 0 || gw_get_u64(record + RECORD_SERIAL) != serial ||
            gw_get_u64(record + RECORD_SYNCED) > serial || !is_whole(record, size, head->seed))
            break;
        gw_status s = recovery->record(recovery->user, gw_get_u32(record + RECORD_TYPE),
                                       record + GW_RECORD_HEADER, gw_get_u32(record), error);
        if (s)
            return s;
        at += size;
    }
    gw_status s = look_behind(file, bytes, at, serial, head->seed, error);
    if (s)
        return s;
    *good = at;
    *records = serial;
    return GW_OK;
}

gw_status gw_log_read(const uint8_t *file, size_t bytes, const struct gw_recovery *recovery,
                      size_t *good, struct gw_error *error)
{
    struct gw_log_head head;
    bool born;
    uint64_t records;
    gw_status s = gw_log_read_header(file, bytes, &head, &born, error);
    if (s)
        return s;
    if (born)
        return gw_log_scan(file, bytes, &head, recovery, good, &records, error);
    *good = 0;
    return GW_OK;
}

/* ---- write ----------------------------------------------------------------------------------- */

gw_status gw_log_begin(struct gw_disk *disk, struct gw_log_file *log, uint64_t generation,
                       uint64_t position, struct gw_error *error)
{
    gw_disk_close_file(disk, log->fd);
    log->fd = -1;
    log->head = (struct gw_log_head){ generation, position, gw_instance_new(), 0 };
    uint8_t header[GW_LOG_HEADER];
    gw_log_seal_header(header, &log->head);
    struct iovec piece = { header, sizeof header };
    const char *path = gw_disk_path(disk, GW_DISK_LOG, generation);
    gw_status s = gw_disk_open_file(disk, path, O_WRONLY | O_CREAT | O_EXCL, &log->fd, error);
    if (!s)
        s = gw_disk_write(disk, log->fd, path, &piece, 1, error);
    if (!s)
        s = gw_disk_sync(disk, log->fd, path, error);
    return s ? s : gw_disk_sync_folder(disk, error);
}

gw_status gw_log_write(struct gw_disk *disk, struct gw_log_file *log, struct gw_record *first,
                       struct gw_record **rest, struct gw_error *error)
{
    const char *path = gw_disk_path(disk, GW_DISK_LOG, first->generation);
    uint64_t generation = first->generation, synced = first->serial;
    while (first && first->generation == generation) {
        struct iovec pieces[PIECES_MAX];
        int count = 0;
        for (; first && first->generation == generation && count < PIECES_MAX;
             first = first->next) {
            gw_record_seal(first->data, synced, log->head.seed);
            pieces[count++] = (struct iovec){ first->data, first->bytes };
        }
        gw_status s = gw_disk_write(disk, log->fd, path, pieces, count, error);
        if (s)
            return s;
    }
    *rest = first;
    return gw_disk_sync(disk, log->fd, path, error);
}
