/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Files that hold secrets. What is checked is the open file, not the name, so that nobody can
 * exchange it in between; who else could have read it makes it worthless, so that is an error and
 * not a warning. */
#include "session/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_LARGEST = 8 << 20 }; /* 65536 lines are 6 MB */

static gw_status check_file(int fd, const char *path, size_t *bytes, struct gw_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return gw_fail(error, GW_EIO, "%s is not a file", path);
    if (info.st_uid != geteuid())
        return gw_fail(error, GW_EIO, "%s belongs to user %u, a key file to who uses it (user %u)",
                       path, (unsigned)info.st_uid, (unsigned)geteuid());
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return gw_fail(error, GW_EIO,
                       "%s has mode %04o, so that others can reach the keys: chmod 600 %s", path,
                       (unsigned)info.st_mode & 07777u, path);
    if (info.st_size > FILE_LARGEST)
        return gw_fail(error, GW_EIO, "%s has %lld bytes, a key file at most %d", path,
                       (long long)info.st_size, (int)FILE_LARGEST);
    *bytes = (size_t)info.st_size;
    return GW_OK;
}

static gw_status read_all(struct gw_key_text *text, int fd, const char *path,
                          struct gw_error *error)
{
    while (text->length < text->capacity) {
        ssize_t got = read(fd, text->bytes + text->length, text->capacity - text->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        text->length += (size_t)got;
    }
    return GW_OK;
}

gw_status gw_key_text_load(struct gw_key_text *out, const char *path, struct gw_error *error)
{
    /* Without O_NONBLOCK a pipe of that name would hold us here. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno));
    struct gw_key_text text = { .bytes = NULL };
    gw_status status = check_file(fd, path, &text.capacity, error);
    if (!status && !(text.bytes = malloc(text.capacity + 1)))
        status =
            gw_fail(error, GW_ENOMEM, "no memory for the %zu bytes of %s", text.capacity, path);
    if (!status)
        status = read_all(&text, fd, path, error);
    close(fd);
    if (status)
        gw_key_text_free(&text);
    else
        *out = text;
    return status;
}

static gw_status write_all(int fd, const struct gw_key_text *text, const char *path,
                           struct gw_error *error)
{
    for (size_t done = 0; done < text->length;) {
        ssize_t n = write(fd, text->bytes + done, text->length - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return gw_fail(error, GW_EIO, "%s: %s", path, strerror(n < 0 ? errno : EIO));
        done += (size_t)n;
    }
    if (fsync(fd) != 0)
        return gw_fail(error, GW_EIO, "%s: fsync: %s", path, strerror(errno));
    return GW_OK;
}

gw_status gw_key_text_save(const struct gw_key_text *text, const char *path, struct gw_error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return gw_fail(error, GW_EIO,
                       "%s exists: keys that are in use are not written over; remove it first",
                       path);
    if (fd < 0)
        return gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno));
    gw_status status = write_all(fd, text, path, error);
    if (close(fd) != 0 && !status)
        status = gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno));
    if (status)
        unlink(path);
    return status;
}

void gw_key_text_free(struct gw_key_text *text)
{
    if (text->bytes)
        explicit_bzero(text->bytes, text->capacity);
    free(text->bytes);
    text->bytes = NULL;
}

gw_status gw_key_random(uint8_t key[GW_KEY_BYTES], struct gw_error *error)
{
    /* Up to 256 bytes come whole, once the system has its entropy. */
    ssize_t got;
    do
        got = getrandom(key, GW_KEY_BYTES, 0);
    while (got < 0 && errno == EINTR);
    if (got != GW_KEY_BYTES)
        return gw_fail(error, GW_EIO, "no random bytes from the system: %s", strerror(errno));
    return GW_OK;
}

bool gw_key_job_is_valid(const char *job, size_t length)
{
    if (length == 0 || length > GW_KEY_JOB_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = job[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '-' && c != '_')
            return false;
    }
    return true;
}
