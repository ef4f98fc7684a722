/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The system's files behind struct gw_files. Nothing is retried or judged here: what a failure
 * means is the store's to say, and tests put other files in this place. */
#include "server/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(void *self, const char *path, int flags, int mode)
{
    (void)self;
    return open(path, flags, mode);
}

static ssize_t read_file(void *self, int fd, void *buffer, size_t bytes)
{
    (void)self;
    return read(fd, buffer, bytes);
}

static ssize_t write_file(void *self, int fd, const struct iovec *pieces, int count)
{
    (void)self;
    return writev(fd, pieces, count);
}

static int sync_file(void *self, int fd)
{
    (void)self;
    return fsync(fd);
}

static int truncate_file(void *self, int fd, off_t length)
{
    (void)self;
    return ftruncate(fd, length);
}

static int close_file(void *self, int fd)
{
    (void)self;
    return close(fd);
}

static int rename_file(void *self, const char *from, const char *to)
{
    (void)self;
    return rename(from, to);
}

static int remove_file(void *self, const char *path)
{
    (void)self;
    return unlink(path);
}

static int list_folder(void *self, const char *folder, void (*found)(void *user, const char *name),
                       void *user)
{
    (void)self;
    DIR *names = opendir(folder);
    if (!names)
        return -1;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(names)) != NULL)
        found(user, entry->d_name);
    int reason = errno;
    closedir(names);
    errno = reason;
    return reason ? -1 : 0;
}

static int make_folder(void *self, const char *path, int mode)
{
    (void)self;
    return mkdir(path, (mode_t)mode);
}

static off_t size_of_file(void *self, int fd)
{
    (void)self;
    struct stat facts;
    return fstat(fd, &facts) == 0 ? facts.st_size : -1;
}

/* flock, not fcntl: it belongs to the open file, so that two stores of one process refuse each
 * other too, and closing another descriptor of the file does not release it. */
static int lock_file(void *self, int fd)
{
    (void)self;
    return flock(fd, LOCK_EX | LOCK_NB);
}

const struct gw_files gw_files_system = {
    .open = open_file,
    .read = read_file,
    .write = write_file,
    .sync = sync_file,
    .truncate = truncate_file,
    .close = close_file,
    .rename = rename_file,
    .remove = remove_file,
    .list = list_folder,
    .make_folder = make_folder,
    .size = size_of_file,
    .lock = lock_file,
};
