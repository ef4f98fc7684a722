/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server's simulated disk, whose own allocations are the simulation's: sim_own is set while one
 * of its calls runs. */
#include "tests/sim_world.h"

static const struct gw_files *in(void *self)
{
    sim_own++;
    return &((struct sim_server *)self)->disk->files;
}

static int out(int result)
{
    sim_own--;
    return result;
}

static int gate_open(void *self, const char *path, int flags, int mode)
{
    const struct gw_files *f = in(self);
    return out(f->open(f->self, path, flags, mode));
}

static ssize_t gate_read(void *self, int fd, void *buffer, size_t bytes)
{
    const struct gw_files *f = in(self);
    return out((int)f->read(f->self, fd, buffer, bytes));
}

static ssize_t gate_write(void *self, int fd, const struct iovec *pieces, int count)
{
    const struct gw_files *f = in(self);
    return out((int)f->write(f->self, fd, pieces, count));
}

static int gate_sync(void *self, int fd)
{
    const struct gw_files *f = in(self);
    return out(f->sync(f->self, fd));
}

static int gate_truncate(void *self, int fd, off_t length)
{
    const struct gw_files *f = in(self);
    return out(f->truncate(f->self, fd, length));
}

static int gate_close(void *self, int fd)
{
    const struct gw_files *f = in(self);
    return out(f->close(f->self, fd));
}

static int gate_rename(void *self, const char *from, const char *to)
{
    const struct gw_files *f = in(self);
    return out(f->rename(f->self, from, to));
}

static int gate_remove(void *self, const char *path)
{
    const struct gw_files *f = in(self);
    return out(f->remove(f->self, path));
}

/* `found` is the store's, and allocates. */
static int gate_list(void *self, const char *folder, void (*found)(void *user, const char *name),
                     void *user)
{
    const struct gw_files *f = &((struct sim_server *)self)->disk->files;
    return f->list(f->self, folder, found, user);
}

static int gate_make_folder(void *self, const char *path, int mode)
{
    const struct gw_files *f = in(self);
    return out(f->make_folder(f->self, path, mode));
}

static off_t gate_size(void *self, int fd)
{
    const struct gw_files *f = in(self);
    return out((int)f->size(f->self, fd));
}

static int gate_lock(void *self, int fd)
{
    const struct gw_files *f = in(self);
    return out(f->lock(f->self, fd));
}

void sim_files_gate(struct sim_server *server)
{
    server->files = (struct gw_files){
        server,      gate_open,   gate_read, gate_write,       gate_sync, gate_truncate, gate_close,
        gate_rename, gate_remove, gate_list, gate_make_folder, gate_size, gate_lock,
    };
}
