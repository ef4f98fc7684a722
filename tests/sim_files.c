/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Files in memory with a disk that forgets, fails and stops. */
#include "tests/sim_files.h"

#include "base/types.h"
#include "tests/next_random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 16, NO_INODE = -1 };

struct sim_contents {
    uint8_t *bytes;
    size_t size;
};

struct sim_inode {
    struct sim_contents seen, disk;
    bool folder;
    bool lost; /* an fsync failed: those behind it say all is well, and nothing gets to the disk */
    int lock;  /* the descriptor that holds it; -1: none */
};

struct sim_change {
    char from[SIM_NAME_BYTES]; /* "": none */
    char to[SIM_NAME_BYTES];
    int inode;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void resize(struct sim_contents *c, size_t size)
{
    c->bytes = must(realloc(c->bytes, size + 1));
    if (size > c->size)
        memset(c->bytes + c->size, 0, size - c->size);
    c->size = size;
}

static void assign(struct sim_contents *c, const struct sim_contents *from)
{
    resize(c, from->size);
    if (from->size > 0)
        memcpy(c->bytes, from->bytes, from->size);
}

static int new_inode(struct sim_files *sim, bool folder)
{
    sim->inodes = must(realloc(sim->inodes, (size_t)(sim->inodes_count + 1) * sizeof *sim->inodes));
    sim->inodes[sim->inodes_count] = (struct sim_inode){ .folder = folder, .lock = -1 };
    return sim->inodes_count++;
}

static struct sim_name *find(struct sim_names *names, const char *path)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->names[i].path, path) == 0)
            return &names->names[i];
    return NULL;
}

static void copy_path(char *to, const char *path)
{
    size_t bytes = strlen(path) + 1;
    if (bytes > SIM_NAME_BYTES)
        abort();
    memmove(to, path, bytes);
}

static void apply(struct sim_names *names, const struct sim_change *change)
{
    struct sim_name *old = change->from[0] ? find(names, change->from) : NULL;
    if (old)
        *old = names->names[--names->count];
    if (change->to[0] == '\0')
        return;
    struct sim_name *now = find(names, change->to);
    if (!now) {
        if (names->count == SIM_NAMES)
            abort();
        now = &names->names[names->count++];
        copy_path(now->path, change->to);
    }
    now->inode = change->inode;
}

static void change_names(struct sim_files *sim, const char *from, const char *to, int inode)
{
    struct sim_change change = { .inode = inode };
    copy_path(change.from, from);
    copy_path(change.to, to);
    apply(&sim->seen, &change);
    sim->changes =
        must(realloc(sim->changes, (size_t)(sim->changes_count + 1) * sizeof *sim->changes));
    sim->changes[sim->changes_count++] = change;
}

/* "/state/log.1" lies in "/state", and that in "/". */
static bool lies_in(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? gw_max_size((size_t)(slash - path), 1) : 0;
    return slash && slash[1] && strlen(folder) == length && strncmp(path, folder, length) == 0;
}

/* Without slashes at the end. */
static const char *plain(const char *path, char *room)
{
    copy_path(room, path);
    size_t length = strlen(room);
    while (length > 1 && room[length - 1] == '/')
        room[--length] = '\0';
    return room;
}

static const char *path_of(const struct sim_files *sim, int inode)
{
    for (int i = 0; i < sim->seen.count; i++)
        if (sim->seen.names[i].inode == inode)
            return sim->seen.names[i].path;
    return "?";
}

/* ---- faults ---------------------------------------------------------------------------------- */

enum way { GOES, GOES_HALF, FAILS };

/* Where every call begins. `needs_room`: a full disk refuses it. */
static enum way enter(struct sim_files *sim, bool needs_room)
{
    long call = ++sim->calls;
    if (sim->crash_at && call >= sim->crash_at)
        sim->crashed = true;
    if (sim->crashed) {
        errno = EIO;
        return FAILS;
    }
    static const int reasons[] = { ENOSPC, EIO, 0, EINTR };
    bool hit = call == sim->fail_at || (sim->sticky && sim->fail_at && call > sim->fail_at);
    if (!hit || (sim->fault == SIM_ENOSPC && sim->sticky && !needs_room))
        return GOES;
    errno = reasons[sim->fault];
    return sim->fault == SIM_SHORT ? GOES_HALF : FAILS;
}

/* ---- the calls ------------------------------------------------------------------------------- */

static int open_inode(struct sim_files *sim, int inode)
{
    int fd = 0;
    while (sim->fds[fd].inode != NO_INODE)
        if (++fd == SIM_FDS)
            abort();
    sim->fds[fd] = (struct sim_fd){ .inode = inode };
    return fd;
}

static int sim_open(void *self, const char *path, int flags, int mode)
{
    struct sim_files *sim = self;
    char room[SIM_NAME_BYTES];
    (void)mode;
    if (enter(sim, flags & O_CREAT) == FAILS)
        return -1;
    struct sim_name *name = find(&sim->seen, plain(path, room));
    if (name ? (flags & O_CREAT) && (flags & O_EXCL) : !(flags & O_CREAT)) {
        errno = name ? EEXIST : ENOENT;
        return -1;
    }
    int inode = name ? name->inode : new_inode(sim, false);
    if (!name)
        change_names(sim, "", room, inode);
    if (flags & O_TRUNC)
        resize(&sim->inodes[inode].seen, 0);
    return open_inode(sim, inode);
}

static struct sim_inode *inode_of(struct sim_files *sim, int fd)
{
    if (fd < 0 || fd >= SIM_FDS || sim->fds[fd].inode == NO_INODE)
        abort();
    return &sim->inodes[sim->fds[fd].inode];
}

static ssize_t sim_read(void *self, int fd, void *buffer, size_t bytes)
{
    struct sim_files *sim = self;
    enum way way = enter(sim, false);
    if (way == FAILS)
        return -1;
    const struct sim_contents *c = &inode_of(sim, fd)->seen;
    size_t at = gw_min_size(sim->fds[fd].at, c->size), most = gw_min_size(bytes, c->size - at);
    if (way == GOES_HALF)
        most = (most + 1) / 2;
    if (most > 0)
        memcpy(buffer, c->bytes + at, most);
    sim->fds[fd].at = at + most;
    return (ssize_t)most;
}

/* A write that fails may have changed the file: half of it is there. */
static ssize_t sim_write(void *self, int fd, const struct iovec *pieces, int count)
{
    struct sim_files *sim = self;
    enum way way = enter(sim, true);
    if (sim->crashed)
        return -1;
    int reason = errno;
    struct sim_contents *c = &inode_of(sim, fd)->seen;
    size_t all = 0, done = 0, at = sim->fds[fd].at;
    for (int i = 0; i < count; i++)
        all += pieces[i].iov_len;
    size_t most = way == GOES ? all : (all + 1) / 2;
    if (way == FAILS && reason == EINTR)
        most = 0;
    resize(c, gw_max_size(c->size, at + most));
    for (int i = 0; i < count && done < most; i++) {
        size_t part = gw_min_size(pieces[i].iov_len, most - done);
        if (part > 0)
            memcpy(c->bytes + at + done, pieces[i].iov_base, part);
        done += part;
    }
    errno = reason;
    if (way == FAILS)
        return -1;
    sim->fds[fd].at = at + done;
    return (ssize_t)done;
}

static void sync_folder(struct sim_files *sim, const char *folder)
{
    int kept = 0;
    for (int i = 0; i < sim->changes_count; i++) {
        const struct sim_change *change = &sim->changes[i];
        if (lies_in(change->to[0] ? change->to : change->from, folder))
            apply(&sim->disk, change);
        else
            sim->changes[kept++] = *change;
    }
    sim->changes_count = kept;
}

static int sim_sync(void *self, int fd)
{
    struct sim_files *sim = self;
    enum way way = enter(sim, true);
    if (sim->crashed)
        return -1;
    struct sim_inode *inode = inode_of(sim, fd);
    if (way == FAILS) {
        inode->lost |= errno != EINTR && !inode->folder;
        return -1;
    }
    if (inode->folder)
        sync_folder(sim, path_of(sim, sim->fds[fd].inode));
    else if (!inode->lost)
        assign(&inode->disk, &inode->seen);
    return 0;
}

static int sim_truncate(void *self, int fd, off_t length)
{
    struct sim_files *sim = self;
    if (enter(sim, false) == FAILS)
        return -1;
    resize(&inode_of(sim, fd)->seen, (size_t)length);
    return 0;
}

static int sim_close(void *self, int fd)
{
    struct sim_files *sim = self;
    enum way way = enter(sim, false);
    struct sim_inode *inode = inode_of(sim, fd);
    if (inode->lock == fd)
        inode->lock = -1;
    sim->fds[fd].inode = NO_INODE;
    return way == FAILS ? -1 : 0;
}

static int sim_rename(void *self, const char *from, const char *to)
{
    struct sim_files *sim = self;
    if (enter(sim, true) == FAILS)
        return -1;
    const struct sim_name *name = find(&sim->seen, from);
    errno = ENOENT;
    if (name)
        change_names(sim, from, to, name->inode);
    return name ? 0 : -1;
}

static int sim_remove(void *self, const char *path)
{
    struct sim_files *sim = self;
    if (enter(sim, false) == FAILS)
        return -1;
    bool there = find(&sim->seen, path);
    errno = ENOENT;
    if (there)
        change_names(sim, path, "", NO_INODE);
    return there ? 0 : -1;
}

/* One that fails has found some names first. */
static int sim_list(void *self, const char *folder, void (*found)(void *user, const char *name),
                    void *user)
{
    struct sim_files *sim = self;
    char room[SIM_NAME_BYTES];
    enum way way = enter(sim, false);
    int reason = errno, count = way == FAILS ? sim->seen.count / 2 : sim->seen.count;
    plain(folder, room);
    for (int i = 0; i < count && !sim->crashed; i++)
        if (lies_in(sim->seen.names[i].path, room))
            found(user, strrchr(sim->seen.names[i].path, '/') + 1);
    errno = reason;
    return way == FAILS ? -1 : 0;
}

static int sim_make_folder(void *self, const char *path, int mode)
{
    struct sim_files *sim = self;
    (void)mode;
    if (enter(sim, true) == FAILS)
        return -1;
    if (find(&sim->seen, path)) {
        errno = EEXIST;
        return -1;
    }
    change_names(sim, "", path, new_inode(sim, true));
    return 0;
}

static off_t sim_size(void *self, int fd)
{
    struct sim_files *sim = self;
    return enter(sim, false) == FAILS ? -1 : (off_t)inode_of(sim, fd)->seen.size;
}

static int sim_lock(void *self, int fd)
{
    struct sim_files *sim = self;
    if (enter(sim, false) == FAILS)
        return -1;
    struct sim_inode *inode = inode_of(sim, fd);
    if (inode->lock >= 0 && inode->lock != fd) {
        errno = EWOULDBLOCK;
        return -1;
    }
    inode->lock = fd;
    return 0;
}

/* ---- crash ----------------------------------------------------------------------------------- */

/* Nothing, all, or some sectors of what was not synced, and a size between. */
static void survive(struct sim_inode *inode, uint64_t *seed)
{
    uint64_t kind = next_random(seed) % 4;
    if (kind == 1 && !inode->lost)
        assign(&inode->disk, &inode->seen);
    struct sim_contents old = inode->disk, now = { NULL, 0 };
    if (kind >= 2) {
        size_t low = gw_min_size(old.size, inode->seen.size);
        size_t high = gw_max_size(old.size, inode->seen.size);
        resize(&now, kind == 2 ? high : low + (size_t)(next_random(seed) % (high - low + 1)));
        for (size_t i = 0; i < now.size; i += SECTOR) {
            const struct sim_contents *from = next_random(seed) % 2 ? &inode->seen : &old;
            if (i < from->size)
                memcpy(now.bytes + i, from->bytes + i,
                       gw_min_size(SECTOR, gw_min_size(from->size, now.size) - i));
        }
        free(old.bytes);
        inode->disk = now;
    }
    assign(&inode->seen, &inode->disk);
    inode->lost = false;
}

/* Names in folders that are gone. */
static void drop_orphans(struct sim_names *names)
{
    for (int i = names->count - 1; i >= 0; i--) {
        bool held = strcmp(names->names[i].path, "/") == 0;
        for (int k = 0; k < names->count && !held; k++)
            held = lies_in(names->names[i].path, names->names[k].path);
        if (!held)
            names->names[i] = names->names[--names->count];
    }
}

void sim_files_kill(struct sim_files *sim)
{
    for (int i = 0; i < sim->inodes_count; i++)
        sim->inodes[i].lock = -1;
    for (int i = 0; i < SIM_FDS; i++)
        sim->fds[i].inode = NO_INODE;
    sim->crashed = false;
    sim->crash_at = sim->fail_at = 0;
}

void sim_files_crash(struct sim_files *sim, uint64_t seed)
{
    uint64_t kind = next_random(&seed) % 4;
    int prefix = (int)(next_random(&seed) % (uint64_t)(sim->changes_count + 1));
    for (int i = 0; i < sim->changes_count; i++)
        if (kind == 1 || (kind == 2 && i < prefix) || (kind == 3 && next_random(&seed) % 2))
            apply(&sim->disk, &sim->changes[i]);
    sim->changes_count = 0;
    drop_orphans(&sim->disk);
    sim->seen = sim->disk;
    for (int i = 0; i < sim->inodes_count; i++)
        if (!sim->inodes[i].folder)
            survive(&sim->inodes[i], &seed);
    sim_files_kill(sim);
}

/* ---- new, copy, look ------------------------------------------------------------------------- */

struct sim_files *sim_files_new(void)
{
    struct sim_files *sim = must(calloc(1, sizeof *sim));
    sim->files = (struct gw_files){
        sim,        sim_open,   sim_read, sim_write,       sim_sync, sim_truncate, sim_close,
        sim_rename, sim_remove, sim_list, sim_make_folder, sim_size, sim_lock,
    };
    for (int i = 0; i < SIM_FDS; i++)
        sim->fds[i].inode = NO_INODE;
    sim->seen.names[sim->seen.count++] = (struct sim_name){ "/", new_inode(sim, true) };
    sim->disk = sim->seen;
    return sim;
}

struct sim_files *sim_files_copy(const struct sim_files *sim)
{
    struct sim_files *copy = must(malloc(sizeof *copy));
    *copy = *sim;
    copy->files.self = copy;
    copy->inodes = must(malloc((size_t)sim->inodes_count * sizeof *copy->inodes));
    for (int i = 0; i < sim->inodes_count; i++) {
        copy->inodes[i] = (struct sim_inode){ .folder = sim->inodes[i].folder, .lock = -1 };
        assign(&copy->inodes[i].seen, &sim->inodes[i].seen);
        assign(&copy->inodes[i].disk, &sim->inodes[i].disk);
    }
    copy->changes = NULL;
    copy->changes_count = 0;
    copy->disk = copy->seen;
    return copy;
}

void sim_files_free(struct sim_files *sim)
{
    for (int i = 0; i < sim->inodes_count; i++) {
        free(sim->inodes[i].seen.bytes);
        free(sim->inodes[i].disk.bytes);
    }
    free(sim->inodes);
    free(sim->changes);
    free(sim);
}

int sim_files_open_count(const struct sim_files *sim)
{
    int count = 0;
    for (int i = 0; i < SIM_FDS; i++)
        count += sim->fds[i].inode != NO_INODE;
    return count;
}

uint8_t *sim_files_bytes(struct sim_files *sim, const char *path, size_t *bytes)
{
    const struct sim_name *name = find(&sim->seen, path);
    if (!name)
        return NULL;
    *bytes = sim->inodes[name->inode].seen.size;
    return sim->inodes[name->inode].seen.bytes;
}

void sim_files_cut(struct sim_files *sim, const char *path, size_t bytes)
{
    const struct sim_name *name = must(find(&sim->seen, path));
    resize(&sim->inodes[name->inode].seen, bytes);
}
