/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a server keeps on disk: a folder of snapshots, and logs of what came after each.
 *
 * Generation g is `snapshot.G` and `log.G`, the records since that snapshot. A new generation
 * begins with its log (so that records have a place while the snapshot is written), then the
 * snapshot is written beside (temporary file, fsync, rename, fsync of the folder). When it stands,
 * all but the newest two snapshots and the logs from the older of them on are removed. Recovery
 * takes the newest snapshot that is whole and all records behind it, over several logs where a
 * snapshot was not finished. A log's torn end is cut off; bytes that are wrong with good records
 * behind them are an error, not a guess.
 *
 * After a failed write or fsync of a log nothing more is written to that file (a second fsync may
 * succeed although the data is gone): the store is *sick* until a new generation stands.
 *
 * Threads: gw_store_append is the owner's; gw_store_flush and gw_store_snapshot may run on another
 * thread, one of them at a time, while the owner appends. */
#ifndef GW_SERVER_STORE_H
#define GW_SERVER_STORE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* The file system as the store sees it, so that tests can fail the n-th operation. Calls return
 * what the system's do, and set errno. `self` is handed through. */
struct gw_files {
    void *self;
    int (*open)(void *self, const char *path, int flags, int mode);
    ssize_t (*read)(void *self, int fd, void *buffer, size_t bytes);
    ssize_t (*write)(void *self, int fd, const struct iovec *pieces, int count);
    int (*sync)(void *self, int fd);
    int (*truncate)(void *self, int fd, off_t length);
    int (*close)(void *self, int fd);
    int (*rename)(void *self, const char *from, const char *to);
    int (*remove)(void *self, const char *path);
    /* Calls `found` with each name in a folder. */
    int (*list)(void *self, const char *folder, void (*found)(void *user, const char *name),
                void *user);
    int (*make_folder)(void *self, const char *path, int mode);
    /* Bytes of an open file. */
    off_t (*size)(void *self, int fd);
    /* Lock an open file against all who open it too, until it is closed or the process is gone;
     * EWOULDBLOCK: somebody holds it. */
    int (*lock)(void *self, int fd);
};
extern const struct gw_files gw_files_system;

struct gw_store;

/* What recovery finds, in order: at most one snapshot, then records. A call may fail with words:
 * the bytes are no good, recovery stops (the folder belongs to another job, say). */
struct gw_recovery {
    void *user;
    gw_status (*snapshot)(void *user, const uint8_t *image, size_t bytes, struct gw_error *error);
    gw_status (*record)(void *user, uint32_t type, const uint8_t *body, size_t bytes,
                        struct gw_error *error);
};

/* Open (make) the folder, lock it against other servers, recover what it holds and, with `logs`,
 * begin a new generation's log. `said` (GW_ERROR_TEXT bytes) gets what recovery had to skip, "" if
 * nothing: a snapshot that was not whole, a torn end. Errors: GW_EIO with file, operation and
 * reason; GW_EPAYLOAD (wrong bytes before good ones; no snapshot is whole although there are some);
 * GW_ESTATE (another server holds the folder); GW_ENOMEM. */
gw_status gw_store_open(struct gw_store **out, const char *folder, bool logs,
                        const struct gw_files *files, const struct gw_recovery *recovery,
                        char *said, struct gw_error *error);
void gw_store_close(struct gw_store *store); /* writes nothing; NULL is fine */

/* Put a record at the end of what is to be written; its body in up to 8 pieces, copied. No I/O.
 * Errors: GW_ENOMEM; GW_EINVAL (4 GiB and more); GW_ESTATE (a store without logs). */
gw_status gw_store_append(struct gw_store *store, uint32_t type, const struct iovec *pieces,
                          int count, struct gw_error *error);
size_t gw_store_pending(const struct gw_store *store); /* bytes appended and not flushed */

/* Write and fsync all that was appended before the call. When it returns GW_OK, all that was ever
 * appended before the call is on disk, in a log or in a snapshot that stands.
 * Errors: GW_EIO: the store is sick, and so is every later flush until a new generation stands;
 * what was appended before that generation's gw_store_turn is given up (it was not acknowledged,
 * and the snapshot holds what the server applied of it), what came after the turn is kept for the
 * first flush that succeeds. So nothing is acknowledged until a flush says GW_OK again. */
gw_status gw_store_flush(struct gw_store *store, struct gw_error *error);
bool gw_store_is_sick(const struct gw_store *store);

/* A new generation in two steps. gw_store_turn (owner's thread; with logs: records appended from
 * now on go to the new log; no I/O): call it at the moment whose state `image` is.
 * gw_store_snapshot (any thread): write it. When it returns GW_OK the store is well again. On an
 * error the older generations are as they were; turn again before the next attempt.
 * Errors: GW_EIO (also: this snapshot stands, but its generation's log has failed meanwhile);
 * GW_ENOMEM; GW_ESTATE (no turn since the newest snapshot). */
void gw_store_turn(struct gw_store *store);
gw_status gw_store_snapshot(struct gw_store *store, const void *image, size_t bytes,
                            struct gw_error *error);

/* ---- the formats, for fuzzing: any bytes -------------------------------------------------------
 */

/* A snapshot file's bytes to the image in it, which lies in one piece. GW_EPAYLOAD. */
gw_status gw_snapshot_check(const uint8_t *file, size_t bytes, const uint8_t **image,
                            size_t *image_bytes, struct gw_error *error);
/* A log file's bytes: calls recovery->record for each; `*good` gets the bytes up to the torn end.
 * GW_EPAYLOAD: bytes are wrong that were on disk before later ones were written. */
gw_status gw_log_read(const uint8_t *file, size_t bytes, const struct gw_recovery *recovery,
                      size_t *good, struct gw_error *error);

#endif
