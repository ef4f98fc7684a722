/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The store's parts, for its own files and for tests that write what no store would write. */
#ifndef GW_SERVER_STORE_PARTS_H
#define GW_SERVER_STORE_PARTS_H

#include "server/store.h"

/* ---- store_disk.c: a folder, and calls that finish or say why not ------------------------------
 */

enum gw_disk_kind { GW_DISK_SNAPSHOT, GW_DISK_LOG, GW_DISK_TEMPORARY };

struct gw_disk {
    const struct gw_files *files;
    char *folder; /* without a slash at its end */
    char *path;   /* room for the path of any file in it, so that no write needs memory */
    size_t path_bytes;
    int folder_fd, lock_fd; /* -1: not open */
};

struct gw_disk_name {
    enum gw_disk_kind kind;
    uint64_t generation;
};

/* Make the folder if there is none, and lock it. On an error `disk` is closed. */
gw_status gw_disk_open(struct gw_disk *disk, const char *folder, const struct gw_files *files,
                       struct gw_error *error);
void gw_disk_close(struct gw_disk *disk);

/* The path of a file, in disk->path. */
const char *gw_disk_path(struct gw_disk *disk, enum gw_disk_kind kind, uint64_t generation);

/* Names that the store gives, ascending by kind, then by generation; others are left out. Malloced.
 */
gw_status gw_disk_list(struct gw_disk *disk, struct gw_disk_name **names, size_t *count,
                       struct gw_error *error);

gw_status gw_disk_open_file(struct gw_disk *disk, const char *path, int flags, int *fd,
                            struct gw_error *error);
/* The whole file, malloced (never NULL). */
gw_status gw_disk_read(struct gw_disk *disk, int fd, const char *path, uint8_t **bytes,
                       size_t *count, struct gw_error *error);
/* All of the pieces, which are changed. */
gw_status gw_disk_write(struct gw_disk *disk, int fd, const char *path, struct iovec *pieces,
                        int count, struct gw_error *error);
gw_status gw_disk_truncate(struct gw_disk *disk, int fd, const char *path, size_t bytes,
                           struct gw_error *error);
gw_status gw_disk_sync(struct gw_disk *disk, int fd, const char *path, struct gw_error *error);
gw_status gw_disk_sync_folder(struct gw_disk *disk, struct gw_error *error);
gw_status gw_disk_rename(struct gw_disk *disk, const char *from, const char *to,
                         struct gw_error *error);
/* What cannot be removed stays until the next time. */
void gw_disk_remove(struct gw_disk *disk, enum gw_disk_kind kind, uint64_t generation);
void gw_disk_close_file(struct gw_disk *disk, int fd); /* -1 is fine */

/* ---- store_snapshot.c -------------------------------------------------------------------------
 */

enum {
    GW_SNAPSHOT_HEADER = 48,
    GW_SNAPSHOT_BLOCK = 1 << 20,
    GW_SNAPSHOT_TRAILER = 16,
};

struct gw_snapshot_view {
    uint64_t generation;
    uint64_t position; /* records that the image holds */
    const uint8_t *image;
    size_t bytes;
};

/* Header, table and trailer around an image. `table` has gw_snapshot_table_bytes(bytes). */
size_t gw_snapshot_table_bytes(size_t image_bytes);
void gw_snapshot_seal(const struct gw_snapshot_view *view, uint8_t *header, uint8_t *table,
                      uint8_t *trailer);
gw_status gw_snapshot_read(const uint8_t *file, size_t bytes, struct gw_snapshot_view *view,
                           struct gw_error *error);
/* Temporary file, fsync, rename, fsync of the folder. */
gw_status gw_snapshot_write(struct gw_disk *disk, const struct gw_snapshot_view *view,
                            struct gw_error *error);

/* ---- store_log.c ------------------------------------------------------------------------------
 */

enum { GW_LOG_HEADER = 48, GW_RECORD_HEADER = 32, GW_RECORD_ALIGN = 8 };

struct gw_log_head {
    uint64_t generation;
    uint64_t position; /* records in all logs before this one */
    uint64_t salt;     /* a random number */
    uint64_t seed;     /* of the checks of its records */
};

/* A record that waits to be written. */
struct gw_record {
    struct gw_record *next;
    uint64_t generation;
    uint64_t position; /* of all records */
    uint64_t serial;   /* in its log */
    size_t bytes;      /* of data */
    uint8_t data[];    /* header, body, zeros up to a multiple of GW_RECORD_ALIGN */
};

/* Sets head->seed. */
void gw_log_seal_header(uint8_t *header, struct gw_log_head *head);
/* `*born` is false for a file whose header did not come to be: no record was ever written to it. */
gw_status gw_log_read_header(const uint8_t *file, size_t bytes, struct gw_log_head *head,
                             bool *born, struct gw_error *error);
/* Make the check of a record right whose length, type and serial stand. `synced`: so many records
 * of the log were on disk when this one was written. */
void gw_record_seal(uint8_t *record, uint64_t synced, uint64_t seed);
struct gw_record *gw_record_new(uint32_t type, uint64_t serial, const struct iovec *pieces,
                                int count, size_t body);
/* Records behind a header that was read; `*records` gets how many. */
gw_status gw_log_scan(const uint8_t *file, size_t bytes, const struct gw_log_head *head,
                      const struct gw_recovery *recovery, size_t *good, uint64_t *records,
                      struct gw_error *error);

struct gw_log_file {
    int fd; /* -1: none */
    struct gw_log_head head;
};

/* A new log, on disk before it takes records. */
gw_status gw_log_begin(struct gw_disk *disk, struct gw_log_file *log, uint64_t generation,
                       uint64_t position, struct gw_error *error);
/* Write `first` and those behind it up to the first of another generation (`*rest`), and fsync. */
gw_status gw_log_write(struct gw_disk *disk, struct gw_log_file *log, struct gw_record *first,
                       struct gw_record **rest, struct gw_error *error);

/* ---- store_recover.c --------------------------------------------------------------------------
 */

struct gw_recovered {
    uint64_t snapshot; /* the generation it began at; 0: no snapshot */
    uint64_t newest;   /* the newest generation seen; 0: none */
    uint64_t position; /* records in all */
};

gw_status gw_store_recover(struct gw_disk *disk, const struct gw_recovery *recovery, char *said,
                           struct gw_recovered *recovered, struct gw_error *error);

#endif
