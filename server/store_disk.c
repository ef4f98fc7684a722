/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The store's folder: its names and its lock, and calls on files that are finished or say why not.
 *
 * A call that a signal interrupts is repeated, a short write is continued; anything else is GW_EIO
 * with operation, file and reason, and what that means is for the caller to say. */
#include "server/store_parts.h"

#include "base/types.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_ROOM = 48,    /* the longest name of a file, and a slash */
    DIGITS_MAX = 19,   /* of a generation: less than 2^64 */
    READ_MAX = 1 << 30 /* bytes of one read */
};

/* errno stays, for callers who look at it. */
static gw_status failed(const char *operation, const char *path, struct gw_error *error)
{
    int reason = errno;
    gw_error_set(error, GW_EIO, "cannot %s %.400s: %s", operation, path, strerror(reason));
    errno = reason;
    return GW_EIO;
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const suffixes[] = { "", "", ".tmp" };
static const char *const prefixes[] = { "snapshot.", "log.", "snapshot." };

const char *gw_disk_path(struct gw_disk *disk, enum gw_disk_kind kind, uint64_t generation)
{
    snprintf(disk->path, disk->path_bytes, "%s/%s%" PRIu64 "%s", disk->folder, prefixes[kind],
             generation, suffixes[kind]);
    return disk->path;
}

static bool read_name(const char *name, enum gw_disk_kind kind, uint64_t *generation)
{
    size_t prefix = strlen(prefixes[kind]);
    if (strncmp(name, prefixes[kind], prefix) != 0)
        return false;
    const char *digits = name + prefix;
    size_t length = strspn(digits, "0123456789");
    if (length < 1 || length > DIGITS_MAX || digits[0] == '0' ||
        strcmp(digits + length, suffixes[kind]) != 0)
        return false;
    *generation = 0;
    for (size_t i = 0; i < length; i++)
        *generation = *generation * 10 + (uint64_t)(digits[i] - '0');
    return true;
}

struct name_list {
    struct gw_disk_name *names;
    size_t count, capacity;
    bool no_memory;
};

static void note_name(void *user, const char *name)
{
    struct name_list *list = user;
    struct gw_disk_name found = { .kind = GW_DISK_SNAPSHOT };
    while (!read_name(name, found.kind, &found.generation)) {
        if (found.kind == GW_DISK_TEMPORARY)
            return;
        found.kind++;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 16;
        struct gw_disk_name *more = realloc(list->names, capacity * sizeof *more);
        if (!more) {
            list->no_memory = true;
            return;
        }
        list->names = more;
        list->capacity = capacity;
    }
    list->names[list->count++] = found;
}

static int compare_names(const void *a, const void *b)
{
    const struct gw_disk_name *left = a, *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return left->generation < right->generation ? -1 : left->generation > right->generation;
}

gw_status gw_disk_list(struct gw_disk *disk, struct gw_disk_name **names, size_t *count,
                       struct gw_error *error)
{
    struct name_list list = { .names = NULL };
    int result;
    do {
        list.count = 0;
        result = disk->files->list(disk->files->self, disk->folder, note_name, &list);
    } while (result < 0 && errno == EINTR);
    gw_status s = GW_OK;
    if (result < 0)
        s = failed("list", disk->folder, error);
    else if (list.no_memory)
        s = gw_fail(error, GW_ENOMEM, "out of memory for the names in %.400s", disk->folder);
    if (s) {
        free(list.names);
        return s;
    }
    if (list.count > 1)
        qsort(list.names, list.count, sizeof *list.names, compare_names);
    *names = list.names;
    *count = list.count;
    return GW_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

gw_status gw_disk_open_file(struct gw_disk *disk, const char *path, int flags, int *fd,
                            struct gw_error *error)
{
    int got;
    do
        got = disk->files->open(disk->files->self, path, flags | O_CLOEXEC, 0600);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return failed(flags & O_CREAT ? "make" : "open", path, error);
    *fd = got;
    return GW_OK;
}

/* Linux has closed the file also when it says EINTR. What had to be on disk was synced before, so
 * there is nothing left that a close could fail to do. */
void gw_disk_close_file(struct gw_disk *disk, int fd)
{
    if (fd >= 0)
        (void)disk->files->close(disk->files->self, fd);
}

gw_status gw_disk_read(struct gw_disk *disk, int fd, const char *path, uint8_t **bytes,
                       size_t *count, struct gw_error *error)
{
    off_t size;
    do
        size = disk->files->size(disk->files->self, fd);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return failed("get the size of", path, error);
    uint8_t *buffer = malloc((size_t)size + 1);
    if (!buffer)
        return gw_fail(error, GW_ENOMEM, "out of memory for the %lld bytes of %.400s",
                       (long long)size, path);
    size_t at = 0;
    while (at < (size_t)size) {
        size_t most = gw_min_size((size_t)size - at, READ_MAX);
        ssize_t got = disk->files->read(disk->files->self, fd, buffer + at, most);
        if (got == 0)
            break;
        if (got > 0) {
            at += (size_t)got;
        } else if (errno != EINTR) {
            gw_status s = failed("read", path, error);
            free(buffer);
            return s;
        }
    }
    *bytes = buffer;
    *count = at;
    return GW_OK;
}

gw_status gw_disk_write(struct gw_disk *disk, int fd, const char *path, struct iovec *pieces,
                        int count, struct gw_error *error)
{
    for (;;) {
        while (count > 0 && pieces->iov_len == 0) {
            pieces++;
            count--;
        }
        if (count == 0)
            return GW_OK;
        ssize_t got = disk->files->write(disk->files->self, fd, pieces, count);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("write", path, error);
        if (got == 0)
            return gw_fail(error, GW_EIO, "cannot write %.400s: nothing was taken", path);
        for (size_t left = (size_t)got; left > 0 && count > 0;) {
            size_t part = gw_min_size(left, pieces->iov_len);
            pieces->iov_base = (uint8_t *)pieces->iov_base + part;
            pieces->iov_len -= part;
            left -= part;
            if (pieces->iov_len == 0) {
                pieces++;
                count--;
            }
        }
    }
}

gw_status gw_disk_truncate(struct gw_disk *disk, int fd, const char *path, size_t bytes,
                           struct gw_error *error)
{
    int result;
    do
        result = disk->files->truncate(disk->files->self, fd, (off_t)bytes);
    while (result < 0 && errno == EINTR);
    return result < 0 ? failed("cut", path, error) : GW_OK;
}

gw_status gw_disk_sync(struct gw_disk *disk, int fd, const char *path, struct gw_error *error)
{
    int result;
    do
        result = disk->files->sync(disk->files->self, fd);
    while (result < 0 && errno == EINTR);
    return result < 0 ? failed("fsync", path, error) : GW_OK;
}

/* Some file systems know no fsync of folders, and say EINVAL: there is nothing more to be had. */
static gw_status sync_names(struct gw_disk *disk, int fd, const char *path, struct gw_error *error)
{
    gw_status s = gw_disk_sync(disk, fd, path, error);
    return s && errno == EINVAL ? GW_OK : s;
}

gw_status gw_disk_sync_folder(struct gw_disk *disk, struct gw_error *error)
{
    return sync_names(disk, disk->folder_fd, disk->folder, error);
}

gw_status gw_disk_rename(struct gw_disk *disk, const char *from, const char *to,
                         struct gw_error *error)
{
    int result;
    do
        result = disk->files->rename(disk->files->self, from, to);
    while (result < 0 && errno == EINTR);
    return result < 0 ? failed("rename to", to, error) : GW_OK;
}

void gw_disk_remove(struct gw_disk *disk, enum gw_disk_kind kind, uint64_t generation)
{
    const char *path = gw_disk_path(disk, kind, generation);
    int result;
    do
        result = disk->files->remove(disk->files->self, path);
    while (result < 0 && errno == EINTR);
}

/* ---- open and close -------------------------------------------------------------------------- */

/* The folder that holds ours, in disk->path. */
static const char *parent_of(struct gw_disk *disk)
{
    const char *slash = strrchr(disk->folder, '/');
    size_t length = slash ? (size_t)(slash - disk->folder) : 0;
    if (!slash)
        snprintf(disk->path, disk->path_bytes, ".");
    else
        snprintf(disk->path, disk->path_bytes, "%.*s/", (int)length, disk->folder);
    return disk->path;
}

/* A new folder is a name in its parent, which has to be on disk too; also when it was made by one
 * who died before that. A parent that may not be read cannot be synced. */
static gw_status make_folder(struct gw_disk *disk, struct gw_error *error)
{
    const struct gw_files *files = disk->files;
    int result, fd = -1;
    do
        result = files->make_folder(files->self, disk->folder, 0700);
    while (result < 0 && errno == EINTR);
    if (result < 0 && errno != EEXIST)
        return failed("make the folder", disk->folder, error);
    gw_status s = gw_disk_open_file(disk, parent_of(disk), O_RDONLY | O_DIRECTORY, &fd, error);
    if (s)
        return errno == EACCES ? GW_OK : s;
    s = sync_names(disk, fd, disk->path, error);
    gw_disk_close_file(disk, fd);
    return s;
}

static gw_status lock(struct gw_disk *disk, struct gw_error *error)
{
    snprintf(disk->path, disk->path_bytes, "%s/lock", disk->folder);
    gw_status s = gw_disk_open_file(disk, disk->path, O_RDWR | O_CREAT, &disk->lock_fd, error);
    if (s)
        return s;
    int result;
    do
        result = disk->files->lock(disk->files->self, disk->lock_fd);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return GW_OK;
    if (errno == EWOULDBLOCK)
        return gw_fail(error, GW_ESTATE,
                       "another server holds the folder %.400s (its file 'lock' is locked)",
                       disk->folder);
    return failed("lock", disk->path, error);
}

static gw_status allocate(struct gw_disk *disk, const char *folder, struct gw_error *error)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    if (length == 0)
        return gw_fail(error, GW_EINVAL, "the name of the folder is empty");
    disk->path_bytes = length + NAME_ROOM;
    disk->folder = malloc(length + 1);
    disk->path = malloc(disk->path_bytes);
    if (!disk->folder || !disk->path)
        return gw_fail(error, GW_ENOMEM, "out of memory for the folder %.400s", folder);
    memcpy(disk->folder, folder, length);
    disk->folder[length] = '\0';
    return GW_OK;
}

gw_status gw_disk_open(struct gw_disk *disk, const char *folder, const struct gw_files *files,
                       struct gw_error *error)
{
    *disk = (struct gw_disk){ .files = files, .folder_fd = -1, .lock_fd = -1 };
    gw_status s = allocate(disk, folder, error);
    if (!s)
        s = make_folder(disk, error);
    if (!s)
        s = gw_disk_open_file(disk, disk->folder, O_RDONLY | O_DIRECTORY, &disk->folder_fd, error);
    if (!s)
        s = lock(disk, error);
    if (s)
        gw_disk_close(disk);
    return s;
}

/* The lock goes last. */
void gw_disk_close(struct gw_disk *disk)
{
    gw_disk_close_file(disk, disk->folder_fd);
    gw_disk_close_file(disk, disk->lock_fd);
    free(disk->folder);
    free(disk->path);
    *disk = (struct gw_disk){ .folder_fd = -1, .lock_fd = -1 };
}
