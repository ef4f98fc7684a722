/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Snapshot files: an image in one piece with checks around it (doc/store-format.md).
 *
 *     header      magic "GWSNAP\r\n", version u32, zero u32, generation u64, position u64 (records
 *                 that the image holds), image bytes u64, XXH3-64 of what stands before
 *     image
 *     table       XXH3-64 of each block of 1 MiB of the image, the last one shorter
 *     trailer     XXH3-64 of the table, seeded with the header's check; magic "GWSNAPOK"
 *
 * The trailer's check thus depends on every byte. The checks of blocks stand together, not each
 * behind its block, so that the image can be used where it was read to. A file takes its name only
 * when it is whole and on disk, so one that is not whole is damage, not a crash. */
#include "server/store_parts.h"

#include "base/digest.h"
#include "base/types.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMAT_VERSION = 1,
    OFFSET_VERSION = 8,
    OFFSET_ZERO = 12,
    OFFSET_GENERATION = 16,
    OFFSET_POSITION = 24,
    OFFSET_BYTES = 32,
    OFFSET_CHECK = 40,
    CHECK_BYTES = 8,
    MAGIC_BYTES = 8
};

static const uint8_t magic[] = { 'G', 'W', 'S', 'N', 'A', 'P', '\r', '\n' };
static const uint8_t end_magic[] = { 'G', 'W', 'S', 'N', 'A', 'P', 'O', 'K' };

static size_t blocks_of(size_t image_bytes)
{
    return gw_divide_up(image_bytes, GW_SNAPSHOT_BLOCK);
}

static uint64_t block_check(const uint8_t *image, size_t bytes, size_t block)
{
    size_t at = block * GW_SNAPSHOT_BLOCK;
    return gw_digest(image + at, gw_min_size(bytes - at, GW_SNAPSHOT_BLOCK), 0);
}

size_t gw_snapshot_table_bytes(size_t image_bytes)
{
    return blocks_of(image_bytes) * CHECK_BYTES;
}

/* ---- write ----------------------------------------------------------------------------------- */

void gw_snapshot_seal(const struct gw_snapshot_view *view, uint8_t *header, uint8_t *table,
                      uint8_t *trailer)
{
    memcpy(header, magic, MAGIC_BYTES);
    gw_put_u32(header + OFFSET_VERSION, FORMAT_VERSION);
    gw_put_u32(header + OFFSET_ZERO, 0);
    gw_put_u64(header + OFFSET_GENERATION, view->generation);
    gw_put_u64(header + OFFSET_POSITION, view->position);
    gw_put_u64(header + OFFSET_BYTES, view->bytes);
    uint64_t check = gw_digest(header, OFFSET_CHECK, 0);
    gw_put_u64(header + OFFSET_CHECK, check);
    for (size_t i = 0; i < blocks_of(view->bytes); i++)
        gw_put_u64(table + i * CHECK_BYTES, block_check(view->image, view->bytes, i));
    gw_put_u64(trailer, gw_digest(table, gw_snapshot_table_bytes(view->bytes), check));
    memcpy(trailer + CHECK_BYTES, end_magic, MAGIC_BYTES);
}

static gw_status write_pieces(struct gw_disk *disk, const struct gw_snapshot_view *view,
                              uint8_t *table, struct gw_error *error)
{
    uint8_t header[GW_SNAPSHOT_HEADER], trailer[GW_SNAPSHOT_TRAILER];
    gw_snapshot_seal(view, header, table, trailer);
    struct iovec pieces[] = { { header, sizeof header },
                              { (void *)(uintptr_t)view->image, view->bytes },
                              { table, gw_snapshot_table_bytes(view->bytes) },
                              { trailer, sizeof trailer } };
    const char *path = gw_disk_path(disk, GW_DISK_TEMPORARY, view->generation);
    int fd = -1;
    gw_status s = gw_disk_open_file(disk, path, O_WRONLY | O_CREAT | O_TRUNC, &fd, error);
    if (s)
        return s;
    s = gw_disk_write(disk, fd, path, pieces, sizeof pieces / sizeof *pieces, error);
    if (!s)
        s = gw_disk_sync(disk, fd, path, error);
    gw_disk_close_file(disk, fd);
    return s;
}

static gw_status publish(struct gw_disk *disk, uint64_t generation, const char *temporary,
                         struct gw_error *error)
{
    const char *path = gw_disk_path(disk, GW_DISK_SNAPSHOT, generation);
    gw_status s = gw_disk_rename(disk, temporary, path, error);
    return s ? s : gw_disk_sync_folder(disk, error);
}

gw_status gw_snapshot_write(struct gw_disk *disk, const struct gw_snapshot_view *view,
                            struct gw_error *error)
{
    uint8_t *table = malloc(gw_snapshot_table_bytes(view->bytes) + 1);
    char *temporary = strdup(gw_disk_path(disk, GW_DISK_TEMPORARY, view->generation));
    gw_status s = GW_OK;
    if (!table || !temporary)
        s = gw_fail(error, GW_ENOMEM, "out of memory for the snapshot of generation %llu",
                    (unsigned long long)view->generation);
    if (!s) {
        s = write_pieces(disk, view, table, error);
        if (!s)
            s = publish(disk, view->generation, temporary, error);
        if (s)
            gw_disk_remove(disk, GW_DISK_TEMPORARY, view->generation);
    }
    free(table);
    free(temporary);
    return s;
}

/* ---- read ------------------------------------------------------------------------------------ */

static gw_status check_header(const uint8_t *file, size_t bytes, struct gw_error *error)
{
    if (bytes < GW_SNAPSHOT_HEADER + GW_SNAPSHOT_TRAILER)
        return gw_fail(error, GW_EPAYLOAD, "snapshot of %zu bytes, the smallest has %d", bytes,
                       GW_SNAPSHOT_HEADER + GW_SNAPSHOT_TRAILER);
    if (memcmp(file, magic, MAGIC_BYTES) != 0)
        return gw_fail(error, GW_EPAYLOAD, "does not begin as a snapshot does");
    if (gw_get_u64(file + OFFSET_CHECK) != gw_digest(file, OFFSET_CHECK, 0))
        return gw_fail(error, GW_EPAYLOAD, "snapshot's header is damaged (offset 0)");
    uint32_t version = gw_get_u32(file + OFFSET_VERSION);
    if (version != FORMAT_VERSION || gw_get_u32(file + OFFSET_ZERO) != 0)
        return gw_fail(error, GW_EPAYLOAD, "snapshot has format version %u, expected %d",
                       (unsigned)version, FORMAT_VERSION);
    return GW_OK;
}

static gw_status check_blocks(const struct gw_snapshot_view *view, const uint8_t *table,
                              struct gw_error *error)
{
    for (size_t i = 0; i < blocks_of(view->bytes); i++)
        if (gw_get_u64(table + i * CHECK_BYTES) != block_check(view->image, view->bytes, i))
            return gw_fail(
                error, GW_EPAYLOAD, "snapshot's block %zu of %zu is damaged (offset %zu)", i,
                blocks_of(view->bytes), GW_SNAPSHOT_HEADER + i * (size_t)GW_SNAPSHOT_BLOCK);
    return GW_OK;
}

gw_status gw_snapshot_read(const uint8_t *file, size_t bytes, struct gw_snapshot_view *view,
                           struct gw_error *error)
{
    gw_status s = check_header(file, bytes, error);
    if (s)
        return s;
    uint64_t announced = gw_get_u64(file + OFFSET_BYTES);
    size_t room = bytes - GW_SNAPSHOT_HEADER - GW_SNAPSHOT_TRAILER;
    if (announced > room || announced + gw_snapshot_table_bytes((size_t)announced) != room)
        return gw_fail(
            error, GW_EPAYLOAD,
            "snapshot announces an image of %llu bytes, which does not fit a file of %zu",
            (unsigned long long)announced, bytes);
    struct gw_snapshot_view found = { .generation = gw_get_u64(file + OFFSET_GENERATION),
                                      .position = gw_get_u64(file + OFFSET_POSITION),
                                      .image = file + GW_SNAPSHOT_HEADER,
                                      .bytes = (size_t)announced };
    const uint8_t *table = found.image + found.bytes;
    const uint8_t *trailer = file + bytes - GW_SNAPSHOT_TRAILER;
    uint64_t check =
        gw_digest(table, gw_snapshot_table_bytes(found.bytes), gw_get_u64(file + OFFSET_CHECK));
    if (memcmp(trailer + CHECK_BYTES, end_magic, MAGIC_BYTES) != 0 || gw_get_u64(trailer) != check)
        return gw_fail(error, GW_EPAYLOAD, "snapshot's end is damaged (offset %zu)",
                       (size_t)(table - file));
    s = check_blocks(&found, table, error);
    if (s)
        return s;
    *view = found;
    return GW_OK;
}

gw_status gw_snapshot_check(const uint8_t *file, size_t bytes, const uint8_t **image,
                            size_t *image_bytes, struct gw_error *error)
{
    struct gw_snapshot_view view;
    gw_status s = gw_snapshot_read(file, bytes, &view, error);
    if (s)
        return s;
    *image = view.image;
    *image_bytes = view.bytes;
    return GW_OK;
}
